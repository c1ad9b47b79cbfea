//@use ptx/types
//@use ptx/overlap
//@use plan/shares

/*
 * Splits a batch into work items, once a step.
 *
 * Each request's query tokens form tiles; a unit is one tile on one KV head; a step is what a CTA takes of a
 * unit's KV at once. All steps of a section's units, in order, form one line, which is cut into equal shares, one
 * a CTA. A unit that a cut goes through is several items, whose partial results the last of its CTAs merges.
 * Append needs the rows only: a plan for no CTAs.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_plan(const __grid_constant__ fi_plan_args args) {
  wait_for_stream();
  if (args.ctas > 0)
    share_batch(args);

  const int tokens = first_token(args, args.requests);
  for (int token = first_index(); token < tokens; token += index_stride())
    args.plan.rows[token] = row_of_token(args, token);

  if (first_index() == 0) {
    args.plan.header->page_table = args.page_table;
    args.plan.header->page_table_stride = args.page_table_stride;
    args.plan.header->tokens = tokens;
  }
}
