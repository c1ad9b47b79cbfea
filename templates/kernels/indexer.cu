//@use ptx/types
//@use ptx/overlap
//@use ptx/memory
//@use ptx/matrices
//@emit mma
//@use work/planned_rows
//@use index/keys
//@use index/score
//@use index/top

/* A query token on one head of the keys, and what it may choose from. */
struct Task {
  int token;
  int kv_base;
  int head;
  int end;    /* after the last KV token that it sees */
  int blocks; /* that have such tokens */
};

Task task_of(const fi_indexer_args &args, long long number) {
  const fi_row row = args.plan.rows[number / args.kv_heads];
  const int end = max(row.position + 1, 0);
  const int blocks = (int)(((u32)end + kSelect - 1) / kSelect);
  return {row.token, row.kv_base, (int)(number % args.kv_heads), end, blocks};
}

/* A list of a task. */
int *list_of(const fi_indexer_args &args, const Task &task, int list) {
  return args.lists + task.token * args.list_token_stride + (task.head * kLists + list) * args.list_head_stride;
}

/* What every list has anyway: the first and the last blocks that the task sees. */
bool is_forced(const fi_indexer_args &args, const Task &task, int block) {
  return block < args.first_blocks || block >= task.blocks - args.last_blocks;
}

/*
 * Adds the scores of a step's tokens to those of their blocks, in order. A thread takes what the step has of a block;
 * what it had of it before is the larger score of the row, which another thread wrote a step ago.
 */
void keep_scores(const fi_indexer_args &args, const Task &task, const float *scores, u32 *rows, int first) {
  for (int i = (int)threadIdx.x; i < kLists * kStepTokens; i += kThreads) {
    const int begin = first + i % kStepTokens;
    const int place = (int)((u32)begin % kSelect);
    if (begin >= task.end || (place > 0 && begin > first))
      continue;
    const int count = min(min(kSelect - place, first + kStepTokens - begin), task.end - begin);
    u32 best = 0;
    for (int token = 0; token < count; token++)
      best = max(best, rank_of(scores[i + token]));
    const int block = (int)((u32)begin / kSelect);
    u32 *to = rows + (long long)(i / kStepTokens) * args.max_blocks + block;
    if (place > 0)
      best = max(best, *to);
    *to = is_forced(args, task, block) ? kForcedRank : best;
  }
}

/* The ranks of all blocks that a task sees. All threads of the CTA take part. */
void rank_blocks(const fi_indexer_args &args, const Task &task, u32 *rows) {
  extern __shared__ __align__(128) u8 shared[];
  load_query(args, shared, task.token, task.head);
  for (int first = 0; first < task.end; first += kStepTokens) {
    load_keys(args, shared, task.kv_base, task.head, first, min(kStepTokens, task.end - first));
    __syncthreads();
    score_step(shared);
    __syncthreads();
    keep_scores(args, task, (const float *)(shared + kSharedScores), rows, first);
  }
  __syncthreads();
}

/* A list of all blocks that there are, which is no longer than it may be. */
void list_all(const fi_indexer_args &args, const Task &task) {
  for (int i = (int)threadIdx.x; i < kLists * args.max_selected; i += kThreads) {
    const int entry = i % args.max_selected;
    list_of(args, task, i / args.max_selected)[entry] = entry < task.blocks ? entry : -1;
  }
}

/*
 * Chooses blocks of KV for query tokens: those of the best scores, of two equal ones the first. A CTA takes a query
 * token and a head of the keys at a time, and keeps the ranks of its blocks in rows of its own.
 */
extern "C" __global__ void __launch_bounds__(kThreads, kCtasPerSm)
flashjit_indexer(const __grid_constant__ fi_indexer_args args) {
  wait_for_stream();
  const long long tasks = (long long)planned_tokens(args.plan, args.rows_id) * args.kv_heads;
  u32 *rows = args.ranks + (long long)blockIdx.x * kLists * args.max_blocks;
  for (long long number = blockIdx.x; number < tasks; number += gridDim.x) {
    const Task task = task_of(args, number);
    if (task.blocks <= args.max_selected) {
      list_all(args, task);
      continue;
    }
    rank_blocks(args, task, rows);
    for (int list = 0; list < kLists; list++)
      take_best(rows + (long long)list * args.max_blocks, task.blocks, args.max_selected, list_of(args, task, list));
  }
}
