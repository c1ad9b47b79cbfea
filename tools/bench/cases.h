/* The workloads that are timed, and what is to be reached. */
#ifndef TOOLS_BENCH_CASES_H
#define TOOLS_BENCH_CASES_H

#include <stddef.h>
#include <stdint.h>

struct bench_case {
  const char *spec;
  uint32_t kv_heads;
  uint32_t requests;
  uint32_t q_len;
  uint32_t kv_len;
  uint32_t long_kv_len; /* of the first request, when it differs */
  double bar;           /* microseconds, or TFLOP/s when compute-bound; 0: none is set */
  double peer;          /* the best of FlashInfer 0.7.2 on an H200, in the same unit; 0: not known */
  int compute_bound;
};

extern const struct bench_case bench_cases[];
extern const size_t bench_case_count;

#endif
