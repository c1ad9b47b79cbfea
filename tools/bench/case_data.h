/* Kernel, lengths, tensors and workspace of one timed workload. */
#ifndef TOOLS_BENCH_CASE_DATA_H
#define TOOLS_BENCH_CASE_DATA_H

#include "flashjit.h"
#include "tools/bench/cases.h"
#include "tools/common/mirror.h"
#include "tools/common/random.h"

#include <stdbool.h>

enum { MOST_SETS = 16 };

/* Inputs are held several times, together larger than L2, so that a replay reads cold data as a model would. */
struct case_data {
  const struct bench_case *what;
  struct device *device;
  fi_kernel *kernel;
  fi_spec spec;
  uint64_t tokens;
  uint64_t kv_tokens;
  double kv_bytes;     /* read in one launch */
  size_t cache_tokens; /* that the cache has room for */
  uint32_t sets;
  int32_t *kv_len; /* host copies, for the reference */
  int32_t *q_indptr;
  int32_t *kv_indptr;
  int32_t *page_table;
  int64_t page_table_stride;
  void *q;
  void *k;
  void *v;
  void *k_scales; /* of tokens or groups */
  void *v_scales;
  struct mirror sinks;
  struct mirror slopes;
  struct mirror rope_table;
  float rope_magnitude;
  fi_batch batch[MOST_SETS];
  fi_tensors tensors[MOST_SETS];
  fi_workspace workspace[MOST_SETS];
};

/* False, with a line on stderr, when a call fails. What was allocated is freed by case_data_free in any case. */
bool case_data_make(struct case_data *data, const struct bench_case *what, struct device *device, fi_ctx *ctx,
                    random_state *random);
void case_data_free(struct case_data *data);

/* Whether a call of the library failed; then with a line on stderr. */
bool case_data_failed(const struct case_data *data, const char *call, fi_status status);

/* Relative error of some random rows of the last launch's O on set 0, in the worst row; NaN counts as infinite. */
double case_data_check(const struct case_data *data, uint32_t rows, random_state *random);

#endif
