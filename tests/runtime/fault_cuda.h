/* A driver of which a call fails: libfault_cuda stands in front of the one that FAULT_CUDA_DRIVER names. */
#ifndef TESTS_RUNTIME_FAULT_CUDA_H
#define TESTS_RUNTIME_FAULT_CUDA_H

#include <stdbool.h>

/* What dlsym finds as "fault_cuda". */
struct fault_cuda {
  unsigned calls;     /* since it was set to 0 */
  unsigned fail_at;   /* the call that fails, counted from 1; 0: none */
  bool lasting;       /* and all after it */
  int error;          /* a CUresult */
  int loaded;         /* libraries that are loaded now */
  const char *failed; /* the function that failed last */
};

#endif
