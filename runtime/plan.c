/* fi_plan: checks a batch and launches the plan kernel on it. */
#include "generator/abi.h"
#include "generator/error.h"
#include "runtime/workspace.h"

/* CTAs of a plan: each finds all cuts and writes its part of the items. */
enum { PLAN_CTAS = 64 };

/* Which arrays the ways to find a request's KV need. */
static const struct index_rule {
  const char *name;
  uint32_t index;
  bool paged;
  bool kv_len;
  bool kv_indptr;
  bool page_table;
  bool page_table_stride;
} index_rules[] = {
    {"a contiguous cache", FI_INDEX_DENSE, false, true, false, false, false},
    {"a dense page table", FI_INDEX_DENSE, true, true, false, true, true},
    {"ragged KV", FI_INDEX_CSR, false, false, true, false, false},
    {"a CSR page table", FI_INDEX_CSR, true, true, true, true, false},
};

static const struct index_rule *rule_of(const fi_spec *spec) {
  const struct index_rule *rule = index_rules;
  while (rule->index != spec->index || rule->paged != (spec->page_size > 0))
    rule++;
  return rule;
}

static fi_status check_arrays(const fi_spec *spec, const fi_batch *batch) {
  const struct index_rule *rule = rule_of(spec);
  const struct {
    const char *name;
    const int32_t *pointer;
    bool needed;
  } arrays[] = {
      {"q_indptr", batch->q_indptr, false},
      {"kv_len", batch->kv_len, rule->kv_len},
      {"kv_indptr", batch->kv_indptr, rule->kv_indptr},
      {"page_table", batch->page_table, rule->page_table},
  };
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    if (!arrays[i].pointer && arrays[i].needed)
      return error_set(FI_ERROR_ARGUMENT, "batch.%s is NULL; %s needs it", arrays[i].name, rule->name);
    if ((uintptr_t)arrays[i].pointer % sizeof(int32_t))
      return error_set(FI_ERROR_ARGUMENT, "batch.%s is %p; it must be aligned to 4 bytes", arrays[i].name,
                       (const void *)arrays[i].pointer);
  }
  if (rule->page_table_stride && batch->page_table_stride < 1)
    return error_set(FI_ERROR_ARGUMENT, "batch.page_table_stride is %lld; it must be 1 or more",
                     (long long)batch->page_table_stride);
  return FI_OK;
}

static fi_status check_batch(const fi_kernel *kernel, const fi_batch *batch, const fi_workspace *workspace) {
  fi_status status = abi_check(ABI_batch, batch);
  if (status)
    return status;
  if (batch->requests == 0 || batch->requests > workspace->max_requests)
    return error_set(FI_ERROR_ARGUMENT, "batch.requests is %u; it must be 1 to workspace.max_requests, which is %u",
                     batch->requests, workspace->max_requests);
  return check_arrays(&kernel->spec, batch);
}

static struct fi_plan_args plan_args(const fi_kernel *kernel, const fi_batch *batch, const fi_workspace *workspace,
                                     const struct workspace_layout *layout) {
  return (struct fi_plan_args){
      .plan = layout->arrays,
      .q_indptr = batch->q_indptr,
      .kv_len = batch->kv_len,
      .kv_indptr = batch->kv_indptr,
      .page_table = batch->page_table,
      .page_table_stride = batch->page_table_stride,
      .requests = (int)batch->requests,
      .csr = kernel->spec.index == FI_INDEX_CSR,
      .causal = kernel->spec.op == FI_OP_ATTENTION && kernel->spec.mask == FI_MASK_CAUSAL,
      .kv_heads = (int)workspace->kv_heads,
      .tile_tokens = (int)kernel->tile.tokens,
      .tile_rows = (int)kernel->tile.rows,
      .group = (int)kernel->spec.group,
      .step_tokens = (int)layout->step_tokens,
      .split_steps = (int)layout->split_steps,
      .ctas = layout->counts.first ? (int)layout->ctas : 0,
      .max_tokens = (int)workspace->max_tokens,
      .max_kv_len = (int)workspace->max_kv_len,
      .max_sections = (int)layout->max_sections,
      .section_steps = (int)layout->section_steps,
      .least_piece = (int)layout->least_piece,
      .unit_steps = (int)layout->unit_steps,
  };
}

fi_status fi_plan(fi_kernel *kernel, const fi_batch *batch, const fi_workspace *workspace, void *stream) {
  struct workspace_layout layout;
  fi_status status = kernel_check(kernel);
  if (status)
    return status;
  if (!kernel->plan)
    return error_set(FI_ERROR_ARGUMENT, "kernel has no plan; fi_plan takes attention and append kernels");
  status = workspace_for_launch(kernel, workspace, stream, &layout);
  if (!status)
    status = check_batch(kernel, batch, workspace);
  if (status)
    return status;
  const struct fi_plan_args args = plan_args(kernel, batch, workspace, &layout);
  struct launch launch = {
      .ctas = PLAN_CTAS,
      .shape = kernel_shape(kernel->plan),
      .args = &args,
      .stream = stream,
  };
  launch.shape.dynamic_shared = layout.plan_shared;
  return kernel_launch(kernel->plan, &launch);
}
