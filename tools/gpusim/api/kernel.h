/* Kernels of loaded libraries. */
#ifndef GPUSIM_API_KERNEL_H
#define GPUSIM_API_KERNEL_H

#include "program/program.h"

#include <cuda.h>

/* A CUkernel and the CUfunction made from it are the same object. */
struct api_kernel {
  struct sim_program *program;
  CUlibrary library;
  uint32_t max_dynamic_shared;
  int carveout;
};

#endif
