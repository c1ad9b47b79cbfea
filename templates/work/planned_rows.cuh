//@use work/plan_id

/* The query tokens of a plan; none if the memory has another plan. */
int planned_tokens(const fi_plan_arrays &plan, u32 rows_id) {
  fi_plan_header &header = *plan.header;
  const u32 id = header.rows_id;
  if (id == rows_id)
    return header.tokens;
  tell_foreign_plan(header, id);
  return 0;
}
