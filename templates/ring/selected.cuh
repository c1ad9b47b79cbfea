//@use work/selected

//# Which rows a warp copies where lists say it. The entries of a step are asked for a step ahead, so that neither they
//# nor the pages of their tokens are waited for.

list_loader &list_loader_of(kv_loader &loader) {
  return *(list_loader *)&loader;
}

const list_loader &list_loader_of(const kv_loader &loader) {
  return *(const list_loader *)&loader;
}

/* The row of the CTA's step that is the lane's. */
int row_of_lane() {
  return (int)(team() * kTeamTokens + team_warp() * kWarpTokens + fresh_lane() % kWarpTokens);
}

//@if second_page > 0
//@use ring/second
//@else
typedef list_loader PlacedLoader;

/* Asks for the entry of a token of the list: none, if the item does not have it. */
void ask_for_entry(list_loader &loader, int token, int kv_end) {
  loader.entry = token < kv_end ? loader.list[(u32)token / kSelect] : -1;
}

/* Takes the list of the item whose words are in loader.ahead. */
void take_list(list_loader &loader, const fi_attention_args &args) {
  const u32 words = loader.kv.ahead;
  loader.list = list_of(args, field_of(words, &fi_item::row_begin), field_of(words, &fi_item::kv_head));
  loader.first = field_of(words, &fi_item::inner_begin);
  loader.end = field_of(words, &fi_item::inner_end);
  loader.blocks = blocks_of(field_of(words, &fi_item::kv_len));
  ask_for_entry(loader, field_of(words, &fi_item::kv_begin) + row_of_lane(), field_of(words, &fi_item::kv_end));
}

//@if page_size > 0
void take_kv_base(kv_loader &loader, const fi_attention_args &args, int kv_base) {
  loader.pages = pages_of(*args.plan.header, kv_base);
  take_list(list_loader_of(loader), args);
}

/* Looks up the page of a token of the request. */
void take_page(kv_loader &loader, int token) {
  if (token >= 0)
    loader.page = (int)((const PageId *)loader.pages)[(u32)token / kPageSize];
}
//@else
void take_kv_base(kv_loader &loader, const fi_attention_args &args, int kv_base) {
  loader.page = kv_base;
  take_list(list_loader_of(loader), args);
}

/* There are no pages. */
void take_page(kv_loader &loader, int token) {}
//@end

/* Finds the lane's row of the next step, and asks for the entry of that after it. */
void look_up_page(kv_loader &loader) {
  list_loader &list = list_loader_of(loader);
  const int place = loader.token + row_of_lane();
  list.token = listed_token(list.entry, place, list.first, list.end, list.blocks);
  take_page(loader, list.token);
  ask_for_entry(list, place + kStepTokens, loader.kv_end);
}
//@end

void take_kv_begin(kv_loader &loader, int kv_begin) {
  loader.token = kv_begin;
}

/* What the number of a row of the warp is added to, in the lane that has the row, to be its token in the KV. */
int warp_token(const kv_loader &loader) {
  return max(0, list_loader_of(loader).token) - (int)(fresh_lane() % kWarpTokens);
}

/* Which of the warp's rows in the next step are seen. */
struct ValidRows {
  u32 rows;

  bool has(u32 row) const {
    return rows >> row & 1;
  }
};

ValidRows valid_rows(const kv_loader &loader) {
  return {__ballot_sync(kAllLanes, list_loader_of(loader).token >= 0)};
}
