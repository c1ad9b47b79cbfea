//@use types
//@use prefix_sum
//@use batch
//@use shares

/*
 * Splits a batch into work items: one CTA, once a step.
 *
 * Each request's query tokens form tiles; a unit is one tile on one KV head; a step is what a CTA takes of a unit's KV at
 * once. All steps of a section's units, in order, form one line, which is cut into equal shares, one a CTA. A unit that a
 * cut goes through is several items, whose partial results the last of its CTAs merges.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_plan(const __grid_constant__ fi_plan_args args) {
  extern __shared__ int shared[];
  int *tile_begin = shared;                     /* [requests + 1] first tile of each request */
  int *step_begin = shared + args.requests + 1; /* [tiles + 1] first step of each tile, on one head */
  const int tiles = prefix_sum(tile_begin, args.requests, [&](int request) { return tiles_of(args, request); });
  const int steps = prefix_sum(step_begin, tiles, [&](int tile) { return steps_of(args, tile_of(args, tile_begin, tile)); });

  const int tokens = first_token(args, args.requests);
  for (int token = (int)threadIdx.x; token < tokens; token += kThreads)
    args.plan.rows[token] = row_of_token(args, token);

  const Line line = {tile_begin, step_begin, tiles, steps};
  const int sections = args.split_steps > 0 ? 1 : sections_of(args, line);
  if (args.split_steps > 0)
    share_pieces(args, line);
  else
    for (int section = 0; section < sections; section++)
      share_section(args, line, section, sections);

  if (threadIdx.x == 0) {
    args.plan.header->page_table = args.page_table;
    args.plan.header->page_table_stride = args.page_table_stride;
    args.plan.header->sections = sections;
    args.plan.header->tokens = tokens;
  }
}
