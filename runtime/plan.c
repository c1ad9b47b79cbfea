/* fi_plan and fi_plan_all: check batches and launch the plan kernel on them. */
#include "generator/abi.h"
#include "generator/derived.h"
#include "generator/error.h"
#include "runtime/workspace.h"

#include <stdbool.h>
#include <stddef.h>

/* The kernel begins its header with what is public. */
_Static_assert(sizeof(fi_fault) == offsetof(struct fi_plan_header, page_table) &&
                   offsetof(fi_fault, request) == offsetof(struct fi_plan_header, fault_request) &&
                   offsetof(fi_fault, value) == offsetof(struct fi_plan_header, fault_value),
               "fi_fault is the beginning of fi_plan_header");

/* One plan of a call. */
struct job {
  struct fi_plan_args args;
  uint32_t shared; /* bytes of dynamic shared memory that it needs */
};

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

static size_t page_id_bytes(const fi_spec *spec) {
  return spec->page_ids == FI_IDS_INT64 ? sizeof(int64_t) : sizeof(int32_t);
}

static fi_status check_arrays(const fi_spec *spec, const fi_batch *batch) {
  const struct index_rule *rule = rule_of(spec);
  const struct {
    const char *name;
    const void *pointer;
    bool needed;
    const char *user;
    size_t alignment;
  } arrays[] = {
      {"q_indptr", batch->q_indptr, false, "", sizeof(int32_t)},
      {"kv_len", batch->kv_len, rule->kv_len && !batch->last_page_len, rule->name, sizeof(int32_t)},
      {"last_page_len", batch->last_page_len, false, "", sizeof(int32_t)},
      {"kv_start", batch->kv_start, spec->kv_start, "spec.kv_start", sizeof(int32_t)},
      {"ranges", batch->ranges, spec->ranges, "spec.ranges", sizeof(int32_t)},
      {"range_indptr", batch->range_indptr, spec->ranges, "spec.ranges", sizeof(int32_t)},
      {"mask_bits", batch->mask_bits, spec->mask_bits, "spec.mask_bits", sizeof(uint32_t)},
      {"mask_offsets", batch->mask_offsets, spec->mask_bits, "spec.mask_bits", sizeof(int64_t)},
      {"selected_len", batch->selected_len, false, "", sizeof(int32_t)},
      {"kv_indptr", batch->kv_indptr, rule->kv_indptr, rule->name, sizeof(int32_t)},
      {"page_table", batch->page_table, rule->page_table, rule->name, page_id_bytes(spec)},
  };
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    if (!arrays[i].pointer && arrays[i].needed)
      return error_set(FI_ERROR_ARGUMENT, "batch.%s is NULL; %s needs it", arrays[i].name, arrays[i].user);
    if ((uintptr_t)arrays[i].pointer % arrays[i].alignment)
      return error_set(FI_ERROR_ARGUMENT, "batch.%s is %p; it must be aligned to %zu bytes", arrays[i].name,
                       arrays[i].pointer, arrays[i].alignment);
  }
  if (rule->page_table_stride && batch->page_table_stride < 1)
    return error_set(FI_ERROR_ARGUMENT, "batch.page_table_stride is %lld; it must be 1 or more",
                     (long long)batch->page_table_stride);
  if (batch->last_page_len && !(rule->paged && rule->kv_indptr))
    return error_set(FI_ERROR_ARGUMENT, "batch.last_page_len is set; %s has no use for it", rule->name);
  if (batch->last_page_len && batch->kv_len)
    return error_set(FI_ERROR_ARGUMENT, "batch.kv_len and batch.last_page_len are both set; one of them must be NULL");
  if (batch->page_count > INT32_MAX || (batch->page_count && !rule->paged))
    return error_set(FI_ERROR_ARGUMENT, "batch.page_count is %u; it must be 0 to %d, and 0 without pages",
                     batch->page_count, INT32_MAX);
  return FI_OK;
}

static fi_status check_mask_stride(const fi_spec *spec, const fi_batch *batch, const fi_workspace *workspace) {
  const int64_t least = ((int64_t)workspace->max_kv_len + 31) / 32;
  if (!spec->mask_bits || batch->mask_stride == 0 || batch->mask_stride >= least)
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT,
                   "batch.mask_stride is %lld; it must be 0, or %lld or more: the words of workspace.max_kv_len, %u",
                   (long long)batch->mask_stride, (long long)least, workspace->max_kv_len);
}

static fi_status check_batch(const fi_kernel *kernel, const fi_batch *batch, const fi_workspace *workspace) {
  fi_status status = abi_check(ABI_batch, batch);
  if (status)
    return status;
  if (batch->unused)
    return error_set(FI_ERROR_ABI, "batch.unused is %u; it must be 0", batch->unused);
  if (batch->requests == 0 || batch->requests > workspace->max_requests)
    return error_set(FI_ERROR_ARGUMENT, "batch.requests is %u; it must be 1 to workspace.max_requests, which is %u",
                     batch->requests, workspace->max_requests);
  status = check_arrays(&kernel->spec, batch);
  return status ? status : check_mask_stride(&kernel->spec, batch, workspace);
}

/* KV tokens that a row of a dense page table has room for are a bound, too. */
static int max_kv_len(const fi_spec *spec, const fi_batch *batch, const fi_workspace *workspace) {
  if (spec->page_size == 0 || spec->index != FI_INDEX_DENSE ||
      batch->page_table_stride >= (int64_t)workspace->max_kv_len)
    return (int)workspace->max_kv_len;
  const int64_t room = batch->page_table_stride * spec->page_size;
  return room < (int64_t)workspace->max_kv_len ? (int)room : (int)workspace->max_kv_len;
}

static struct fi_plan_args plan_args(const fi_kernel *kernel, const fi_batch *batch, const fi_workspace *workspace,
                                     const struct workspace_layout *layout) {
  const fi_spec *spec = &kernel->spec;
  const bool in_workspace = layout->counts.tile_begins > 0;
  return (struct fi_plan_args){
      .plan = layout->arrays.plan,
      .checked = batch->page_count ? layout->arrays.checked : NULL,
      .tile_begin = in_workspace ? layout->arrays.tile_begin : NULL,
      .step_begin = in_workspace ? layout->arrays.step_begin : NULL,
      .q_indptr = batch->q_indptr,
      .kv_len = batch->kv_len,
      .kv_indptr = batch->kv_indptr,
      .last_page_len = batch->last_page_len,
      .kv_start = spec->kv_start ? batch->kv_start : NULL,
      .ranges = spec->ranges ? batch->ranges : NULL,
      .range_indptr = spec->ranges ? batch->range_indptr : NULL,
      .mask_bits = spec->mask_bits ? batch->mask_bits : NULL,
      .mask_offsets = spec->mask_bits ? (const long long *)batch->mask_offsets : NULL,
      .mask_stride = batch->mask_stride,
      .select = derived_reads_lists(spec) ? (int)spec->select : 0,
      .max_selected = (int)workspace->max_selected,
      .selected_len = derived_reads_lists(spec) ? batch->selected_len : NULL,
      .page_table = batch->page_table,
      .page_table_stride = batch->page_table_stride,
      .requests = (int)batch->requests,
      .csr = spec->index == FI_INDEX_CSR,
      .page_size = (int)spec->page_size,
      .page_ids = (int)page_id_bytes(spec),
      .page_count = (int)batch->page_count,
      .causal = spec->op == FI_OP_ATTENTION && spec->mask == FI_MASK_CAUSAL,
      .intervals = (int)derived_plans_intervals(spec),
      .window_left = (int)spec->window_left,
      .window_right = (int)spec->window_right,
      .chunk = (int)spec->chunk,
      .kv_heads = (int)workspace_heads(kernel, workspace),
      .head_tiles = (int)kernel->tile.group_shares,
      .tile_tokens = (int)kernel->tile.tokens,
      .tile_rows = (int)kernel->tile.rows,
      .group = (int)kernel->tile.heads,
      .step_tokens = (int)layout->step_tokens,
      .start_tokens = (int)layout->start_tokens,
      .fixed = workspace->split_tokens > 0,
      .ctas = layout->counts.first ? (int)layout->ctas : 0,
      .max_tokens = (int)workspace->max_tokens,
      .max_kv_len = max_kv_len(spec, batch, workspace),
      .names_requests = spec->snippet != FI_SNIPPET_NONE,
      .claims = (int)layout->counts.queue,
      .max_sections = (int)layout->max_sections,
      .heads_apart = (int)layout->heads_apart,
      .section_steps = (int)layout->section_steps,
      .least_piece = (int)layout->least_piece,
      .unit_steps = (int)layout->unit_steps,
      .share_tokens = (int)layout->share_tokens,
      .id = layout->id,
      .rows_id = layout->rows_id,
  };
}

static fi_status make_job(fi_kernel *kernel, const fi_batch *batch, const fi_workspace *workspace, void *stream,
                          struct job *job) {
  struct workspace_layout layout;
  fi_status status = kernel_check(kernel);
  if (status)
    return status;
  if (!kernel->plan)
    return error_set(FI_ERROR_ARGUMENT,
                     "kernel has no plan; fi_plan takes attention, indexer and append kernels, these without slots");
  status = workspace_for_launch(kernel, workspace, stream, &layout);
  if (!status)
    status = check_batch(kernel, batch, workspace);
  if (status)
    return status;
  *job = (struct job){plan_args(kernel, batch, workspace, &layout), layout.plan_shared};
  return FI_OK;
}

static bool takes_part(const struct fi_plan_args *args, int stage) {
  switch (stage) {
  case FI_STAGE_CHECK:
    return args->checked;
  case FI_STAGE_TILES:
  case FI_STAGE_STEPS:
    return args->tile_begin;
  default:
    return true;
  }
}

static fi_status launch_stage(const fi_kernel *plan, const struct job *jobs, uint32_t count, int stage, void *stream) {
  struct fi_plans_args args = {.stage = stage};
  struct launch launch = {.shape = kernel_shape(plan), .args = &args, .stream = stream};
  launch.shape.dynamic_shared = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (!takes_part(&jobs[i].args, stage))
      continue;
    args.plans[args.count++] = jobs[i].args;
    if (stage == FI_STAGE_SHARE && jobs[i].shared > launch.shape.dynamic_shared)
      launch.shape.dynamic_shared = jobs[i].shared;
  }
  launch.ctas = (uint32_t)args.count * FI_PLAN_CTAS;
  return args.count ? kernel_launch(plan, &launch) : FI_OK;
}

/* The plan kernel of one of the kernels: the one that knows most, which knows what all others do. */
static const fi_kernel *plan_kernel(fi_kernel *const *kernels, uint32_t count) {
  const fi_kernel *chosen = kernels[0]->plan;
  for (uint32_t i = 1; i < count; i++) {
    const fi_kernel *plan = kernels[i]->plan;
    if (plan->spec.intervals + plan->spec.prefixes > chosen->spec.intervals + chosen->spec.prefixes)
      chosen = plan;
  }
  return chosen;
}

/* The stages of at most as many plans as go in one launch. */
static fi_status launch_jobs(fi_kernel *const *kernels, const struct job *jobs, uint32_t count, void *stream) {
  const fi_kernel *plan = plan_kernel(kernels, count);
  fi_status status = FI_OK;
  for (int stage = FI_STAGE_CHECK; stage <= FI_STAGE_SHARE && !status; stage++)
    status = launch_stage(plan, jobs, count, stage, stream);
  return status;
}

fi_status fi_plan(fi_kernel *kernel, const fi_batch *batch, const fi_workspace *workspace, void *stream) {
  struct job job;
  const fi_status status = make_job(kernel, batch, workspace, stream, &job);
  return status ? status : launch_jobs(&kernel, &job, 1, stream);
}

static fi_status make_jobs(fi_kernel *const *kernels, const fi_batch *const *batches,
                           const fi_workspace *const *workspaces, uint32_t count, void *stream, struct job *jobs) {
  for (uint32_t i = 0; i < count; i++) {
    const fi_status status = make_job(kernels[i], batches[i], workspaces[i], stream, &jobs[i]);
    if (status)
      return status;
    if (kernels[i]->ctx != kernels[0]->ctx)
      return error_set(FI_ERROR_ARGUMENT, "kernels[%u] is of another context than kernels[0]", i);
    for (uint32_t j = 0; j < i; j++) {
      if (workspaces[i]->memory == workspaces[j]->memory)
        return error_set(FI_ERROR_ARGUMENT, "workspaces[%u] has the memory of workspaces[%u]", i, j);
    }
  }
  return FI_OK;
}

fi_status fi_plan_all(fi_kernel *const *kernels, const fi_batch *const *batches, const fi_workspace *const *workspaces,
                      uint32_t count, void *stream) {
  if (!kernels || !batches || !workspaces)
    return error_set(FI_ERROR_ARGUMENT, "%s is NULL", !kernels ? "kernels" : !batches ? "batches" : "workspaces");
  if (count == 0 || count > FI_MOST_PLANS)
    return error_set(FI_ERROR_ARGUMENT, "count is %u; it must be 1 to %d", count, FI_MOST_PLANS);
  struct job jobs[FI_MOST_PLANS];
  fi_status status = make_jobs(kernels, batches, workspaces, count, stream, jobs);
  for (uint32_t i = 0; i < count && !status; i += FI_PLANS_AT_ONCE)
    status = launch_jobs(kernels + i, jobs + i, count - i < FI_PLANS_AT_ONCE ? count - i : FI_PLANS_AT_ONCE, stream);
  return status;
}
