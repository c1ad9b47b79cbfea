//# Lists of blocks: the KV of a query token's tile is that of its list, in the order of the list.

/* Entries of the lists of a query token that count. */
int entries_of(const fi_plan_args &args, int token) {
  return args.selected_len ? max(0, min(args.selected_len[token], args.max_selected)) : args.max_selected;
}

/*
 * Takes the tokens of the list for the KV of a tile, which is one query token; what that sees stays in inner_begin and
 * inner_end. If the list is of a second KV, its tokens come after those that the tile sees of the first.
 */
void take_list(const fi_plan_args &args, int request, Tile &tile) {
  if (args.select == 0)
    return;
  const int listed = entries_of(args, tile.first) * args.select;
  const int seen = tile.kv_end - tile.kv_begin;
  tile.kv_begin = 0;
  tile.kv_end = args.second_kv_len ? seen + listed : seen > 0 ? listed : 0;
  if (args.second_kv_len)
    tile.kv_len = second_len_of(args, request);
}

/* What an item says of what its rows see: of lists what they see of the KV, whatever part of the list it has. */
fi_interval inner_of(const fi_plan_args &args, const Tile &tile, int kv_begin, int kv_end) {
  if (args.select > 0)
    return {tile.inner_begin, tile.inner_end};
  return {max(kv_begin, tile.inner_begin), min(kv_end, tile.inner_end)};
}
