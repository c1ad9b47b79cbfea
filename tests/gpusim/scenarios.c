/* Inputs are chosen so that every guard matters: ragged in each dimension, more tiles than buffers, more than
 * one block. */
#include "scenarios.h"

#include "fixture.h"

#include <math.h>
#include <stdlib.h>

static float next_value(unsigned *state) {
  *state = *state * 1664525u + 1013904223u;
  return (float)(*state >> 8) / 16777216.0f - 0.5f;
}

static double larger(double worst, double error) {
  return error <= worst ? worst : error; /* NaN counts as an error */
}

enum { M = 70, N = 77, K = 152 };

struct outcome run_gemm(CUlibrary library) {
  static uint16_t a[M * K];
  static uint16_t b[N * K];
  static float c[M * N];
  unsigned state = 1;
  for (int i = 0; i < M * K; i++)
    a[i] = half_nearest((double)next_value(&state));
  for (int i = 0; i < N * K; i++)
    b[i] = half_nearest((double)next_value(&state));
  struct {
    CUdeviceptr a;
    CUdeviceptr b;
    CUdeviceptr c;
    int m;
    int n;
    int k;
  } arguments = {sim_upload(a, sizeof a), sim_upload(b, sizeof b), sim_buffer(sizeof c), M, N, K};
  void *parameters[] = {&arguments};
  __typeof__(cuLaunchKernel) *launch = (__typeof__(cuLaunchKernel) *)sim_function("cuLaunchKernel");
  __typeof__(cuCtxSynchronize) *synchronize = (__typeof__(cuCtxSynchronize) *)sim_function("cuCtxSynchronize");
  struct outcome result = {
      launch((CUfunction)(void *)sim_kernel(library, "gemm"), 2, 2, 1, 128, 1, 1, 16384, NULL, parameters, NULL), 0};
  if (result.launched == CUDA_SUCCESS)
    result.launched = synchronize();
  sim_download(c, arguments.c, sizeof c);
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      double sum = 0;
      for (int k = 0; k < K; k++)
        sum += half_value(a[i * K + k]) * half_value(b[j * K + k]);
      result.worst_error = larger(result.worst_error, fabs(sum - (double)c[i * N + j]));
    }
  return result;
}

enum { LENGTH = 5000, BLOCKS = 7, LAUNCHES = 3 };

/* Several launches, because the counter has to be ready for the next one. */
struct outcome run_total(CUlibrary library) {
  static float x[LENGTH];
  unsigned state = 2;
  unsigned zero = 0;
  double sum = 0;
  for (int i = 0; i < LENGTH; i++)
    sum += (double)(x[i] = next_value(&state));
  struct {
    CUdeviceptr x;
    CUdeviceptr partial;
    CUdeviceptr result;
    CUdeviceptr counter;
    int n;
  } arguments = {sim_upload(x, sizeof x), sim_buffer(4 * BLOCKS * sizeof(float)), sim_buffer(sizeof(float)),
                 sim_upload(&zero, sizeof zero), LENGTH};
  void *parameters[] = {&arguments};
  struct outcome result = {CUDA_SUCCESS, 0};
  for (int i = 0; i < LAUNCHES && result.launched == CUDA_SUCCESS; i++) {
    float got = NAN;
    result.launched = sim_launch(sim_kernel(library, "total"), BLOCKS, 128, 0, parameters);
    sim_download(&got, arguments.result, sizeof got);
    result.worst_error = larger(result.worst_error, fabs(sum - (double)got));
  }
  return result;
}

enum { ROWS = 6, COLUMNS = 128 };

struct outcome run_softmax(CUlibrary library) {
  static float x[ROWS * COLUMNS];
  static float y[ROWS * COLUMNS];
  unsigned state = 3;
  for (int i = 0; i < ROWS * COLUMNS; i++)
    x[i] = 8 * next_value(&state);
  struct {
    CUdeviceptr x;
    CUdeviceptr y;
    int rows;
  } arguments = {sim_upload(x, sizeof x), sim_buffer(sizeof y), ROWS};
  void *parameters[] = {&arguments};
  struct outcome result = {sim_launch(sim_kernel(library, "softmax"), 2, 128, 0, parameters), 0};
  sim_download(y, arguments.y, sizeof y);
  for (int row = 0; row < ROWS; row++) {
    double sum = 0;
    for (int i = 0; i < COLUMNS; i++)
      sum += exp((double)x[row * COLUMNS + i]);
    for (int i = 0; i < COLUMNS; i++)
      result.worst_error =
          larger(result.worst_error, fabs(exp((double)x[row * COLUMNS + i]) / sum - (double)y[row * COLUMNS + i]));
  }
  return result;
}
