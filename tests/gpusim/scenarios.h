/* Runs of the test kernels: inputs, launch and comparison with a plain computation. */
#ifndef GPUSIM_SCENARIOS_H
#define GPUSIM_SCENARIOS_H

#include <cuda.h>

struct outcome {
  CUresult launched;  /* what the launch and the synchronisation said */
  double worst_error; /* largest difference; only if launched is CUDA_SUCCESS */
};

typedef struct outcome (*scenario)(CUlibrary library);

struct outcome run_gemm(CUlibrary library);
struct outcome run_total(CUlibrary library);
struct outcome run_softmax(CUlibrary library);

#endif
