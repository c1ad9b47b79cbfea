/* Cases written as PTX bodies: what every thread's word is at the end, or the report that ends the launch. */
#ifndef GPUSIM_PTX_CASE_H
#define GPUSIM_PTX_CASE_H

#include <cuda.h>
#include <stddef.h>
#include <stdint.h>

/* The body has the registers %p0 to %p7, %r0 to %r31 (%r0 is what the thread stores at the end), %d0 to %d15, %t (the
 * thread), %lane, %warp, the predicates %first (thread 0) and %leader (lane 0), and 8192 bytes of shared memory at %m.
 */
struct ptx_case {
  const char *what;
  unsigned threads;
  const char *body;
  CUresult error;     /* CUDA_SUCCESS: the words are right, and there is no report */
  const char *report; /* a part of it */
  uint32_t (*word)(uint32_t thread);
};

/* Runs all with several seeds. */
void ptx_cases_run(const struct ptx_case *cases, size_t count);

#endif
