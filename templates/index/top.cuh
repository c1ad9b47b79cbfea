//# The best of a row, whatever order threads come in: counts decide, digit by digit, and places follow from counts.

constexpr u32 kForcedRank = 0xffffffffu; /* of what is taken in any case */

/* Whole numbers in the order of scores. NaN counts as -infinity, and 0 is one number. */
u32 rank_of(float score) {
  const u32 bits = __float_as_uint(score == score ? score + 0.0f : __uint_as_float(0xff800000u));
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/* How the ranks to take are found: they begin with `digits`, as far as it is known, or are larger. */
struct Search {
  u32 digits;
  u32 known; /* bits of it */
  int left;  /* how many of those that begin so are to be taken */
};

/* How many of a row's ranks that the search has not decided about have which digit. */
void count_digits(int *counts, const u32 *row, int blocks, const Search &search, int shift) {
  for (int i = (int)threadIdx.x; i < 256; i += kThreads)
    counts[i] = 0;
  __syncthreads();
  for (int i = (int)threadIdx.x; i < blocks; i += kThreads) {
    const u32 rank = row[i];
    if ((rank & search.known) == search.digits)
      atomicAdd(counts + (rank >> shift) % 256, 1);
  }
  __syncthreads();
}

/*
 * The search with the digit of the last rank to take, by one warp, whose lanes look at 8 digits each, the largest
 * first: the lane that has it writes.
 */
void choose_digit(Search &found, const int *counts, const Search &search, int shift) {
  const int top = 255 - 8 * (int)lane();
  int own = 0;
  for (int i = 0; i < 8; i++)
    own += counts[top - i];
  int before = own; /* and with those of the lanes before, whose digits are larger */
  for (int distance = 1; distance < 32; distance *= 2) {
    const int other = __shfl_up_sync(kAllLanes, before, distance);
    before += (int)lane() >= distance ? other : 0;
  }
  before -= own;
  if (before >= search.left || before + own < search.left)
    return;
  int digit = top;
  while (before + counts[digit] < search.left)
    before += counts[digit--];
  found = {search.digits | (u32)digit << shift, search.known | 255u << shift, search.left - before};
}

/* Finds the rank of place `count` of a row, from the best on, and how many of its equals are to be taken. */
Search find_last_rank(const u32 *row, int blocks, int count) {
  __shared__ int counts[256];
  __shared__ Search found;
  Search search = {0, 0, count};
  for (int shift = 24; shift >= 0; shift -= 8) {
    count_digits(counts, row, blocks, search, shift);
    if (warp() == 0)
      choose_digit(found, counts, search, shift);
    __syncthreads();
    search = found;
  }
  return search;
}

/* How many better ranks and equal ones there are. */
struct Counts {
  int better, equal;
};

/* How many there are in a warp's part of a row. */
Counts count_part(const u32 *row, int begin, int end, u32 last) {
  Counts counts = {0, 0};
  for (int i = begin; i < end; i += 32) {
    const bool is_there = i + (int)lane() < end;
    const u32 rank = is_there ? row[i + lane()] : 0;
    counts.better += __popc(__ballot_sync(kAllLanes, is_there && rank > last));
    counts.equal += __popc(__ballot_sync(kAllLanes, is_there && rank == last));
  }
  return counts;
}

/* Writes the numbers of a part's blocks that are taken, after those of the parts before it. */
void write_part(int *list, const u32 *row, int begin, int end, u32 last, Counts before, int equals) {
  for (int i = begin; i < end; i += 32) {
    const bool is_there = i + (int)lane() < end;
    const u32 rank = is_there ? row[i + lane()] : 0;
    const u32 better = __ballot_sync(kAllLanes, is_there && rank > last);
    const u32 equal = __ballot_sync(kAllLanes, is_there && rank == last);
    const u32 lower = (1u << lane()) - 1;
    const int place = before.better + __popc(better & lower);
    const int place_of_equals = before.equal + __popc(equal & lower);
    if (better >> lane() & 1 || (equal >> lane() & 1 && place_of_equals < equals))
      list[place + min(place_of_equals, equals)] = i + (int)lane();
    before.better += __popc(better);
    before.equal += __popc(equal);
  }
}

/* Writes the numbers of the best `count` of a row of more blocks, in rising order. All threads of the CTA take part. */
void take_best(const u32 *row, int blocks, int count, int *list) {
  constexpr int kWarps = kThreads / 32;
  __shared__ Counts parts[kWarps];
  const Search search = find_last_rank(row, blocks, count);
  const int part = (blocks + kThreads - 1) / kThreads * 32; /* whole rounds of a warp */
  const int begin = min((int)warp() * part, blocks);
  const int end = min(begin + part, blocks);
  const Counts own = count_part(row, begin, end, search.digits);
  if (lane() == 0)
    parts[warp()] = own;
  __syncthreads();
  Counts before = {0, 0};
  for (int i = 0; i < (int)warp(); i++) {
    before.better += parts[i].better;
    before.equal += parts[i].equal;
  }
  write_part(list, row, begin, end, search.digits, before, search.left);
  __syncthreads();
}
