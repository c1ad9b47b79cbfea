//@use ptx/types
//@use ptx/overlap
//@use plan/shares
//@if members
//@use plan/queue
//@else
/* Small tiles have even shares. */
void share_line(const fi_plan_args &args, const Line &line, int *cuts) {
  cut_batch(args, line, cuts);
}
//@end
//@if prefixes
//@use plan/prefix_shares
//@end

/* What is wrong with a request; where nothing is planned, of that only which is the reason. */
Fault told_fault_of(const fi_plan_args &args, int request, bool planned) {
  const Fault fault = fault_of(args, request);
  return planned || fault.kind == kFaultQIndptr ? fault : Fault{0, 0};
}

/* What the plan says of its batch, and of the first request that something is wrong with. All threads take part. */
void write_header(const fi_plan_args &args, int tokens, bool planned) {
  __shared__ int first;
  if (threadIdx.x == 0)
    first = args.requests;
  Fault fault = {0, 0};
  int request = (int)threadIdx.x;
#pragma unroll 1
  for (; request < args.requests && fault.kind == 0; request += kThreads)
    fault = told_fault_of(args, request, planned);
  request -= kThreads; /* the one that was looked at last */
  __syncthreads();
  if (fault.kind > 0)
    atomicMin(&first, request);
  __syncthreads();
  if (first < args.requests ? request != first : threadIdx.x > 0)
    return;
  fi_plan_header &header = *args.plan.header;
  header.fault = fault.kind;
  header.fault_request = fault.kind ? request : 0;
  header.fault_value = fault.value;
  header.page_table = args.page_table;
  header.page_table_stride = args.page_table_stride;
  header.second_page_table = args.second_page_table;
  header.second_page_table_stride = args.second_page_table_stride;
  header.tokens = tokens;
  header.id = args.id;
  header.rows_id = args.rows_id;
}

//@if intervals
/* What a row sees. */
void write_interval(const fi_plan_args &args, int token) {
  if (args.intervals)
    args.plan.seen[token] = interval_of_token(args, token);
}
//@else
/* Where rows see is not written. */
void write_interval(const fi_plan_args &args, int token) {}
//@end

/* The rows, and what some kernels want to know of them. */
void write_rows(const fi_plan_args &args, int tokens) {
#pragma unroll 1
  for (int token = first_index(); token < tokens; token += kIndexStride) {
    args.plan.rows[token] = row_of_token(args, token);
    write_interval(args, token);
    if (args.mask_bits)
      args.plan.row_bits[token] = bits_of_token(args, token);
    if (args.names_requests)
      args.plan.requests[token] = request_of(args, max(token, first_token(args, 0)));
  }
}

//@if intervals > 1
constexpr u32 kFaultSelectedLen = 9;

/* Tells of the first length of lists that is out of bounds, unless its request or one before it has another fault. */
void tell_bad_list(const fi_plan_args &args, int tokens) {
  __shared__ int first;
  if (threadIdx.x == 0)
    first = tokens;
  __syncthreads();
  if (args.selected_len && args.select > 0)
    for (int token = first_token(args, 0) + (int)threadIdx.x; token < tokens; token += kThreads)
      if (args.selected_len[token] != entries_of(args, token))
        atomicMin(&first, token);
  __syncthreads();
  if (threadIdx.x > 0 || first == tokens)
    return;
  fi_plan_header &header = *args.plan.header;
  const u32 request = (u32)request_of(args, first);
  if (header.fault > 0 && header.fault_request <= request)
    return;
  header.fault = kFaultSelectedLen;
  header.fault_request = request;
  header.fault_value = args.selected_len[first];
}
//@else
/* There are no lists. */
void tell_bad_list(const fi_plan_args &args, int tokens) {}
//@end

//@if prefixes < 2
/* Nothing is told of prefixes. */
void begin_order(const fi_plan_args &args) {}

void tell_bad_order(const fi_plan_args &args, bool planned) {}
//@end

/* The last CTA, which has the least to write, writes the header too. */
bool writes_header() {
  return blockIdx.x % FI_PLAN_CTAS == FI_PLAN_CTAS - 1;
}

/* Divides the plan's part of the batch among the CTAs of its launch, or does a stage of that. */
void divide_batch(const fi_plan_args &args, u32 members, int stage) {
  extern __shared__ int cuts[]; /* [ctas + 1] */
  Line line = room_of_line(args, cuts + args.ctas + 1);
  if (stage < FI_STAGE_SHARE || !args.tile_begin)
    count_line(args, members, line, stage);
  if (stage < FI_STAGE_SHARE)
    return;
  line.tiles = line.tile_begin[args.requests];
  line.steps = line.step_begin[line.tiles];
  share_line(args, line, cuts);
}

/*
 * Writes the items of a batch, and the rows where there are some: append reads the first member's. `tokens` is 0 and
 * `members` none for a batch that makes no sense, of which nothing is planned.
 */
void plan_batch(const fi_plan_args &args, int tokens, u32 members, int stage) {
  const bool has_part = members >> args.member & 1;
  if (stage < FI_STAGE_SHARE || (args.ctas > 0 && has_part))
    divide_batch(args, members, stage);
  else
    close_all_shares(args);
  if (stage == FI_STAGE_SHARE && (has_part || args.member == 0))
    write_rows(args, tokens);
}

//@if prefixes
void write_plan(const fi_plan_args &args, int tokens, u32 members, int stage) {
  if (stage < FI_STAGE_SHARE || members == 0 || !plan_tree(args, tokens))
    plan_batch(args, tokens, members, stage);
}
//@else
void write_plan(const fi_plan_args &args, int tokens, u32 members, int stage) {
  plan_batch(args, tokens, members, stage);
}
//@end

//@if prefixes == 1 && overlaps && members < 2
/* CTAs come in clusters, which look for prefixes together. */
extern "C" __global__ void __cluster_dims__(kClusterCtas, 1, 1)
flashjit_plan(const __grid_constant__ fi_plans_args plans);

//@end
/*
 * Splits batches into work items, once a step.
 *
 * Each request's query tokens form tiles; a unit is one tile on one KV head; a step is what a CTA takes of a
 * unit's KV at once. All steps of a section's units, in order, form one line, which is cut into equal shares, one
 * a CTA. A unit that a cut goes through is several items, whose partial results the last of its CTAs merges. Or
 * whole units form a queue, from which CTAs claim. Append needs the rows only: a plan for no CTAs.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_plan(const __grid_constant__ fi_plans_args plans) {
  wait_for_stream();
  const fi_plan_args args = plans.plans[blockIdx.x / FI_PLAN_CTAS]; /* at once, not one by one where they are used */
  if (plans.stage == FI_STAGE_CHECK)
    return check_pages(args);
  const bool sound = is_sound(args);
  if (!sound && plans.stage < FI_STAGE_SHARE)
    return;
  const int tokens = sound ? first_token(args, args.requests) : 0;
  begin_order(args);
  write_plan(args, tokens, sound ? members_of_batch(args) : 0, plans.stage);
  if (plans.stage < FI_STAGE_SHARE || !writes_header())
    return;
  write_header(args, tokens, sound);
  tell_bad_list(args, tokens);
  tell_bad_order(args, sound);
}
