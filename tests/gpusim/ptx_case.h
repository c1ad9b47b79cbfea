/* Cases written as PTX bodies: what every thread's word is at the end, or the report that ends the launch. */
#ifndef GPUSIM_PTX_CASE_H
#define GPUSIM_PTX_CASE_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PTX_DATA_WORDS = 16384, PTX_MAX_RANK = 5 };

/* A tensor over the data. Strides of 0 are those of a dense tensor. */
struct ptx_map {
  CUtensorMapDataType type;
  unsigned element_bytes;
  unsigned rank;
  uint64_t dims[PTX_MAX_RANK];
  uint64_t strides[PTX_MAX_RANK - 1];
  uint32_t box[PTX_MAX_RANK];
  uint32_t steps[PTX_MAX_RANK]; /* 0: 1 */
  CUtensorMapSwizzle swizzle;
  bool nan;
  uint64_t early; /* bytes that the tensor begins before the data */
};

/* The body has the registers %p0 to %p7, %r0 to %r31 (%r0 is what the thread stores at the end), %d0 to %d15, %t (the
 * thread), %lane, %warp, the predicates %first (thread 0) and %leader (lane 0), and 16384 bytes of shared memory at %m;
 * %data is the address of words 0, 1, 2 ..., %map that of a tensor map over them. */
struct ptx_case {
  const char *what;
  unsigned threads;
  const char *body;
  CUresult error;     /* CUDA_SUCCESS: the words are right, and there is no report */
  const char *report; /* a part of it */
  uint32_t (*word)(uint32_t thread);
  const struct ptx_map *map;
};

/* Runs all with several seeds. */
void ptx_cases_run(const struct ptx_case *cases, size_t count);

/* Strides and steps as the driver takes them. */
CUresult ptx_map_encode(CUtensorMap *out, const struct ptx_map *map, CUdeviceptr data);

#endif
