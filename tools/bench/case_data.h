/* Kernel, lengths, tensors and workspaces of one timed workload. */
#ifndef TOOLS_BENCH_CASE_DATA_H
#define TOOLS_BENCH_CASE_DATA_H

#include "tests/reference.h"
#include "tools/bench/bench_case.h"
#include "tools/common/device.h"
#include "tools/common/random.h"
#include "tools/flashjit/verify_lists.h"

#include <stdbool.h>

enum { MOST_SETS = 16 };

enum case_buffer {
  CASE_Q,
  CASE_O,
  CASE_K,
  CASE_V,
  CASE_K_SCALES,
  CASE_V_SCALES,
  CASE_Q_INDPTR,
  CASE_KV_LEN,
  CASE_KV_INDPTR,
  CASE_PAGE_TABLE,
  CASE_SHARED,
  CASE_MASK_BITS,
  CASE_MASK_OFFSETS,
  CASE_SINKS,
  CASE_SLOPES,
  CASE_BIAS,
  CASE_ROPE_TABLE,
  CASE_SELECTED,
  CASE_WEIGHTS,  /* of an indexer, */
  CASE_LISTS,    /* which makes these */
  CASE_SECOND_K, /* of a second KV */
  CASE_SECOND_V,
  CASE_SECOND_K_SCALES,
  CASE_SECOND_V_SCALES,
  CASE_SECOND_TABLE,
  CASE_SECOND_LEN,
  CASE_LSE,
  CASE_MEMORY,
  CASE_SCRATCH,
  CASE_BUFFERS
};

/* Inputs are held several times, together larger than L2, so that a replay reads cold data as a model would. */
struct case_data {
  struct bench_case what; /* as it is launched */
  struct device *device;
  fi_kernel *kernel;
  fi_spec spec;           /* as the kernel has it */
  uint64_t cache_tokens;  /* that the cache has room for */
  uint32_t table_stride;  /* pages of the longest request */
  uint32_t entries;       /* of the page tables of all requests */
  uint32_t pages;         /* that these name */
  uint32_t second_pages;  /* of the second KV, */
  uint32_t second_stride; /* and of the longest request's */
  float rope_magnitude;
  size_t bytes[CASE_BUFFERS];
  void *host[CASE_BUFFERS]; /* NULL of what only the device has */
  uint32_t sets;
  void *memory[MOST_SETS][CASE_BUFFERS];
  fi_workspace bounds; /* without memory */
};

/* On a device, larger than L2 several times; a simulated one has no cache to be larger than: one set. False, with a
 * problem. What was allocated is freed by case_data_free in any case. */
bool case_data_make(struct case_data *data, const struct bench_case *what, struct device *device, fi_ctx *ctx,
                    random_state *random);
void case_data_free(struct case_data *data);

/* What the API takes, on a set's memory. */
fi_batch case_batch(const struct case_data *data, uint32_t set);
fi_tensors case_tensors(const struct case_data *data, uint32_t set);
fi_workspace case_workspace(const struct case_data *data, uint32_t set);

/* The same on the host, for the reference; O is elsewhere. */
struct reference case_reference(const struct case_data *data);

/*
 * How far some random rows of the last launch's O on set 0 are from the reference; of an indexer, by how much a block
 * that is not listed is better than one that is, in units of what rounding explains.
 */
struct case_error {
  double error;                    /* relative norm; infinite for NaN, or a list that is none */
  double allowed;                  /* of that */
  bool passed;                     /* that, and each element */
  char reason[LIST_MISMATCH_TEXT]; /* the first list that is wrong; "" else */
};

/* False, with a problem, without memory. */
bool case_check(const struct case_data *data, random_state *random, struct case_error *error);

#endif
