/* A workspace as a whole: the parts of a kernel's members, and the memory that the caller gives for them. */
#include "runtime/workspace.h"

#include "generator/abi.h"
#include "generator/error.h"

/* Query tokens of the longest request: what the others leave when each has one, or what the caller says. */
static uint32_t most_query_tokens(const fi_workspace *bounds) {
  const uint32_t others = bounds->max_requests - 1;
  if (bounds->max_q_len == 0)
    return bounds->max_tokens > others ? bounds->max_tokens - others : 1;
  return bounds->max_q_len < bounds->max_tokens ? bounds->max_q_len : bounds->max_tokens;
}

/* The first member with a tile that holds so many query tokens; the last one where none does. */
static uint32_t member_that_holds(fi_kernel *kernel, uint32_t tokens) {
  uint32_t number = 0;
  while (number < kernel->wider_count && kernel_member(kernel, number)->tile.tokens < tokens)
    number++;
  return number;
}

/*
 * Where prefixes are shared, the last member has what many requests share and long queries, and another one the rest:
 * that whose tile holds the longest query, or that of the fewest rows. A fixed split leaves all to one.
 */
static uint32_t members_that_share(fi_kernel *kernel, const fi_workspace *bounds, uint32_t numbers[MOST_MEMBERS]) {
  const uint32_t most_tokens = most_query_tokens(bounds);
  const uint32_t last = kernel->wider_count;
  const uint32_t holder = member_that_holds(kernel, most_tokens);
  const bool holds_all = kernel_member(kernel, holder)->tile.tokens >= most_tokens;
  numbers[0] = holds_all ? holder : 0;
  numbers[1] = last;
  return numbers[0] == last || bounds->split_tokens || (holds_all && bounds->max_requests == 1) ? 1 : 2;
}

/* The members that have work which the bounds allow: the first, and each whose tile holds more than the one before. */
static uint32_t find_members(fi_kernel *kernel, const fi_workspace *bounds, uint32_t numbers[MOST_MEMBERS]) {
  if (kernel->spec.prefixes)
    return members_that_share(kernel, bounds, numbers);
  const uint32_t last = member_that_holds(kernel, most_query_tokens(bounds));
  for (uint32_t i = 0; i <= last; i++)
    numbers[i] = i;
  return last + 1;
}

/* The parts that the bounds allow. */
static fi_status open_parts(fi_kernel *kernel, const fi_workspace *workspace, struct workspace_parts *parts) {
  uint32_t numbers[MOST_MEMBERS];
  *parts = (struct workspace_parts){.count = find_members(kernel, workspace, numbers)};
  parts->share = kernel->spec.prefixes && parts->count > 1;
  fi_status status = workspace_check_bounds(kernel, workspace);
  for (uint32_t i = 0; i < parts->count && !status; i++) {
    parts->of[i].kernel = kernel_member(kernel, numbers[i]);
    status = workspace_check_split(parts->of[i].kernel, workspace);
  }
  return status;
}

/*
 * One number for all parts: launches go by the header of the first, which every plan in this memory writes over, while
 * those of the others may have outlived their plan.
 */
static void join_ids(struct workspace_parts *parts) {
  uint32_t ids[MOST_MEMBERS];
  for (uint32_t i = 0; i < parts->count; i++)
    ids[i] = parts->of[i].layout.id;
  for (uint32_t i = 0; i < parts->count; i++)
    parts->of[i].layout.id = workspace_id(ids, parts->count);
}

/* Units and partials of both are the last one's. */
static void take_units(struct fi_plan_arrays *to, const struct fi_plan_arrays *from) {
  to->units = from->units;
  to->arrivals = from->arrivals;
  to->part_o = from->part_o;
  to->part_ml = from->part_ml;
  to->group_ml = from->group_ml;
}

static fi_status count_parts(const fi_workspace *workspace, const uint32_t ctas[MOST_MEMBERS],
                             struct workspace_parts *parts) {
  struct workspace_part *of = parts->of;
  fi_status status = FI_OK;
  for (uint32_t i = 0; i < parts->count && !status; i++)
    status = workspace_count(of[i].kernel, workspace, ctas[i], &of[i].layout);
  if (!status && parts->share)
    status = workspace_join(of[0].kernel, of[1].kernel, workspace, &of[0].layout, &of[1].layout);
  return status;
}

/* Lays them out one after the other; ctas are those of each. */
static fi_status lay_out_parts(const fi_workspace *workspace, const uint32_t ctas[MOST_MEMBERS],
                               struct workspace_parts *parts) {
  fi_workspace rest = *workspace;
  const fi_status status = count_parts(workspace, ctas, parts);
  for (uint32_t i = 0; i < parts->count && !status; i++) {
    struct workspace_part *part = &parts->of[i];
    workspace_lay_out(part->kernel, &rest, parts->count, &part->layout);
    parts->bytes += part->layout.bytes;
    parts->scratch_bytes += part->layout.scratch_bytes;
    rest.memory = (void *)((uintptr_t)workspace->memory + parts->bytes);
    rest.scratch = (void *)((uintptr_t)workspace->scratch + parts->scratch_bytes);
  }
  if (!status && parts->count > 1)
    join_ids(parts);
  if (!status && parts->share)
    take_units(&parts->of[0].layout.arrays.plan, &parts->of[1].layout.arrays.plan);
  return status;
}

static fi_status check_memory(const char *name, const void *memory, uint64_t bytes, uint64_t needed) {
  if (needed == 0)
    return FI_OK;
  if (!memory)
    return error_set(FI_ERROR_ARGUMENT, "workspace.%s is NULL", name);
  if ((uintptr_t)memory % WORKSPACE_ALIGNMENT)
    return error_set(FI_ERROR_ARGUMENT, "workspace.%s is %p; it must be aligned to %d bytes", name, memory,
                     WORKSPACE_ALIGNMENT);
  if (bytes < needed)
    return error_set(FI_ERROR_ARGUMENT, "workspace has %llu bytes of %s; these bounds need %llu",
                     (unsigned long long)bytes, name, (unsigned long long)needed);
  return FI_OK;
}

bool workspace_overlaps(const void *a, uint64_t a_bytes, const void *b, uint64_t b_bytes) {
  return (uintptr_t)a < (uintptr_t)b + b_bytes && (uintptr_t)b < (uintptr_t)a + a_bytes;
}

/* What a launch keeps there would be written over what the plan keeps here. */
static fi_status check_apart(const fi_workspace *workspace, const struct workspace_parts *parts) {
  if (parts->scratch_bytes == 0 ||
      !workspace_overlaps(workspace->memory, parts->bytes, workspace->scratch, parts->scratch_bytes))
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT,
                   "workspace.memory is %p and workspace.scratch is %p; with %llu and %llu bytes they overlap",
                   workspace->memory, workspace->scratch, (unsigned long long)parts->bytes,
                   (unsigned long long)parts->scratch_bytes);
}

fi_status workspace_for_launch(fi_kernel *kernel, const fi_workspace *workspace, void *stream,
                               struct workspace_parts *parts) {
  uint32_t ctas[MOST_MEMBERS];
  fi_status status = abi_check(ABI_workspace, workspace);
  if (!status)
    status = open_parts(kernel, workspace, parts);
  for (uint32_t i = 0; !status && i < parts->count; i++) {
    status = kernel_prepare_for_stream(parts->of[i].kernel, stream, &ctas[i]);
    if (workspace->ctas)
      ctas[i] = workspace->ctas;
  }
  if (!status)
    status = lay_out_parts(workspace, ctas, parts);
  if (!status)
    status = check_memory("memory", workspace->memory, workspace->bytes, parts->bytes);
  if (!status)
    status = check_memory("scratch", workspace->scratch, workspace->scratch_bytes, parts->scratch_bytes);
  return status ? status : check_apart(workspace, parts);
}

fi_status fi_workspace_size(const fi_kernel *kernel, fi_workspace *workspace) {
  struct workspace_parts parts;
  uint32_t ctas[MOST_MEMBERS];
  fi_status status = kernel_check(kernel);
  if (!status)
    status = abi_check(ABI_workspace, workspace);
  if (status)
    return status;
  workspace->bytes = 0;
  workspace->scratch_bytes = 0;
  if (kernel->spec.op == FI_OP_MERGE || kernel->spec.op == FI_OP_PLAN)
    return FI_OK;
  status = open_parts((fi_kernel *)(uintptr_t)kernel, workspace, &parts); /* changes nothing that a caller sees */
  for (uint32_t i = 0; !status && i < parts.count; i++) {
    ctas[i] = workspace->ctas;
    if (!workspace->ctas)
      status = kernel_prepare(parts.of[i].kernel, &ctas[i]);
  }
  if (!status)
    status = lay_out_parts(workspace, ctas, &parts);
  if (status)
    return status;
  workspace->bytes = parts.bytes;
  workspace->scratch_bytes = parts.scratch_bytes;
  return FI_OK;
}
