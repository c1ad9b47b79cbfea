//@use work/kv_address
//@use work/planned_rows

//# New tokens go to the end of their requests' KV, by a plan.

/* How many tokens there may be. */
int new_tokens(const fi_append_args &args) {
  return planned_tokens(args.plan, args.rows_id);
}

/* Where token `number` goes: at < 0 is nowhere. */
NewToken new_token(const fi_append_args &args, int number) {
  const fi_row row = args.plan.rows[number];
  const int place = row.position < 0 ? 0 : kv_place(*args.plan.header, row.kv_base, row.position);
  return {row.token, place, row.position};
}
