//# What the warps of the producer do.

//@if query_alone
void produce(const fi_attention_maps_args &maps, const fi_item *first, u8 *shared) {
  if (warp() == kItemsWarp)
    bring_items({kItemsWarp * 32, 0}, maps.attention, first, shared);
  else if (warp() == kQueryWarp)
    bring_queries({kQueryWarp * 32, 0}, maps, first, shared);
  else
    bring_kv(maps, first, shared);
}
//@else
void produce(const fi_attention_maps_args &maps, const fi_item *first, u8 *shared) {
  if (warp() == kItemsWarp)
    bring_items({kItemsWarp * 32, 0}, maps, first, shared);
  else
    bring_kv(maps, first, shared);
}
//@end
