//@use tile_records

//# Which KV tokens the rows of a tile see, as the plan tells it.

//@if mask == causal
constexpr bool kCausal = true;
//@else
constexpr bool kCausal = false;
//@end

//@if select > 0
//@use work/mask_selected
//@else
//@if has_intervals
/* Notes the KV tokens that a row of the plan sees, of those of the item. */
void note_seen(tile_row &to, const fi_attention_args &args, u32 row, const fi_item &item) {
  const fi_interval seen = args.plan.seen[row];
  to.first = seen.first;
  to.visible = min(seen.end, item.kv_end);
}

/* The first KV token that a row sees. */
int first_seen(const tile_row &row) {
  return row.first;
}

/* Where the steps of an item begin: the KV tokens before its own are not loaded. */
int first_of_steps(int kv_begin) {
  return kv_begin / kStartTokens * kStartTokens;
}

/* Whether all rows see the `count` KV tokens from `token` on, so that none is masked. */
bool all_visible(const fi_item &item, int token, int count) {
  return token >= item.inner_begin && token + count <= item.inner_end;
}
//@else
/* Notes the KV tokens that a row of the plan sees, of those of the item. */
void note_seen(tile_row &to, const fi_attention_args &args, u32 row, const fi_item &item) {
  const int position = args.plan.rows[row].position;
  to.visible = kCausal ? min(item.kv_end, position + 1) : item.kv_end;
}

/* Rows see KV from its first token on. */
int first_seen(const tile_row &row) {
  return 0;
}

/* Where the steps of an item begin. */
int first_of_steps(int kv_begin) {
  return kv_begin;
}

/* Whether all rows see the `count` KV tokens from `token` on, so that none is masked. */
bool all_visible(const fi_item &item, int token, int count) {
  return token + count <= item.inner_end;
}
//@end
//@end

/* Whether rows may not see tokens of what they see by the plan: by a packed mask, or by their logits. */
constexpr bool kHides = kMaskBits || kHidesTokens;

/* Whether some row may not see a token of the item. */
bool may_differ(const fi_item &item) {
  return kHides || !all_visible(item, item.kv_begin, item.kv_end - item.kv_begin);
}
