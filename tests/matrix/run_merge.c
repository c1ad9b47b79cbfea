/* A merge kernel on random states, of which some are empty. */
#include "tests/matrix/runs.h"

#include "tests/dtypes.h"
#include "tests/matrix/compare.h"
#include "tests/reference.h"
#include "tools/common/mirror.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_HEAD_DIM = 576, MERGE_BUFFERS = 4 };

struct merge_run {
  fi_spec spec;
  uint32_t parts;
  uint32_t tokens;
  uint32_t heads;
  int64_t o_token_stride;
  int64_t o_head_stride;
  union {
    struct {
      struct mirror parts_o;
      struct mirror parts_lse;
      struct mirror o;
      struct mirror lse;
    };
    struct mirror buffers[MERGE_BUFFERS];
  };
};

static bool create(struct merge_run *run, struct trial *trial) {
  const int64_t padding = trial_chance(trial, 2) ? 8 * trial_between(trial, 1, 3) : 0;
  const size_t element = dtype_bytes(run->spec.o_dtype);
  run->parts = trial_between(trial, 1, 9);
  run->tokens = trial_between(trial, 1, 9);
  run->heads = trial_between(trial, 1, 9);
  run->o_head_stride = run->spec.v_dim + padding;
  run->o_token_stride = run->heads * run->o_head_stride + padding;
  const size_t rows = (size_t)run->tokens * run->heads;
  return mirror_create(&run->parts_o, &trial->device, run->parts * rows * run->spec.v_dim * element) &&
         mirror_create(&run->parts_lse, &trial->device, run->parts * rows * sizeof(float)) &&
         mirror_create(&run->o, &trial->device, run->tokens * (size_t)run->o_token_stride * element) &&
         mirror_create(&run->lse, &trial->device, rows * sizeof(float));
}

/* A part without KV is zeros and minus infinity; one row in eight has nothing else. Some parts are NaN. */
static void fill(struct merge_run *run, struct trial *trial) {
  const size_t rows = (size_t)run->tokens * run->heads;
  const size_t row_bytes = run->spec.v_dim * dtype_bytes(run->spec.o_dtype);
  float *lse = run->parts_lse.host;
  random_normal(&trial->random, run->spec.o_dtype, run->parts_o.host, run->parts * rows * run->spec.v_dim);
  for (size_t row = 0; row < rows; row++) {
    const bool is_empty = trial_chance(trial, 8);
    for (uint32_t part = 0; part < run->parts; part++) {
      const size_t at = part * rows + row;
      lse[at] = (float)trial_between(trial, 0, 2000) / 100 - 10;
      if (!is_empty && trial_chance(trial, 20))
        lse[at] = NAN;
      if (!is_empty && (isnan(lse[at]) || !trial_chance(trial, 5)))
        continue;
      lse[at] = -INFINITY;
      memset((char *)run->parts_o.host + at * row_bytes, 0, row_bytes);
    }
  }
  mirror_upload(&run->parts_o, &trial->device, run->parts_o.bytes);
  mirror_upload(&run->parts_lse, &trial->device, run->parts_lse.bytes);
}

static fi_tensors tensors_of(const struct merge_run *run, bool on_host) {
  return (fi_tensors){
      .struct_size = sizeof(fi_tensors),
      .parts_o = on_host ? run->parts_o.host : run->parts_o.device,
      .parts_lse = on_host ? run->parts_lse.host : run->parts_lse.device,
      .o = on_host ? run->o.host : run->o.device,
      .lse = on_host ? run->lse.host : run->lse.device,
      .o_token_stride = run->o_token_stride,
      .o_head_stride = run->o_head_stride,
      .parts = run->parts,
      .tokens = run->tokens,
      .heads = run->heads,
  };
}

static bool launch(struct merge_run *run, struct trial *trial, fi_kernel *kernel) {
  const fi_tensors tensors = tensors_of(run, false);
  fill(run, trial);
  if (!trial_ok(trial, "fi_run", fi_run(kernel, &tensors, NULL, NULL)))
    return false;
  device_sync(&trial->device, NULL);
  if (!trial_ok(trial, "the merge kernel", FI_OK))
    return false;
  mirror_download(&run->o, &trial->device, run->o.bytes);
  mirror_download(&run->lse, &trial->device, run->lse.bytes);
  return trial_ok(trial, "the downloads", FI_OK);
}

static bool check(struct merge_run *run, struct trial *trial) {
  const struct reference reference = {.spec = run->spec, .tensors = tensors_of(run, true)};
  const size_t element = dtype_bytes(run->spec.o_dtype);
  struct comparison comparison = {.dtype = run->spec.q_dtype};
  for (uint32_t row = 0; row < run->tokens * run->heads; row++) {
    double o[MOST_HEAD_DIM];
    double lse;
    char name[64];
    const uint32_t token = row / run->heads;
    const uint32_t head = row % run->heads;
    const size_t offset = token * (size_t)run->o_token_stride + head * (size_t)run->o_head_stride;
    float *got_lse = (float *)run->lse.host + row;
    snprintf(name, sizeof name, "token %u, head %u of %u parts", token, head, run->parts);
    reference_merge(&reference, token, head, o, &lse);
    if (!compare_row(&comparison, trial, &run->spec, name, o, lse, run->o.host, offset, run->spec.lse ? got_lse : NULL))
      return false;
    memset((char *)run->o.host + offset * element, POISON, run->spec.v_dim * element);
    if (run->spec.lse)
      memset(got_lse, POISON, sizeof *got_lse);
  }
  return compare_norm(&comparison, trial) && compare_poison(trial, "O", run->o.host, run->o.bytes) &&
         compare_poison(trial, "LSE", run->lse.host, run->lse.bytes);
}

bool run_merge(struct trial *trial, const fi_spec *canonical) {
  fi_kernel *kernel;
  struct merge_run run = {.spec = *canonical};
  bool passed = trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &kernel));
  passed = passed && (create(&run, trial) || trial_ok(trial, "the buffers", FI_OK));
  passed = passed && launch(&run, trial, kernel) && check(&run, trial);
  for (size_t i = 0; i < MERGE_BUFFERS; i++)
    mirror_free(&run.buffers[i], &trial->device);
  return passed;
}
