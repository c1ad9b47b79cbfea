//@use tile/fragment
//@use tile/rows
//@use work/item

//# Packed masks: of the KV tokens that a row may see, its bits say which it does.

//@if mask_bits
constexpr u32 kMaskWords = (kTeamTokens + 31) / 32;

/* The bits of a step's tokens, by row group: bit c % 32 of word c / 32 is that of column c. */
struct MaskBits {
  u32 words[kRowGroups][kMaskWords];

  bool has(u32 group, u32 column) const {
    return words[group][column / 32] >> column % 32 & 1;
  }
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

/* Whether all rows of the warp have the bits of all tokens of a step. */
bool are_full(const MaskBits &bits) {
  constexpr u32 kFull = kTeamTokens < 32 ? (1u << kTeamTokens % 32) - 1 : kAllLanes;
  u32 common = kFull;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
#pragma unroll
    for (u32 w = 0; w < kMaskWords; w++)
      common &= bits.words[r][w];
  return __all_sync(kAllLanes, common == kFull);
}

/* Takes scores of tokens without a bit out of the softmax. */
void mask_by_bits(Scores &scores, const MaskBits &bits) {
  const u32 column = first_column(fresh_lane());
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++)
      if (!bits.has(r, column + column_step(i)))
        at(scores, r, i) = minus_infinity();
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

bool are_full(const MaskBits &bits) {
  return true;
}

void mask_by_bits(Scores &scores, const MaskBits &bits) {}

bool has_bit(const fi_attention_args &args, const ItemTile &tile, u32 row, int token) {
  return true;
}
//@end
//@end
