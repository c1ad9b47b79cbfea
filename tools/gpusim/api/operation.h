/* Work that is done at once, or recorded by a stream capture. */
#ifndef GPUSIM_API_OPERATION_H
#define GPUSIM_API_OPERATION_H

#include "api/kernel.h"

struct api_operation {
  CUresult (*run)(const struct api_operation *operation);
  uint32_t device; /* that it runs on */
  const struct api_kernel *kernel;
  const struct sim_program *program; /* its code on the device */
  uint32_t grid[3];
  uint32_t cluster[3]; /* 0: what the kernel says, or 1 */
  uint32_t threads[3];
  uint32_t dynamic_shared;
  bool overlaps;
  uint8_t *parameters; /* owned */
  uint64_t destination;
  uint64_t source;
  uint64_t bytes;
  uint32_t value;
  uint32_t value_bytes;
};

/* Runs it, unless something has failed before. */
CUresult api_execute(const struct api_operation *operation);

struct api_operation api_operation_copy(const struct api_operation *operation);
void api_operation_destroy(struct api_operation *operation);

#endif
