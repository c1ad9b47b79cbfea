//@use plan/seen

//# Which of several kernels takes a request: those that make the whole batch cheapest.

/* Query tokens of a request, and the KV that the middle one sees, which is what they see on average. */
struct Asked {
  int tokens;
  int seen;
  int kv_len;
};

Asked asked_of(const fi_plan_args &args, int request) {
  const int tokens = query_len_of(args, request);
  const int kv_len = kv_len_of(args, request);
  const fi_interval middle = interval_of(args, request, kv_len, kv_len - (tokens + 1) / 2);
  return {tokens, max(0, middle.end - max(0, middle.first)), kv_len};
}

/* What a request costs a member: its tiles, each with the KV that some of its tokens see. */
float cost_of(const Asked &asked, const fi_member &member) {
  const int tiles = (asked.tokens + member.tile_tokens - 1) / member.tile_tokens;
  const int seen = min(asked.kv_len, asked.seen + min(asked.tokens, member.tile_tokens) / 2);
  return (float)tiles * ((float)seen * member.token_cost + member.tile_cost);
}

struct Costs {
  float of[FI_MOST_MEMBERS];
};

Costs costs_of(const fi_plan_args &args, int request) {
  const Asked asked = asked_of(args, request);
  Costs costs;
#pragma unroll
  for (int m = 0; m < FI_MOST_MEMBERS; m++)
    costs.of[m] = m < args.member_count ? cost_of(asked, args.members[m]) : 0.f;
  return costs;
}

/* The cheapest for a request, of a set of members; of equal ones that of the fewest rows. */
int choice_of(const Costs &costs, u32 set) {
  int best = -1;
  float least = 0;
#pragma unroll
  for (int m = 0; m < FI_MOST_MEMBERS; m++)
    if ((set >> m & 1) && (best < 0 || costs.of[m] < least)) {
      best = m;
      least = costs.of[m];
    }
  return best;
}

constexpr u32 kSets = 1 << FI_MOST_MEMBERS;

constexpr float kNoCost = 3.4e38f; /* more than any */

/* Adds what a request costs with each set of members: the least of theirs. */
void add_request(float *sums, const Costs &costs) {
#pragma unroll
  for (u32 set = 1; set < kSets; set++) {
    float least = kNoCost;
#pragma unroll
    for (u32 m = 0; m < FI_MOST_MEMBERS; m++)
      least = set >> m & 1 ? min(least, costs.of[m]) : least;
    sums[set] += least;
  }
}

/*
 * The warp's sum of number lane % kSets: with each exchange a lane keeps half of its numbers and gives the others to
 * the lane that keeps them.
 */
float sum_of_lane(float *sums) {
#pragma unroll
  for (u32 step = 1; step <= FI_MOST_MEMBERS; step++) {
    const u32 half = kSets >> step;
    const bool is_upper = lane() & half;
#pragma unroll
    for (u32 i = 0; i < kSets / 2; i++) {
      if (i >= half)
        continue; /* bounds of loops must be constants, so that sums are in registers */
      const float given = is_upper ? sums[i] : sums[i + half];
      const float kept = is_upper ? sums[i + half] : sums[i];
      sums[i] = kept + __shfl_xor_sync(kAllLanes, given, half);
    }
  }
  return sums[0] + __shfl_xor_sync(kAllLanes, sums[0], kSets);
}

/* What the batch costs with the set of members of number lane % kSets. All CTAs get the same: the order is fixed. */
float sum_batch(const fi_plan_args &args) {
  __shared__ float warp_sums[kThreads / 32][kSets];
  float sums[kSets] = {};
  for (int request = (int)threadIdx.x; request < args.requests; request += kThreads)
    add_request(sums, costs_of(args, request));
  const u32 set = lane() % kSets;
  const float own = sum_of_lane(sums);
  if (lane() < kSets)
    warp_sums[warp()][set] = own;
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (u32 w = 0; w < kThreads / 32; w++)
    sum += warp_sums[w][set];
  return sum;
}

/* Those with which the batch is done first; of equal sets the first. All threads of the CTA take part. */
u32 cheapest_set(const fi_plan_args &args) {
  u32 best = lane() % kSets;
  float least = sum_batch(args);
#pragma unroll
  for (int m = 0; m < FI_MOST_MEMBERS; m++)
    least += best >> m & 1 ? args.members[m].launch_cost : 0.f;
  if (best == 0 || best >> args.member_count)
    least = kNoCost;
#pragma unroll
  for (u32 distance = kSets / 2; distance > 0; distance /= 2) {
    const float cost = __shfl_xor_sync(kAllLanes, least, distance);
    const u32 set = __shfl_xor_sync(kAllLanes, best, distance);
    if (cost < least || (cost == least && set < best)) {
      least = cost;
      best = set;
    }
  }
  return best;
}

/* Whether a tile of the first member holds each request, and no other does it for less. */
bool are_short(const fi_plan_args &args) {
  if (!args.first_is_least)
    return false;
  int longer = 0;
  if (args.q_indptr)
    for (int request = (int)threadIdx.x; request < args.requests; request += kThreads)
      longer |= query_len_of(args, request) > args.members[0].tile_tokens;
  return !__syncthreads_or(longer);
}

/* The members that requests are divided among. With fixed pieces all, so that nothing depends on the batch's rest. */
u32 members_of_batch(const fi_plan_args &args) {
  const u32 all = (1u << args.member_count) - 1;
  if (args.fixed || args.member_count == 1)
    return all;
  return are_short(args) ? 1 : cheapest_set(args);
}

/* Whether every request has one token, and so one tile, of the plan's kernel: then both have one number. */
bool has_tile_each(const fi_plan_args &args) {
  return !args.q_indptr && (args.member_count == 1 || (args.first_is_least && args.member == 0));
}

/* Whether a request is the plan's own. Mostly one member has all. */
bool is_own(const fi_plan_args &args, int request, u32 members) {
  if ((members & (members - 1)) == 0)
    return members >> args.member & 1;
  return choice_of(costs_of(args, request), members) == args.member;
}
