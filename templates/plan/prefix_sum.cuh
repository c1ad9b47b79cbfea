/* Sum of the warp's values up to and including this lane's. */
int warp_prefix(int value) {
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const int before = __shfl_up_sync(kAllLanes, value, distance);
    if ((int)lane() >= distance)
      value += before;
  }
  return value;
}

/*
 * begin[i] = total + sum of count(first) .. count(i - 1) for i = first .. last - 1; returns what begin[last] would be.
 * All threads of the CTA take part.
 */
template <typename Count> int prefix_sum_of_range(int *begin, int first, int last, int total, Count count) {
  __shared__ int warp_sums[kThreads / 32];
  for (int base = first; base < last; base += kThreads) {
    const int i = base + (int)threadIdx.x;
    const int value = i < last ? count(i) : 0;
    const int sum = warp_prefix(value);
    if (lane() == 31)
      warp_sums[warp()] = sum;
    __syncthreads();
    int before = total;
#pragma unroll
    for (u32 w = 0; w < kThreads / 32; w++) {
      before += w < warp() ? warp_sums[w] : 0;
      total += warp_sums[w];
    }
    if (i < last)
      begin[i] = before + sum - value;
    __syncthreads();
  }
  return total;
}

/* begin[i] = sum of count(0) .. count(i - 1) for i = 0 .. size; returns begin[size]. All threads take part. */
template <typename Count> int prefix_sum(int *begin, int size, Count count) {
  const int total = prefix_sum_of_range(begin, 0, size, 0, count);
  if (threadIdx.x == 0)
    begin[size] = total;
  __syncthreads();
  return total;
}

/* Sum of count(0) .. count(last - 1). All threads of the CTA take part. */
template <typename Count> int sum_of(int last, Count count) {
  __shared__ int total;
  if (threadIdx.x == 0)
    total = 0;
  __syncthreads();
  int own = 0;
  for (int i = (int)threadIdx.x; i < last; i += kThreads)
    own += count(i);
  atomicAdd(&total, own);
  __syncthreads();
  return total;
}

/*
 * The same by all CTAs of the plan: each writes a part, after it has summed what is before that. The sum is there when
 * the launch has ended.
 */
template <typename Count> void prefix_sum_by_all(int *begin, int size, Count count) {
  const int cta = (int)(blockIdx.x % FI_PLAN_CTAS);
  const int first = (int)((long long)size * cta / FI_PLAN_CTAS);
  const int last = (int)((long long)size * (cta + 1) / FI_PLAN_CTAS);
  const int before = sum_of(first, count);
  const int total = prefix_sum_of_range(begin, first, last, before, count);
  if (cta == FI_PLAN_CTAS - 1 && threadIdx.x == 0)
    begin[size] = total;
}

/* The last i with begin[i] <= value, where begin rises and begin[0] <= value < begin[size]. */
int find_last(const int *begin, int size, int value) {
  int low = 0;
  int high = size;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (begin[middle] <= value)
      low = middle;
    else
      high = middle;
  }
  return low;
}
