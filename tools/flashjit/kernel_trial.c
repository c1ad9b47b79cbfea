/* The trials of the tests' matrix, by public functions of the library alone. */
#include "tools/flashjit/kernel_trial.h"

#include "tests/matrix/attention_check.h"
#include "tests/matrix/runs.h"
#include "tests/measure.h"
#include "tools/flashjit/source_text.h"

#include <stdlib.h>

/* The tile that lengths are measured in: that of the source. */
static bool read_tile(struct trial *trial, const fi_spec *spec, const char *target, struct tile *tile) {
  char *source = source_text(spec, target);
  if (!source)
    return trial_fail(trial, "its source cannot be had");
  const uint32_t heads = (uint32_t)source_number(source, "Group"); /* of a tile: a share of the spec's group */
  const uint32_t teams = (uint32_t)source_number(source, "Teams"); /* 0 where the kernel has none to tell apart */
  *tile = (struct tile){
      .rows = (uint32_t)source_number(source, "Rows"),
      .tokens = spec->select ? 1
                : heads      ? (uint32_t)source_number(source, "Rows") / heads
                             : 0,
      .teams = teams > 0 ? teams : 1,
      .team_tokens = (uint32_t)source_number(source, "TeamTokens"),
      .stages = (uint32_t)source_number(source, "Stages"),
  };
  free(source);
  return (tile->tokens && tile_step_tokens(tile) && tile->stages) ||
         trial_fail(trial, "its source does not say what its tile is");
}

static bool check_batch(struct trial *trial, fi_kernel *kernel, struct batch_case *batch) {
  const fi_batch lengths = batch_case_lengths(batch, false);
  const fi_tensors tensors = batch_case_tensors(batch, false);
  return batch_case_reserve(batch, trial, kernel) &&
         trial_ok(trial, "fi_plan", fi_plan(kernel, &lengths, &batch->workspace, NULL)) &&
         attention_launch(trial, kernel, batch, &tensors) && attention_check(trial, batch);
}

static bool attend(struct trial *trial, const fi_spec *spec, const char *target) {
  static const enum batch_kind kinds[] = {BATCH_MIXED, BATCH_SINGLE, BATCH_SPLIT, BATCH_SHARED};
  const size_t count = spec->prefixes ? 4 : 3;
  fi_kernel *kernel;
  fi_facts facts = {.struct_size = sizeof facts};
  struct tile tile;
  if (!trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, spec, &kernel)) ||
      !trial_ok(trial, "fi_kernel_facts", fi_kernel_facts(kernel, &facts)) || !read_tile(trial, spec, target, &tile))
    return false;
  bool passed = true;
  for (size_t i = 0; i < count && passed; i++) {
    struct batch_case batch;
    passed = batch_case_create(&batch, trial, spec, &tile, kinds[i]);
    if (facts.choice > 0) /* the source is that of another tile: pieces must be whole steps of this one */
      batch.workspace.split_tokens = 0;
    passed = passed && check_batch(trial, kernel, &batch);
    batch_case_free(&batch, trial);
  }
  return passed;
}

bool kernel_trial(struct trial *trial, const fi_spec *spec, const char *target) {
  switch (spec->op) {
  case FI_OP_APPEND:
    return run_append(trial, spec);
  case FI_OP_MERGE:
    return run_merge(trial, spec);
  case FI_OP_INDEXER:
    return run_indexer(trial, spec);
  default:
    return attend(trial, spec, target);
  }
}

double kernel_trial_allowed(const fi_spec *spec, const char *target) {
  if (spec->op == FI_OP_APPEND)
    return 1;
  return tolerance_of(spec->op == FI_OP_MERGE ? spec->q_dtype : measure_dtype(spec, target))->norm;
}

const char *kernel_trial_unit(const fi_spec *spec) {
  return spec->op == FI_OP_APPEND ? "half rounding steps" : "relative norm";
}
