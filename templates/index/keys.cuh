//@use operand/convert
//@use work/kv_address
//@use work/scales

//# Rows of Q and of K in shared memory, all of the type that the matrix instructions take, which is that of Q.

//@if kv_dtype == e4m3
//@use operand/widen_e4m3

//@if q_dtype == bf16
/* A pair of f16 as one of bf16, which has all values of e4m3. */
u32 pair_of_f16(u32 pair) {
  const float2 values = unpack_f16(pair);
  return pack_bf16(values.x, values.y);
}
//@else
/* Q has the type that elements are converted to. */
u32 pair_of_f16(u32 pair) {
  return pair;
}
//@end

/* Writes the 16 elements of a chunk of K. */
void store_chunk(u8 *row, int chunk, uint4 words) {
  const uint2 a = widen_four(words.x);
  const uint2 b = widen_four(words.y);
  const uint2 c = widen_four(words.z);
  const uint2 d = widen_four(words.w);
  uint4 *to = (uint4 *)row + 2 * chunk;
  to[0] = make_uint4(pair_of_f16(a.x), pair_of_f16(a.y), pair_of_f16(b.x), pair_of_f16(b.y));
  to[1] = make_uint4(pair_of_f16(c.x), pair_of_f16(c.y), pair_of_f16(d.x), pair_of_f16(d.y));
}
//@else
/* Writes the 8 elements of a chunk of K. */
void store_chunk(u8 *row, int chunk, uint4 words) {
  ((uint4 *)row)[chunk] = words;
}
//@end

//@if token_scales
/* What the scores of a token are multiplied with. */
float key_scale(const fi_indexer_args &args, int place, int token, int head) {
  return args.k.scales[scale_index(args.k, place, token, head)];
}
//@else
/* The scores of all tokens are multiplied with the same, which changes no order. */
float key_scale(const fi_indexer_args &args, int place, int token, int head) {
  return 1;
}
//@end

constexpr int kKeyChunks = kHeadDim * kKvBits / 128; /* of 16 bytes of a row of K */

/* Brings K of `count` tokens from `first` on, and clears the rows after them, whose scores nobody asks for. */
void load_keys(const fi_indexer_args &args, u8 *shared, int kv_base, int head, int first, int count) {
  float *scales = (float *)(shared + kSharedScales);
  for (int i = (int)threadIdx.x; i < kStepTokens * kKeyChunks; i += kThreads) {
    const int row = i / kKeyChunks;
    const int chunk = i % kKeyChunks;
    uint4 words = make_uint4(0, 0, 0, 0);
    if (row < count) {
      const int place = kv_place(*args.plan.header, kv_base, first + row);
      words = ((const uint4 *)kv_row(args.k, place, first + row, head))[chunk];
      if (chunk == 0)
        scales[row] = key_scale(args, place, first + row, head);
    } else if (chunk == 0) {
      scales[row] = 0;
    }
    store_chunk(shared + kSharedKeys + row * kRowPitch, chunk, words);
  }
}

/* Brings the rows of Q of a token that meet a head of the keys; the rest of the last 16 are zeros. */
void load_rows(const fi_indexer_args &args, u8 *shared, int token, int head) {
  const u16 *q = (const u16 *)args.q + token * args.q_token_stride + (long long)head * kGroup * args.q_head_stride;
  for (int i = (int)threadIdx.x; i < kQueryRows * (kHeadDim / 8); i += kThreads) {
    const int row = i / (kHeadDim / 8);
    const int chunk = i % (kHeadDim / 8);
    uint4 words = make_uint4(0, 0, 0, 0);
    if (row < kGroup)
      words = ((const uint4 *)(q + row * args.q_head_stride))[chunk];
    ((uint4 *)(shared + kSharedQuery + row * kRowPitch))[chunk] = words;
  }
}
