//@use tile/mask_scores
//@use tile/rows
//@use work/item

//# Packed masks: of the KV tokens that a row may see, its bits say which it does.

//@if mask_bits
constexpr u32 kMaskWords = (kTeamTokens + 31) / 32;
constexpr u32 kOwnWords = (kRowGroups * kMaskWords + 3) / 4;

/* The first words of the lane's rows. */
struct MaskRows {
  const u32 *words[kRowGroups];
};

/* Words of the mask for a step's tokens, by row group. They are asked for a step ahead. */
struct MaskWords {
  u32 words[kRowGroups][kMaskWords];
};

/* The lane's bits of a step, of four words in one: a word has eight, two in each byte. Few instructions test a byte. */
struct MaskBits {
  u32 own[kOwnWords];
};

/* Of bit `n`: the row group, .. */
constexpr u32 group_of_bit(u32 n) {
  return (n / 32 * 4 + n % 8 / 2) / kMaskWords;
}

/* .. and the element of it. */
constexpr u32 element_of_bit(u32 n) {
  return (n / 32 * 4 + n % 8 / 2) % kMaskWords * 8 + n % 32 / 8 * 2 + n % 2;
}

/* Whether there is such an element. */
constexpr bool has_element(u32 n) {
  return group_of_bit(n) < kRowGroups && element_of_bit(n) < kTeamTokens / 4;
}

bool sees_element(const MaskBits &bits, u32 n) {
  return bits.own[n / 32] & 1u << n % 32;
}

MaskRows mask_rows(const fi_attention_args &args, const ItemTile &tile) {
  MaskRows rows;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    rows.words[r] = args.plan.row_bits[index_of_row(tile.item, first_row() + 8 * r)];
  return rows;
}

/*
 * Asks for the words of the tokens from `token` on: steps begin at multiples of their tokens, or of 32. Tokens after
 * the item's have no bits.
 */
void fetch_words(MaskWords &step, const MaskRows &rows, const ItemTile &tile, int token) {
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
#pragma unroll
    for (u32 w = 0; w < kMaskWords; w++) {
      const int at = token / 32 + (int)w;
      step.words[r][w] = at * 32 < tile.item.kv_end ? rows.words[r][at] : 0;
    }
}

/* The lowest bits of a word, as many as there are. */
u32 lowest_bits(int count) {
  return count >= 32 ? kAllLanes : (1u << max(count, 0)) - 1;
}

//@if has_intervals
/* Bits of the tokens of word `w` that a row sees but for its own bits; `token` is the first of the step. */
u32 visible_bits(const tile_row &row, int token, u32 w) {
  const int first = token / 32 * 32 + 32 * (int)w;
  return lowest_bits(row.visible - first) & ~lowest_bits(row.first - first);
}
//@else
/* Bits of the tokens of word `w` that a row sees but for its own bits; `token` is the first of the step. */
u32 visible_bits(const tile_row &row, int token, u32 w) {
  return lowest_bits(row.visible - token / 32 * 32 - 32 * (int)w);
}
//@end

/* The lane's bits of a word, at the places of word `place` of four. */
u32 own_bits(u32 word, u32 place, int token) {
  const u32 before = first_column(fresh_lane()) + (kTeamTokens < 32 ? (u32)token % 32 : 0);
  return __funnelshift_l(word, word, 2 * place - before) & 0x03030303u << 2 * place;
}

/* The lane's bits of the step whose first token is `token`: also of tokens that are not visible there are none. */
MaskBits gather_bits(MaskWords &step, const tile_row *rows, int token, bool all_visible) {
  if (!all_visible) {
#pragma unroll
    for (u32 r = 0; r < kRowGroups; r++)
#pragma unroll
      for (u32 w = 0; w < kMaskWords; w++)
        step.words[r][w] &= visible_bits(rows[first_row() + 8 * r], token, w);
  }
  MaskBits bits = {};
#pragma unroll
  for (u32 q = 0; q < kRowGroups * kMaskWords; q++)
    bits.own[q / 4] |= own_bits(step.words[q / kMaskWords][q % kMaskWords], q % 4, token);
#pragma unroll
  for (u32 &own : bits.own)
    own = fresh(own); /* else the compiler asks the words that they are from */
  return bits;
}

/* All bits that word `i` of the lane's has. */
constexpr u32 all_bits(u32 i) {
  u32 bits = 0;
  for (u32 n = 0; n < 32; n++)
    bits |= (u32)has_element(32 * i + n) << n;
  return bits;
}

/* Whether all rows of the warp see all tokens of a step. */
bool all_seen(const MaskBits &bits, bool all_visible) {
  u32 missing = 0;
#pragma unroll
  for (u32 i = 0; i < kOwnWords; i++)
    missing |= ~bits.own[i] & all_bits(i);
  return __all_sync(kAllLanes, missing == 0);
}

/* Takes scores of tokens that are not seen out of the softmax. */
void hide_unseen(Scores &scores, const MaskBits &bits) {
#pragma unroll
  for (u32 n = 0; n < 32 * kOwnWords; n++)
    if (has_element(n) && !sees_element(bits, n))
      at(scores, group_of_bit(n), element_of_bit(n)) = minus_infinity();
}

//@if weight_exponent > 0 || snippet == weight
void mask_step(Scores &scores, const tile_row *rows, int token, const MaskBits &bits) {
  hide_unseen(scores, bits);
}
//@else
/* Scores that are not seen leave the softmax there. */
void mask_step(Scores &scores, const tile_row *rows, int token, const MaskBits &bits) {}
//@end

/* Whether a row of the tile has the bit of a token. */
bool has_bit(const fi_attention_args &args, const ItemTile &tile, u32 row, int token) {
  return args.plan.row_bits[index_of_row(tile.item, row)][token / 32] >> (u32)token % 32 & 1;
}
//@else
//@if select > 0
//@use tile/selected_bits
//@else
/* There are none: rows see all that they may. */
struct MaskRows {};

struct MaskWords {};

struct MaskBits {};

MaskRows mask_rows(const fi_attention_args &args, const ItemTile &tile) {
  return {};
}

void fetch_words(MaskWords &step, const MaskRows &rows, const ItemTile &tile, int token) {}

MaskBits gather_bits(const MaskWords &step, const tile_row *rows, int token, bool all_visible) {
  return {};
}

bool all_seen(const MaskBits &bits, bool all_visible) {
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
