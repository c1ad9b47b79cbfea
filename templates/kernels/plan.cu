//@use ptx/types
//@use ptx/overlap
//@use plan/queue
//@if prefixes
//@use plan/prefix_shares
//@end

/* What is wrong with a request; where nothing is planned, of that only which is the reason. */
Fault told_fault_of(const fi_plan_args &args, int request, bool planned) {
  const Fault fault = fault_of(args, request);
  return planned || fault.kind == kFaultQIndptr ? fault : Fault{0, 0};
}

/* The first request that something is wrong with, of those that this thread looks at; `requests` if it is none. */
int first_faulty(const fi_plan_args &args, bool planned) {
  int request = (int)threadIdx.x;
  while (request < args.requests && told_fault_of(args, request, planned).kind == 0)
    request += kThreads;
  return min(request, args.requests);
}

/* What the plan says of its batch. All threads of the CTA take part. */
void write_header(const fi_plan_args &args, int tokens, bool planned) {
  __shared__ int request;
  if (threadIdx.x == 0)
    request = args.requests;
  const int faulty = first_faulty(args, planned);
  __syncthreads();
  if (faulty < args.requests)
    atomicMin(&request, faulty);
  __syncthreads();
  if (threadIdx.x > 0)
    return;
  const Fault fault = request < args.requests ? told_fault_of(args, request, planned) : Fault{0, 0};
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
/* What each row sees. */
void write_intervals(const fi_plan_args &args, int tokens) {
  if (args.intervals)
    for (int token = first_index(); token < tokens; token += kIndexStride)
      args.plan.seen[token] = interval_of_token(args, token);
}
//@else
/* Where rows see is not written. */
void write_intervals(const fi_plan_args &args, int tokens) {}
//@end

void write_rows(const fi_plan_args &args, int tokens) {
  for (int token = first_index(); token < tokens; token += kIndexStride)
    args.plan.rows[token] = row_of_token(args, token);
  write_intervals(args, tokens);
  if (args.mask_bits)
    for (int token = first_index(); token < tokens; token += kIndexStride)
      args.plan.row_bits[token] = bits_of_token(args, token);
}

/* The request of each row, for those who ask. */
void write_requests(const fi_plan_args &args, int tokens) {
  for (int token = first_index(); token < tokens; token += kIndexStride)
    args.plan.requests[token] = request_of(args, max(token, first_token(args, 0)));
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

/* The last CTA, which has the least to write, writes the header too. */
bool writes_header() {
  return blockIdx.x % FI_PLAN_CTAS == FI_PLAN_CTAS - 1;
}

/* Writes the items of a batch, and the rows where there are some: append reads the first member's. */
void plan_batch(const fi_plan_args &args, int tokens, u32 members) {
  const bool has_part = members >> args.member & 1;
  if (args.ctas > 0 && has_part)
    divide_batch(args, members);
  else
    close_all_shares(args);
  if (!has_part && args.member > 0)
    return;
  write_rows(args, tokens);
  if (args.names_requests)
    write_requests(args, tokens);
}

/* What the last CTA says of the whole batch. */
void end_plan(const fi_plan_args &args, int tokens) {
  if (!writes_header())
    return;
  write_header(args, tokens, true);
  tell_bad_list(args, tokens);
}

//@if prefixes
void write_plan(const fi_plan_args &args, u32 members) {
  const int tokens = first_token(args, args.requests);
  if (!plan_tree(args, tokens))
    plan_batch(args, tokens, members);
  end_plan(args, tokens);
}
//@else
void write_plan(const fi_plan_args &args, u32 members) {
  const int tokens = first_token(args, args.requests);
  plan_batch(args, tokens, members);
  end_plan(args, tokens);
}
//@end

/* A plan of nothing, for a batch that makes no sense. */
void refuse_batch(const fi_plan_args &args) {
  close_all_shares(args);
  if (writes_header())
    write_header(args, 0, false);
}

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
  if (!is_sound(args))
    return plans.stage == FI_STAGE_SHARE ? refuse_batch(args) : void();
  const u32 members = members_of_batch(args); /* once in the text, which is long */
  switch (plans.stage) {
  case FI_STAGE_TILES:
    return count_tiles(args, members);
  case FI_STAGE_STEPS:
    return count_steps(args);
  default:
    return write_plan(args, members);
  }
}
