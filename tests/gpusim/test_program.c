/* What a whole program needs beside arithmetic: calls, switches, local and constant memory, atomics, votes.
 */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const char source[] =
    "__constant__ float table[4] = {1, 2, 3, 4};\n"
    "__device__ int counter = 7;\n"
    "__device__ unsigned long long wide = 1;\n"
    "__noinline__ __device__ float weighted(float a, int n, const float *x) {\n"
    "  float sum = 0; for (int i = 0; i < n; i++) sum += a * x[i]; return sum; }\n"
    "__noinline__ __device__ float4 quad(float a) { return make_float4(a, a + 1, a + 2, a + 3); }\n"
    "__noinline__ __device__ int choose(int which, int value) {\n"
    "  switch (which) { case 0: return value + 1; case 1: return value * 2; case 2: return value - 5;\n"
    "  case 3: return value ^ 21; case 4: return value * value; case 5: return -value; case 6: return value "
    ">> 1; }\n"
    "  return 9; }\n"
    "extern \"C\" __global__ void k(const float *x, int *out, int n) {\n"
    "  __shared__ int votes; __shared__ unsigned least;\n"
    "  int t = threadIdx.x; float local[16];\n"
    "  if (t == 0) { votes = 0; least = ~0u; }\n"
    "  for (int i = 0; i < 16; i++) local[i] = x[i] * (i + t);\n"
    "  __syncthreads();\n"
    "  atomicAdd(&votes, t & 1); atomicMin(&least, 100u + t);\n"
    "  int result = (int)local[(t * n) & 15] + (int)table[t & 3];\n"
    "  result += (int)weighted(2.f, n, x) + (int)quad((float)t).z + choose(t % 9, t);\n"
    "  if (t % 3 == 0) result += (int)weighted((float)t, 3, x);\n"
    "  __syncthreads();\n"
    "  result += votes + (int)least;\n"
    "  if (__syncthreads_or(t == 5)) result += 1000;\n"
    "  result += __syncthreads_count(t < 10) * 10000;\n"
    "  atomicAdd(&counter, 1); atomicMax(&wide, (unsigned long long)t << 33);\n"
    "  __syncthreads();\n"
    "  if (t == 0) { out[64] = atomicExch(&counter, 7); out[65] = (int)(atomicCAS(&wide, 63ull << 33, 5ull) "
    ">> 33); }\n"
    "  out[t] = result;\n"
    "}\n";

static int choose(int which, int value) {
  const int results[] = {value + 1, value * 2, value - 5, value ^ 21, value * value, -value, value >> 1};
  return which < 7 ? results[which] : 9;
}

static int expected(int t, int n, const float x[16]) {
  float sum = 0;
  float third = 0;
  for (int i = 0; i < n; i++)
    sum += 2.0f * x[i];
  for (int i = 0; i < 3; i++)
    third += (float)t * x[i];
  int at = (t * n) & 15;
  int result = (int)(x[at] * (float)(at + t)) + (t & 3) + 1 + (int)sum + t + 2 + choose(t % 9, t);
  return result + (t % 3 == 0 ? (int)third : 0) + 32 + 100 + 1000 + 100000;
}

static void expect_program(const char *architecture) {
  enum { THREADS = 64, N = 5 };
  float x[16];
  int out[THREADS + 2];
  int n = N;
  char *ptx = compile_cuda(source, architecture, NULL);
  sim_become(architecture);
  CUlibrary library;
  if (!ptx)
    return;
  for (int i = 0; i < 16; i++)
    x[i] = (float)(i * 3 % 7);
  cr_assert_eq(sim_load(ptx, &library), CUDA_SUCCESS);
  CUdeviceptr from = sim_upload(x, sizeof x);
  CUdeviceptr to = sim_buffer(sizeof out);
  void *parameters[] = {&from, &to, &n};
  cr_assert_eq(sim_launch(sim_kernel(library, "k"), 1, THREADS, 0, parameters), CUDA_SUCCESS);
  sim_download(out, to, sizeof out);
  for (int t = 0; t < THREADS; t++)
    cr_expect_eq(out[t], expected(t, N, x), "%s thread %d: %d, expected %d", architecture, t, out[t],
                 expected(t, N, x));
  cr_expect_eq(out[THREADS], 7 + THREADS, "%s counter: %d", architecture, out[THREADS]);
  cr_expect_eq(out[THREADS + 1], 63, "%s maximum: %d", architecture, out[THREADS + 1]);
  free(ptx);
}

Test(gpusim_program, both_dialects) {
  expect_program("compute_80");
  expect_program("compute_120a");
}

/* Lanes of one warp that wait for each other make progress. */
Test(gpusim_program, spin_within_a_warp) {
  static const char lock[] =
      "extern \"C\" __global__ void k(int *out) {\n"
      "  __shared__ int held; __shared__ int sum;\n"
      "  if (threadIdx.x == 0) { held = 0; sum = 0; }\n"
      "  __syncthreads();\n"
      "  bool done = false;\n"
      "  while (!done)\n"
      "    if (atomicCAS(&held, 0, 1) == 0) { __threadfence_block(); int s = *(volatile int *)&sum;\n"
      "      *(volatile int *)&sum = s + 1; __threadfence_block(); atomicExch(&held, 0); done = true; }\n"
      "  __syncthreads();\n"
      "  if (threadIdx.x == 0) *out = sum;\n"
      "}\n";
  int got = 0;
  char *ptx = compile_cuda(lock, "compute_80", NULL);
  CUlibrary library;
  if (!ptx)
    return;
  cr_assert_eq(sim_load(ptx, &library), CUDA_SUCCESS);
  CUdeviceptr out = sim_buffer(sizeof got);
  void *parameters[] = {&out};
  cr_assert_eq(sim_launch(sim_kernel(library, "k"), 1, 64, 0, parameters), CUDA_SUCCESS);
  sim_download(&got, out, sizeof got);
  cr_expect_eq(got, 64);
  free(ptx);
}
