/* Kernels of loaded libraries. */
#ifndef GPUSIM_API_KERNEL_H
#define GPUSIM_API_KERNEL_H

#include "machine/memory.h"
#include "program/program.h"

#include <cuda.h>

/* A CUkernel and the CUfunction made from it are the same object. */
struct api_kernel {
  const struct sim_program *program; /* that of the device where the library was loaded; others have the same sizes */
  CUlibrary library;
  bool large_clusters; /* more than 8 blocks are allowed */
  size_t entry;        /* its number in the library */
  struct {
    uint32_t max_dynamic_shared;
    int carveout;
  } on[SIM_MAX_DEVICES];
};

/* The kernel's code on a device, or NULL while it is not loaded there. */
const struct sim_program *api_kernel_code(const struct api_kernel *kernel, uint32_t device);

/* Loads it there, under the lock. */
CUresult api_kernel_load(const struct api_kernel *kernel, uint32_t device);

#endif
