//# Which KV tokens a query token sees: the range of a tile, what a row sees, and whether all rows see a token.

//@if mask == causal
constexpr bool kCausal = true;
//@else
constexpr bool kCausal = false;
//@end

/* Where the KV ends that a query token sees. `position` is its own place in the KV of its request. */
int visible_end(bool causal, int position, int kv_len) {
  return causal ? min(kv_len, position + 1) : kv_len;
}

/* The KV that some row of a tile sees ends at `end`, and what all rows see at `common`. */
struct TileRange {
  int end;
  int common;
};

/* The range of a tile of consecutive query tokens, by the positions of the first and the last. */
TileRange tile_range(bool causal, int first, int last, int kv_len) {
  return {max(0, visible_end(causal, last, kv_len)), max(0, visible_end(causal, first, kv_len))};
}

//@if kv_start
/* Notes the first KV token that a row of the plan sees. */
void note_first(tile_row &to, const fi_attention_args &args, u32 row) {
  to.first = args.plan.row_first[row];
}

/* The first KV token that a row sees. */
int first_seen(const tile_row &row) {
  return row.first;
}

/*
 * Whether all rows see the `count` KV tokens from `token` on, so that none is masked. The KV of a request may start
 * anywhere in the first step of its first item.
 */
bool all_visible(const fi_item &item, int token, int count) {
  return token >= item.kv_begin + kTeams * kTeamTokens && token + count <= item.kv_common;
}

/* Whether some row may not see a token of the item. */
bool may_differ(const fi_item &item) {
  return true;
}
//@else
/* Rows see KV from its first token on. */
void note_first(tile_row &to, const fi_attention_args &args, u32 row) {}

int first_seen(const tile_row &row) {
  return 0;
}

/* Whether all rows see the `count` KV tokens from `token` on, so that none is masked. */
bool all_visible(const fi_item &item, int token, int count) {
  return token + count <= item.kv_common;
}

/* Whether some row may not see a token of the item. */
bool may_differ(const fi_item &item) {
  return item.kv_common < item.kv_end;
}
//@end
