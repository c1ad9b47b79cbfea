//@use tile_records

//# Lists of blocks of tokens, which say what a query token sees.
//#
//# A list is a page table of its own for each query token, one step in front of that of the request. So a plan of
//# lists has tiles of one query token (with the heads of the group, which share a list), and the KV of a work item is a
//# range of the list's tokens, kSelect an entry, in the list's order. Splitting, merging, sinks and LSE know nothing of
//# lists: to them it is the KV of a request. Which token of the request an entry means is asked in two places: where
//# rows are copied (ring/selected), and where scores are masked (tile/selected_bits). Both ask the same function here.
//#
//# What is not seen is not read: copies of such rows clear them, and their scores are taken out of the softmax. That is
//# entries of -1, entries after the list's length, and tokens that the mask hides: those after the query token in its
//# own block, or before its window. All rows of a tile see the same, so no row is ever worked out by itself.
//#
//# Entries are places in the KV of the request, as indexers give them, and not slots of the cache: the page table is
//# looked up here, where its latency is hidden, and no kernel is needed that turns one into the other. Slots are places
//# in the KV of one request that has the whole cache. The lists are the launch's and their lengths the plan's, since
//# layers choose anew, but as many. A stride between KV heads, which may be 0, says whether heads have their own lists.

constexpr u32 kFaultSelected = 10;

//@if group_shares > 1
/* The list of the query token of an item; the plan counts a KV head once for each tile that shares its heads. */
const int *list_of(const fi_attention_args &args, int row, int kv_head) {
  return args.selected + row * args.selected_token_stride + kv_head / kGroupShares * args.selected_head_stride;
}
//@else
/* The list of the query token of an item. */
const int *list_of(const fi_attention_args &args, int row, int kv_head) {
  return args.selected + row * args.selected_token_stride + kv_head * args.selected_head_stride;
}
//@end

/* The blocks of a request's KV. */
int blocks_of(int kv_len) {
  return (int)(((u32)kv_len + kSelect - 1) / kSelect);
}

/*
 * Which KV token of its request token `place` of a list is, whose entry this is; -1 if it is none that may be seen,
 * from `first` to before `end`.
 */
int listed_token(int entry, int place, int first, int end, int blocks) {
  const u32 token = (u32)entry * kSelect + (u32)place % kSelect;
  return (u32)entry < (u32)blocks && token >= (u32)first && token < (u32)end ? (int)token : -1;
}

/* Says in the plan's memory that an entry of a query token's list is none, if nothing else has been said. */
void tell_bad_entry(fi_plan_header &header, int token, int entry, int blocks) {
  if (entry >= -1 && entry < blocks)
    return;
  if (atomicCAS(&header.fault, 0u, kFaultSelected) != 0)
    return;
  header.fault_request = (u32)token;
  header.fault_value = entry;
}

//@if second_page > 0
//@use work/second
//@else
/* The entry of a list that says which token of the KV token `place` of an item's line is. */
int entry_at(const int *list, const fi_item &item, int place) {
  return list[(u32)place / kSelect];
}

/* Whether token `place` of an item's line, whose entry this is, is seen. */
bool sees_place(const fi_item &item, int entry, int place) {
  return listed_token(entry, place, item.inner_begin, item.inner_end, blocks_of(item.kv_len)) >= 0;
}
//@end
