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

/* A member has no work where one tile of the member before it holds the longest query. */
uint32_t workspace_members(const fi_kernel *kernel, const fi_workspace *bounds) {
  const uint32_t most_tokens = most_query_tokens(bounds);
  uint32_t count = 1;
  for (uint32_t held = kernel->tile.tokens; count <= kernel->wider_count && most_tokens > held; count++)
    held = kernel->wider[count - 1]->tile.tokens;
  return count;
}

/* The parts that the bounds allow. */
static fi_status open_parts(fi_kernel *kernel, const fi_workspace *workspace, struct workspace_parts *parts) {
  *parts = (struct workspace_parts){.count = workspace_members(kernel, workspace)};
  fi_status status = workspace_check_bounds(kernel, workspace);
  for (uint32_t i = 0; i < parts->count && !status; i++) {
    parts->of[i].kernel = kernel_member(kernel, i);
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

/* Lays them out one after the other; ctas are those of each. */
static fi_status lay_out_parts(const fi_workspace *workspace, const uint32_t ctas[MOST_MEMBERS],
                               struct workspace_parts *parts) {
  fi_workspace rest = *workspace;
  fi_status status = FI_OK;
  for (uint32_t i = 0; i < parts->count && !status; i++) {
    struct workspace_part *part = &parts->of[i];
    status = workspace_lay_out(part->kernel, &rest, ctas[i], parts->count, &part->layout);
    parts->bytes += part->layout.bytes;
    parts->scratch_bytes += part->layout.scratch_bytes;
    rest.memory = (void *)((uintptr_t)workspace->memory + parts->bytes);
    rest.scratch = (void *)((uintptr_t)workspace->scratch + parts->scratch_bytes);
  }
  if (!status && parts->count > 1)
    join_ids(parts);
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
