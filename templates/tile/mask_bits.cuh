//@use tile/mask_scores
//@use tile/rows
//@use work/item

//# Packed masks: of the KV tokens that a row may see, its bits say which it does.

//@if mask_bits
//@use tile/hide_columns
/* The bits of a step's tokens, by row group. */
struct MaskBits {
  u32 words[kRowGroups][kMaskWords];
};

/*
 * Asks for the bits of the tokens from `token` on, which lie in as many words: steps begin at multiples of their
 * tokens, or of 32. Tokens after the item's have none.
 */
void fetch_bits(MaskBits &bits, const fi_attention_args &args, const ItemTile &tile, int token) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 *words = args.plan.row_bits[index_of_row(tile.item, first_row() + 8 * r)];
#pragma unroll
    for (u32 w = 0; w < kMaskWords; w++) {
      const int at = token / 32 + (int)w;
      bits.words[r][w] = at * 32 < tile.item.kv_end ? words[at] >> (u32)token % 32 : 0;
    }
  }
}

/* The lowest bits of a word, as many as there are. */
u32 lowest_bits(int count) {
  return count >= 32 ? kAllLanes : (1u << max(count, 0)) - 1;
}

//@if has_intervals
/* Takes the bits of tokens that rows do not see for other reasons; `token` is the first of the step. */
void trim_bits(MaskBits &bits, const tile_row *rows, int token) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const tile_row &row = rows[first_row() + 8 * r];
    const int first = row.first - token;
    const int visible = row.visible - token;
#pragma unroll
    for (u32 w = 0; w < kMaskWords; w++)
      bits.words[r][w] &= lowest_bits(visible - 32 * (int)w) & ~lowest_bits(first - 32 * (int)w);
  }
}
//@else
/* Takes the bits of tokens that rows do not see for other reasons; `token` is the first of the step. */
void trim_bits(MaskBits &bits, const tile_row *rows, int token) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const int visible = rows[first_row() + 8 * r].visible - token;
#pragma unroll
    for (u32 w = 0; w < kMaskWords; w++)
      bits.words[r][w] &= lowest_bits(visible - 32 * (int)w);
  }
}
//@end

/*
 * Whether all rows of the warp see all tokens of a step, of which `token` is the first. Where not all are visible, but
 * for bits, these are trimmed: a token without a bit is then not seen, for any reason.
 */
bool all_seen(MaskBits &bits, const tile_row *rows, int token, bool all_visible) {
  constexpr u32 kFull = kTeamTokens < 32 ? (1u << kTeamTokens % 32) - 1 : kAllLanes;
  if (!all_visible)
    trim_bits(bits, rows, token);
  u32 common = kFull;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
#pragma unroll
    for (u32 w = 0; w < kMaskWords; w++)
      common &= bits.words[r][w];
  return __all_sync(kAllLanes, common == kFull);
}

/* Takes scores of tokens that are not seen out of the softmax. */
void mask_step(Scores &scores, const tile_row *rows, int token, const MaskBits &bits) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    hide_columns(scores, r, bits.words[r]);
}

/* Whether a row of the tile has the bit of a token. */
bool has_bit(const fi_attention_args &args, const ItemTile &tile, u32 row, int token) {
  return args.plan.row_bits[index_of_row(tile.item, row)][token / 32] >> (u32)token % 32 & 1;
}
//@else
//@if select > 0
//@use tile/selected_bits
//@else
/* There are none: rows see all that they may. */
struct MaskBits {};

void fetch_bits(MaskBits &bits, const fi_attention_args &args, const ItemTile &tile, int token) {}

bool all_seen(MaskBits &bits, const tile_row *rows, int token, bool all_visible) {
  return all_visible;
}

void mask_step(Scores &scores, const tile_row *rows, int token, const MaskBits &bits) {
  mask_scores(scores, rows, token);
}

bool has_bit(const fi_attention_args &args, const ItemTile &tile, u32 row, int token) {
  return true;
}
//@end
//@end
