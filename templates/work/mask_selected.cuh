//# The tokens of an item are those of a list, of which all rows see the same.

/* Notes the tokens of the list that a row may see: those of the item. */
void note_seen(tile_row &to, const fi_attention_args &args, u32 row, const fi_item &item) {
  to.visible = item.kv_end;
}

/* Rows see the list from its first token on. */
int first_seen(const tile_row &row) {
  return 0;
}

/* Where the steps of an item begin. */
int first_of_steps(int kv_begin) {
  return kv_begin;
}

/* Rows do not differ in what they see; what that is entries say. */
bool all_visible(const fi_item &item, int token, int count) {
  return true;
}
