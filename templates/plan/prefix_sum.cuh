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
 * begin[i] = sum of count(0) .. count(i - 1) for i = first .. last - 1; returns what begin[last] would be. `first` is a
 * multiple of kThreads. All threads of the CTA take part.
 */
template <typename Count> int prefix_sum_of_range(int *begin, int first, int last, Count count) {
  __shared__ int warp_sums[kThreads / 32];
  int total = 0;
  int value = 0;
#pragma unroll 1
  for (int base = 0; base < last; base += kThreads) {
    const int i = base + (int)threadIdx.x;
    value += i < last ? count(i) : 0;
    if (base + kThreads < first)
      continue; /* what is before the range is summed at its end */
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
    if (i >= first && i < last)
      begin[i] = before + sum - value;
    value = 0;
    __syncthreads();
  }
  return total;
}

/* begin[i] = sum of count(0) .. count(i - 1) for i = 0 .. size; returns begin[size]. All threads take part. */
template <typename Count> int prefix_sum(int *begin, int size, Count count) {
  const int total = prefix_sum_of_range(begin, 0, size, count);
  if (threadIdx.x == 0)
    begin[size] = total;
  __syncthreads();
  return total;
}

/* The last i with begin[i] <= value, where begin rises and begin[0] <= value < begin[size]. */
int find_last(const int *begin, int size, int value) {
  int low = 0;
  int high = size;
#pragma unroll 1
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (begin[middle] <= value)
      low = middle;
    else
      high = middle;
  }
  return low;
}
