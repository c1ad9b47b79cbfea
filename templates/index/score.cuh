//# Scores of a step's tokens: a warp takes 16 of them, and all rows of Q.

/* A fragment of 16 rows and 16 dims of Q: as mma has its first operand. */
void load_query_block(u32 (&words)[4], const u8 *shared, int rows, int dims) {
  const u32 row = 16 * rows + lane() % 16;
  load_matrices(words, shared_address(shared + kSharedQuery + row * kRowPitch + 32 * dims + lane() / 16 * 16));
}

/* Of 16 tokens and 16 dims of K: two second operands of mma, of 8 tokens each. */
void load_key_block(u32 (&words)[4], const u8 *shared, int dims) {
  const u32 row = 16 * warp() + lane() % 8 + lane() / 16 * 8;
  load_matrices(words, shared_address(shared + kSharedKeys + row * kRowPitch + 32 * dims + lane() / 8 % 2 * 16));
}

/* Products of 16 rows of Q with the warp's tokens: of rows l / 4 and l / 4 + 8, tokens 8 t + 2 (l % 4) and the next. */
void multiply(float (&products)[2][4], const u8 *shared, const u32 (&keys)[kHeadDim / 16][4], int rows) {
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; i++) {
    u32 q[4];
    load_query_block(q, shared, rows, i);
    mma(products[0], q, keys[i][0], keys[i][1]);
    mma(products[1], q, keys[i][2], keys[i][3]);
  }
}

/* The first of the tokens of this lane in a half of the warp's. */
int token_of(int half) {
  return 16 * warp() + 8 * half + 2 * (lane() % 4);
}

//@if scores == sum
/* Brings Q of a token, and the weights of its heads; rows without a head weigh nothing. */
void load_query(const fi_indexer_args &args, u8 *shared, int token, int head) {
  float *weights = (float *)(shared + kSharedWeights);
  const float *from = args.weights + token * args.weight_stride + head * kGroup;
  load_rows(args, shared, token, head);
  for (int row = (int)threadIdx.x; row < kQueryRows; row += kThreads)
    weights[row] = row < kGroup ? from[row] : 0;
}

/* Adds what the products of 16 rows give to the sums of tokens: weights times what is above 0. */
void add_rows(float (&sums)[2][2], const u8 *shared, const float (&products)[2][4], int rows) {
  const float *weights = (const float *)(shared + kSharedWeights) + 16 * rows + lane() / 4;
#pragma unroll
  for (int half = 0; half < 2; half++)
#pragma unroll
    for (int i = 0; i < 2; i++) {
      sums[half][i] = fmaf(weights[0], fmaxf(products[half][i], 0), sums[half][i]);
      sums[half][i] = fmaf(weights[8], fmaxf(products[half][i + 2], 0), sums[half][i]);
    }
}

/* The score of each of the step's tokens: over all heads the sum of weight times what the product has above 0. */
void score_step(u8 *shared) {
  const float *scales = (const float *)(shared + kSharedScales);
  float *scores = (float *)(shared + kSharedScores);
  u32 keys[kHeadDim / 16][4];
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; i++)
    load_key_block(keys[i], shared, i);
  float sums[2][2] = {};
#pragma unroll 1
  for (int rows = 0; rows < kQueryRows / 16; rows++) {
    float products[2][4] = {};
    multiply(products, shared, keys, rows);
    add_rows(sums, shared, products, rows);
  }
#pragma unroll
  for (int half = 0; half < 2; half++)
#pragma unroll
    for (int i = 0; i < 2; i++) {
      float sum = sums[half][i];
#pragma unroll
      for (int distance = 4; distance < 32; distance *= 2)
        sum += __shfl_xor_sync(kAllLanes, sum, distance);
      if (lane() < 4)
        scores[token_of(half) + i] = sum * scales[token_of(half) + i];
    }
}
//@else
/* Brings Q of a token. */
void load_query(const fi_indexer_args &args, u8 *shared, int token, int head) {
  load_rows(args, shared, token, head);
}

/* The score of each of the step's tokens on each head: the product of Q and K. */
void score_step(u8 *shared) {
  const float *scales = (const float *)(shared + kSharedScales);
  float *scores = (float *)(shared + kSharedScores);
  u32 keys[kHeadDim / 16][4];
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; i++)
    load_key_block(keys[i], shared, i);
#pragma unroll 1
  for (int rows = 0; rows < kQueryRows / 16; rows++) {
    float products[2][4] = {};
    multiply(products, shared, keys, rows);
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const int row = 16 * rows + lane() / 4 + i % 4 / 2 * 8;
      const int token = token_of(i / 4) + i % 2;
      if (row < kGroup)
        scores[row * kStepTokens + token] = products[i / 4][i % 4] * scales[token];
    }
  }
}
//@end
