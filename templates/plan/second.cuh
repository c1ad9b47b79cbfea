//# The lengths of a second KV, which lists are of.

/* Whether that of a request is not one that there may be. */
bool has_bad_second_len(const fi_plan_args &args, int request) {
  return args.second_kv_len && (args.second_kv_len[request] < 0 || args.second_kv_len[request] > args.most_second_len);
}

/* The tokens of it that count: none where a page of the request is out of range. */
int second_len_of(const fi_plan_args &args, int request) {
  if (args.checked && args.checked[request] < 0)
    return 0;
  return max(0, min(args.second_kv_len[request], args.most_second_len));
}
