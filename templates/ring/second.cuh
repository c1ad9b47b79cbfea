//# Which rows a warp copies of two KVs: first those that the window shows of one, then those that the list has of the
//# other.

typedef second_loader PlacedLoader;

second_loader &second_loader_of(kv_loader &loader) {
  return *(second_loader *)&loader;
}

const second_loader &second_loader_of(const kv_loader &loader) {
  return *(const second_loader *)&loader;
}

/* Asks for the entry of a token of the item's line: none, if it is of the window, or the item does not have it. */
void ask_for_entry(second_loader &loader, int place, int kv_end) {
  const int at = place - loader.window;
  loader.list.entry = at >= 0 && place < kv_end ? loader.list.list[(u32)at / kSelect] : -1;
}

/* Takes the window and the list of the item whose words are in loader.ahead. */
void take_list(second_loader &loader, const fi_attention_args &args) {
  const u32 words = loader.list.kv.ahead;
  loader.list.list = list_of(args, field_of(words, &fi_item::row_begin), field_of(words, &fi_item::kv_head));
  loader.list.first = field_of(words, &fi_item::inner_begin);
  loader.window = max(0, field_of(words, &fi_item::inner_end) - loader.list.first);
  loader.list.end = field_of(words, &fi_item::kv_len);
  loader.list.blocks = blocks_of(loader.list.end);
  ask_for_entry(loader, field_of(words, &fi_item::kv_begin) + row_of_lane(), field_of(words, &fi_item::kv_end));
}

void take_kv_base(kv_loader &loader, const fi_attention_args &args, int kv_base) {
  const fi_plan_header &header = *args.plan.header;
  loader.pages = pages_of(header, kv_base);
  second_loader_of(loader).pages = (const PageId *)header.second_page_table + kv_base * header.second_page_table_stride;
  take_list(second_loader_of(loader), args);
}

/* The KV token of the lane's row of the next step, and which KV it is of; -1 if there is none. */
int find_token(second_loader &loader, int place) {
  const list_loader &list = loader.list;
  const int at = place - loader.window;
  loader.is_second = at >= 0;
  if (at >= 0)
    return listed_token(list.entry, at, 0, list.end, list.blocks);
  return place < list.kv.kv_end ? list.first + place : -1;
}

/* Finds the lane's row of the next step, and asks for the entry of that after it. */
void look_up_page(kv_loader &loader) {
  second_loader &own = second_loader_of(loader);
  const int place = loader.token + row_of_lane();
  const int token = find_token(own, place);
  own.list.token = token;
  if (token >= 0 && own.is_second)
    loader.page = (int)((const PageId *)own.pages)[(u32)token / kSecondPage];
  else if (token >= 0)
    loader.page = (int)((const PageId *)loader.pages)[(u32)token / kPageSize];
  ask_for_entry(own, place + kStepTokens, loader.kv_end);
}
