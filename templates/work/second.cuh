//# Two KVs of a request in one line: what the mask shows of the first, and what a list has of the second.
//#
//# DeepSeek-V4 has a window of tokens and chosen compressed entries under one softmax. They are in caches of their own,
//# with other pages and lengths. To a plan both are the KV of a tile of one query token, the window before the list:
//# one line, which is cut into items wherever shares end, so that one may have some of both. Items, units, merging,
//# sinks and LSE know nothing of it. Where rows are copied each lane looks for its own row (ring/second), and one step
//# may have rows of both. Where scores are masked, what is of the window is seen: the plan took no more than that.
//#
//# What is not seen is not read, as with other lists: pages of the first KV before the window may have any ids, and of
//# the second only those that a list leads to are looked at.

/* Tokens of an item's line that are of the first KV. */
int window_of(const fi_item &item) {
  return max(0, item.inner_end - item.inner_begin);
}

/* The entry of a list that says which token of the second KV token `place` of an item's line is; -1 if it is none. */
int entry_at(const int *list, const fi_item &item, int place) {
  const int at = place - window_of(item);
  return at >= 0 ? list[(u32)at / kSelect] : -1;
}

/* Whether token `place` of an item's line, whose entry this is, is seen. */
bool sees_place(const fi_item &item, int entry, int place) {
  const int at = place - window_of(item);
  return at < 0 || listed_token(entry, at, 0, item.kv_len, blocks_of(item.kv_len)) >= 0;
}
