//@use work/selected
//@use tile/hide_columns
//@use work/item
//@use work/plan_id

//# Which tokens of a step are seen where lists say it: the same for all rows of the tile.

/* Entries of a step's tokens: lane l has those of columns l, l + 32 and so on. They are asked for a step ahead. */
struct MaskBits {
  const fi_item *item;
  fi_plan_header *header;
  int token; /* of Q */
  int place; /* in the list, of the lane's first column */
  int entries[kMaskWords];

  /* Whether the lane's column of a word is one of the step's. */
  bool has(u32 word) const {
    return (kTeamTokens % 32 == 0 || fresh_lane() < kTeamTokens) && place + 32 * (int)word < item->kv_end;
  }

  bool sees(u32 word) const {
    return has(word) && sees_place(*item, entries[word], place + 32 * (int)word);
  }
};

typedef MaskBits MaskWords;

/* What the rows of a tile have in common. */
struct MaskRows {
  const int *list;
  fi_plan_header *header;
};

MaskRows mask_rows(const fi_attention_args &args, const ItemTile &tile) {
  return {list_of(args, tile.item.row_begin, tile.item.kv_head), args.plan.header};
}

/* Asks for the entries of the tokens from `token` of the list on. */
void fetch_words(MaskWords &bits, const MaskRows &rows, const ItemTile &tile, int token) {
  bits.item = &tile.item;
  bits.header = rows.header;
  bits.token = tile.rows[0].token;
  bits.place = token + (int)fresh_lane();
#pragma unroll
  for (u32 w = 0; w < kMaskWords; w++)
    bits.entries[w] = bits.has(w) ? entry_at(rows.list, tile.item, bits.place + 32 * (int)w) : -1;
}

const MaskBits &gather_bits(const MaskWords &step, const tile_row *rows, int token, bool all_visible) {
  return step;
}

/* Whether all tokens of a step are seen. */
bool all_seen(const MaskBits &bits, bool all_visible) {
  bool full = true;
#pragma unroll
  for (u32 w = 0; w < kMaskWords; w++)
    full &= bits.sees(w) || (kTeamTokens % 32 != 0 && fresh_lane() >= kTeamTokens);
  return __all_sync(kAllLanes, full);
}

/* Takes scores of tokens that are not seen out of the softmax. */
void mask_step(Scores &scores, const tile_row *rows, int token, const MaskBits &bits) {
  u32 words[kMaskWords];
#pragma unroll
  for (u32 w = 0; w < kMaskWords; w++) {
    words[w] = __ballot_sync(kAllLanes, bits.sees(w));
    tell_bad_entry(*bits.header, bits.token, bits.entries[w], blocks_of(bits.item->kv_len));
  }
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    hide_columns(scores, r, words);
}

/* Rows do not differ, so that none is worked out by itself. */
bool has_bit(const fi_attention_args &args, const ItemTile &tile, u32 row, int token) {
  return true;
}
