//@use work/kv_address
//@use work/plan_id

//# New tokens go to the end of their requests' KV, by a plan.

/* How many tokens there may be; none if the memory has another plan. */
int new_tokens(const fi_append_args &args) {
  fi_plan_header &header = *args.plan.header;
  const u32 id = header.rows_id;
  if (id == args.rows_id)
    return header.tokens;
  tell_foreign_plan(header, id);
  return 0;
}

//@if page_size > 0
/* What kv_row finds a new token by: its page. */
int place_of(const fi_append_args &args, const fi_row &row) {
  return (int)pages_of(*args.plan.header, row.kv_base)[row.position / kPageSize];
}
//@else
/* What kv_row finds a new token by: where the KV of its request is. */
int place_of(const fi_append_args &args, const fi_row &row) {
  return row.kv_base;
}
//@end

/* Where token `number` goes: at < 0 is nowhere. */
NewToken new_token(const fi_append_args &args, int number) {
  const fi_row row = args.plan.rows[number];
  return {row.token, row.position < 0 ? 0 : place_of(args, row), row.position};
}
