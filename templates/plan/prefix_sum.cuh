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
 * begin[i] = sum of count(0) .. count(i - 1) for i = 0 .. size; returns begin[size]. All threads of the CTA take
 * part.
 */
template <typename Count> int prefix_sum(int *begin, int size, Count count) {
  __shared__ int warp_sums[kThreads / 32];
  int total = 0;
  for (int base = 0; base < size; base += kThreads) {
    const int i = base + (int)threadIdx.x;
    const int value = i < size ? count(i) : 0;
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
    if (i < size)
      begin[i] = before + sum - value;
    __syncthreads();
  }
  if (threadIdx.x == 0)
    begin[size] = total;
  __syncthreads();
  return total;
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
