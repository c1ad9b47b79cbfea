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

/* Where token `number` goes: at < 0 is nowhere. */
NewToken new_token(const fi_append_args &args, int number) {
  const fi_row row = args.plan.rows[number];
  const int place = row.position < 0 ? 0 : kv_place(*args.plan.header, row.kv_base, row.position);
  return {row.token, place, row.position};
}
