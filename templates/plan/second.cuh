//# The lengths of a second KV, which lists are of.

/* Whether that of a request is not one that there may be. */
bool has_bad_second_len(const fi_plan_args &args, int request) {
  return args.second_kv_len && (args.second_kv_len[request] < 0 || args.second_kv_len[request] > args.most_second_len);
}

int sane_second_len(const fi_plan_args &args, int request) {
  return max(0, min(args.second_kv_len[request], args.most_second_len));
}

/* The tokens of it that count: none where a page of the request is out of range. */
int second_len_of(const fi_plan_args &args, int request) {
  if (args.checked && args.checked[request] < 0)
    return 0;
  return args.second_checked ? max(0, args.second_checked[request]) : sane_second_len(args, request);
}

/* Page `number` of it. */
long long second_page_id(const fi_plan_args &args, int request, int number) {
  return id_at(args, args.second_page_table, number + request * args.second_page_table_stride);
}

/* A warp looks at all pages of it: which are listed is not known. */
void check_second_pages(const fi_plan_args &args, int request) {
  if (!args.second_checked)
    return;
  const int tokens = sane_second_len(args, request);
  const int pages = query_len_of(args, request) > 0 ? pages_of(tokens, args.second_page_size) : 0;
  const auto id = [&](int page) { return second_page_id(args, request, page); };
  const int first_bad = first_bad_page(0, pages, args.second_page_count, id);
  if (lane() == 0)
    args.second_checked[request] = first_bad < pages ? -1 - first_bad : tokens;
}
