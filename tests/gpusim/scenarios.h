/* Runs of the test kernels: inputs, launch and comparison with a plain computation. */
#ifndef GPUSIM_SCENARIOS_H
#define GPUSIM_SCENARIOS_H

#include <cuda.h>

typedef struct {
  CUresult launched;  /* what the launch and the synchronisation said */
  double worst_error; /* largest difference; only if launched is CUDA_SUCCESS */
} outcome;

typedef outcome (*scenario)(CUlibrary library);

outcome run_gemm(CUlibrary library);
outcome run_total(CUlibrary library);
outcome run_softmax(CUlibrary library);

#endif
