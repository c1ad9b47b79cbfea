/* fi_plan and fi_plan_all: check batches and launch the plan kernel on them. */
#include "generator/abi.h"
#include "generator/derived.h"
#include "generator/error.h"
#include "runtime/member_costs.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The kernel begins its header with what is public. */
_Static_assert(sizeof(fi_fault) == offsetof(struct fi_plan_header, page_table) &&
                   offsetof(fi_fault, request) == offsetof(struct fi_plan_header, fault_request) &&
                   offsetof(fi_fault, value) == offsetof(struct fi_plan_header, fault_value),
               "fi_fault is the beginning of fi_plan_header");

/* One plan of a call. */
struct job {
  struct fi_plan_args args;
  uint32_t shared;         /* bytes of dynamic shared memory that it needs */
  const fi_kernel *kernel; /* that makes such plans */
};

/* Some of a call. */
struct jobs {
  uint32_t count;
  struct job *of;
  uint64_t bytes; /* of memory that the last kernel's plan takes */
};

_Static_assert((int)MOST_MEMBERS == FI_MOST_MEMBERS && (int)MOST_MEMBERS <= FI_PLANS_AT_ONCE,
               "the plans of a kernel's members go in one launch");

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

static fi_status check_page_count(const char *prefix, uint32_t count, bool has_pages) {
  if (count <= INT32_MAX && (count == 0 || has_pages))
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT, "batch.%spage_count is %u; it must be 0 to %d, and 0 without pages of that KV",
                   prefix, count, INT32_MAX);
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
      {"shared", batch->shared, derived_tells_prefixes(spec), "spec.prefixes 2", sizeof(int32_t)},
      {"kv_indptr", batch->kv_indptr, rule->kv_indptr, rule->name, sizeof(int32_t)},
      {"page_table", batch->page_table, rule->page_table, rule->name, page_id_bytes(spec)},
      {"second_page_table", batch->second_page_table, spec->second_page, "spec.second_page", page_id_bytes(spec)},
      {"second_kv_len", batch->second_kv_len, spec->second_page, "spec.second_page", sizeof(int32_t)},
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
  if (spec->second_page && batch->second_page_table_stride < 1)
    return error_set(FI_ERROR_ARGUMENT, "batch.second_page_table_stride is %lld; it must be 1 or more",
                     (long long)batch->second_page_table_stride);
  if (batch->last_page_len && !(rule->paged && rule->kv_indptr))
    return error_set(FI_ERROR_ARGUMENT, "batch.last_page_len is set; %s has no use for it", rule->name);
  if (batch->last_page_len && batch->kv_len)
    return error_set(FI_ERROR_ARGUMENT, "batch.kv_len and batch.last_page_len are both set; one of them must be NULL");
  const fi_status status = check_page_count("", batch->page_count, rule->paged);
  return status ? status : check_page_count("second_", batch->second_page_count, spec->second_page);
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

/* Tokens of a second KV that a row of its page table has room for. */
static int most_second_len(const fi_spec *spec, const fi_batch *batch) {
  if (batch->second_page_table_stride > INT32_MAX / (int64_t)spec->second_page)
    return INT32_MAX;
  return (int)(batch->second_page_table_stride * spec->second_page);
}

/* What says which tokens of a second KV there are. */
static void add_second(const struct workspace_part *part, const fi_batch *batch, struct fi_plan_args *args) {
  const fi_spec *spec = &part->kernel->spec;
  if (!spec->second_page)
    return;
  args->second_checked = batch->second_page_count ? part->layout.arrays.second_checked : NULL;
  args->second_page_size = (int)spec->second_page;
  args->second_page_count = (int)batch->second_page_count;
  args->second_kv_len = batch->second_kv_len;
  args->second_page_table = batch->second_page_table;
  args->second_page_table_stride = batch->second_page_table_stride;
  args->most_second_len = most_second_len(spec, batch);
}

static struct fi_plan_args plan_args(const struct workspace_part *part, const fi_batch *batch,
                                     const fi_workspace *workspace) {
  const fi_kernel *kernel = part->kernel;
  const struct workspace_layout *layout = &part->layout;
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
      .shared = derived_tells_prefixes(spec) ? batch->shared : NULL,
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
      .sm_ctas = (int)kernel->tile.ctas_per_sm,
      .max_tokens = (int)workspace->max_tokens,
      .max_kv_len = max_kv_len(spec, batch, workspace),
      .names_requests = spec->snippet != FI_SNIPPET_NONE,
      .claims = (int)layout->counts.queue,
      .max_sections = (int)layout->max_sections,
      .heads_apart = (int)layout->heads_apart,
      .section_steps = (int)layout->section_steps,
      .least_piece = (int)layout->least_piece,
      .share_steps = (int)layout->share_steps,
      .unit_steps = (int)layout->unit_steps,
      .merges_together = (int)layout->merges_together,
      .share_tokens = (int)layout->share_tokens,
      .first_unit = (int)layout->first_unit,
      .first_part = (int)layout->first_part,
      .id = layout->id,
      .rows_id = layout->rows_id,
  };
}

/* Whether a request that one tile of any member holds costs none less than the first. */
static bool first_is_least(const struct fi_member members[FI_MOST_MEMBERS], uint32_t count) {
  uint32_t i = 1;
  while (i < count && members[0].token_cost <= members[i].token_cost && members[0].tile_cost <= members[i].tile_cost &&
         members[0].launch_cost <= members[i].launch_cost)
    i++;
  return i == count;
}

/* The plans of all members are made at once. Pages are checked for the first of them. */
static void add_jobs(const fi_kernel *kernel, const struct workspace_parts *parts, const fi_batch *batch,
                     const fi_workspace *workspace, struct jobs *jobs) {
  struct fi_member members[FI_MOST_MEMBERS] = {{0}};
  for (uint32_t i = 0; i < parts->count; i++)
    members[i] = member_costs(&parts->of[i], workspace->kv_heads);
  struct job *first = &jobs->of[jobs->count];
  for (uint32_t i = 0; i < parts->count; i++) {
    struct job *job = &jobs->of[jobs->count++];
    *job = (struct job){plan_args(&parts->of[i], batch, workspace), parts->of[i].layout.plan_shared, kernel->plan};
    job->args.checked = first->args.checked;
    add_second(&parts->of[i], batch, &job->args);
    job->args.second_checked = first->args.second_checked;
    job->args.member = (int)i;
    job->args.member_count = (int)parts->count;
    job->args.first_is_least = first_is_least(members, parts->count);
    memcpy(job->args.members, members, sizeof members);
  }
}

static fi_status make_jobs_of(fi_kernel *kernel, const fi_batch *batch, const fi_workspace *workspace, void *stream,
                              struct jobs *jobs) {
  struct workspace_parts parts;
  fi_status status = kernel_check(kernel);
  if (status)
    return status;
  if (!kernel->plan)
    return error_set(FI_ERROR_ARGUMENT,
                     "kernel has no plan; fi_plan takes attention, indexer and append kernels, these without slots");
  status = workspace_for_launch(kernel, workspace, stream, &parts);
  if (!status)
    status = check_batch(kernel, batch, workspace);
  if (status)
    return status;
  jobs->bytes = parts.bytes;
  add_jobs(kernel, &parts, batch, workspace, jobs);
  return FI_OK;
}

static bool takes_part(const struct fi_plan_args *args, int stage) {
  switch (stage) {
  case FI_STAGE_CHECK:
    return (args->checked || args->second_checked) && args->member == 0;
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

/* Whether a plan kernel makes all the plans that another one does. */
static bool knows_all_of(const fi_spec *plan, const fi_spec *other) {
  const bool knows_prefixes = other->prefixes == 0 || other->prefixes == plan->prefixes;
  return plan->intervals >= other->intervals && knows_prefixes && plan->members >= other->members;
}

static bool makes_all(const fi_kernel *plan, const struct job *jobs, uint32_t count) {
  uint32_t made = 0;
  while (made < count && knows_all_of(&plan->spec, &jobs[made].kernel->spec))
    made++;
  return made == count;
}

/* The plan kernel of one of the jobs that makes the plans of all; NULL where there is none. */
static const fi_kernel *plan_kernel(const struct job *jobs, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (makes_all(jobs[i].kernel, jobs, count))
      return jobs[i].kernel;
  }
  return NULL;
}

/* The stages of at most as many plans as go in one launch. */
static fi_status launch_jobs(const struct job *jobs, uint32_t count, void *stream) {
  const fi_kernel *plan = plan_kernel(jobs, count);
  fi_status status = FI_OK;
  for (int stage = FI_STAGE_CHECK; stage <= FI_STAGE_SHARE && !status; stage++)
    status = launch_stage(plan, jobs, count, stage, stream);
  return status;
}

/* Whether a job makes the plan of a member after the first. */
static bool is_of_wider(const struct jobs *jobs, uint32_t number) {
  return number < jobs->count && jobs->of[number].args.member > 0;
}

/*
 * As many as go in a launch of one plan kernel, but those of one kernel's members together: all read what the first
 * one's check leaves, and have one plan kernel.
 */
static uint32_t jobs_at_once(const struct jobs *jobs) {
  uint32_t count = jobs->count < FI_PLANS_AT_ONCE ? jobs->count : FI_PLANS_AT_ONCE;
  while (is_of_wider(jobs, count) || !plan_kernel(jobs->of, count))
    count--;
  return count;
}

/* Launches the first jobs, until at most so many are left. */
static fi_status launch_until(uint32_t most_left, struct jobs *jobs, void *stream) {
  fi_status status = FI_OK;
  while (jobs->count > most_left && !status) {
    const uint32_t count = jobs_at_once(jobs);
    status = launch_jobs(jobs->of, count, stream);
    jobs->count -= count;
    memmove(jobs->of, jobs->of + count, jobs->count * sizeof *jobs->of);
  }
  return status;
}

fi_status fi_plan(fi_kernel *kernel, const fi_batch *batch, const fi_workspace *workspace, void *stream) {
  struct job room[MOST_MEMBERS];
  struct jobs jobs = {.of = room};
  const fi_status status = make_jobs_of(kernel, batch, workspace, stream, &jobs);
  return status ? status : launch_until(0, &jobs, stream);
}

/* Before anything is launched: either all plans are made, or none. */
static fi_status check_all(fi_kernel *const *kernels, const fi_batch *const *batches,
                           const fi_workspace *const *workspaces, uint32_t count, void *stream) {
  uint64_t bytes[FI_MOST_PLANS];
  for (uint32_t i = 0; i < count; i++) {
    struct job room[MOST_MEMBERS];
    struct jobs jobs = {.of = room};
    const fi_status status = make_jobs_of(kernels[i], batches[i], workspaces[i], stream, &jobs);
    if (status)
      return status;
    if (kernels[i]->ctx != kernels[0]->ctx)
      return error_set(FI_ERROR_ARGUMENT, "kernels[%u] is of another context than kernels[0]", i);
    bytes[i] = jobs.bytes;
    for (uint32_t j = 0; j < i; j++) {
      if (workspace_overlaps(workspaces[i]->memory, bytes[i], workspaces[j]->memory, bytes[j]))
        return error_set(FI_ERROR_ARGUMENT, "workspaces[%u] has memory of workspaces[%u]", i, j);
    }
  }
  return FI_OK;
}

/* There is room for one launch and the jobs of one more kernel: all at once would be too much for a small stack. */
fi_status fi_plan_all(fi_kernel *const *kernels, const fi_batch *const *batches, const fi_workspace *const *workspaces,
                      uint32_t count, void *stream) {
  if (!kernels || !batches || !workspaces)
    return error_set(FI_ERROR_ARGUMENT, "%s is NULL", !kernels ? "kernels" : !batches ? "batches" : "workspaces");
  if (count == 0 || count > FI_MOST_PLANS)
    return error_set(FI_ERROR_ARGUMENT, "count is %u; it must be 1 to %d", count, FI_MOST_PLANS);
  struct job room[FI_PLANS_AT_ONCE + MOST_MEMBERS];
  struct jobs jobs = {.of = room};
  fi_status status = check_all(kernels, batches, workspaces, count, stream);
  for (uint32_t i = 0; i < count && !status; i++) {
    status = make_jobs_of(kernels[i], batches[i], workspaces[i], stream, &jobs);
    if (!status)
      status = launch_until(FI_PLANS_AT_ONCE, &jobs, stream);
  }
  return status ? status : launch_until(0, &jobs, stream);
}
