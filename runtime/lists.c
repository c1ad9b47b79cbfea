/* Checks and arguments of lists of blocks. */
#include "runtime/lists.h"

#include "generator/error.h"

enum { STRIDE_SHARE = 16 }; /* of 64 bits: two strides times their counts are added, and count bytes in the end */

/* count: how often the stride is taken at most. */
static fi_status check_stride(const char *name, int64_t stride, const char *zero, uint32_t max_selected,
                              int64_t count) {
  const int64_t most = INT64_MAX / STRIDE_SHARE / count;
  if (stride == 0 || (stride >= (int64_t)max_selected && stride <= most))
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT,
                   "tensors.%s is %lld; it must be 0 (%s) or at least workspace.max_selected, %u, and at most %lld",
                   name, (long long)stride, zero, max_selected, (long long)most);
}

fi_status lists_check(const fi_spec *spec, const fi_tensors *tensors, const fi_workspace *workspace) {
  if (!spec->select)
    return FI_OK;
  if (!tensors->selected)
    return error_set(FI_ERROR_ARGUMENT, "tensors.selected is NULL; spec.select needs it");
  if ((uintptr_t)tensors->selected % sizeof(int32_t))
    return error_set(FI_ERROR_ARGUMENT, "tensors.selected is %p; it must be aligned to %zu bytes",
                     (const void *)tensors->selected, sizeof(int32_t));
  const uint32_t most = workspace->max_selected;
  const fi_status status = check_stride("selected_head_stride", tensors->selected_head_stride,
                                        "all KV heads have one list", most, workspace->kv_heads);
  return status ? status
                : check_stride("selected_token_stride", tensors->selected_token_stride, "packed", most,
                               workspace->max_tokens);
}

/* Packed lists of a token follow those of the token before it. */
static int64_t packed_stride(const fi_tensors *tensors, const fi_workspace *workspace) {
  return tensors->selected_head_stride ? workspace->kv_heads * tensors->selected_head_stride : workspace->max_selected;
}

void lists_fill(const fi_tensors *tensors, const fi_workspace *workspace, struct fi_attention_args *args) {
  const int64_t given = tensors->selected_token_stride;
  args->selected = tensors->selected;
  args->selected_token_stride = given ? given : packed_stride(tensors, workspace);
  args->selected_head_stride = tensors->selected_head_stride;
}

/* ------------------------------------------------------------------------------------------------ made */

/* Lists of a query token. */
static int64_t lists_of_token(const fi_spec *spec, const fi_workspace *workspace) {
  return (int64_t)workspace->kv_heads * (spec->scores == FI_SCORES_HEADS ? spec->group : 1);
}

static int64_t made_head_stride(const fi_tensors *tensors, const fi_workspace *workspace) {
  return tensors->selected_head_stride ? tensors->selected_head_stride : (int64_t)workspace->max_selected;
}

static int64_t made_token_stride(const fi_spec *spec, const fi_tensors *tensors, const fi_workspace *workspace) {
  const int64_t packed = lists_of_token(spec, workspace) * made_head_stride(tensors, workspace);
  return tensors->selected_token_stride ? tensors->selected_token_stride : packed;
}

/*
 * Whether the lists of a query token lie between those of the one before it and the one after it, or those of a head
 * between those of the heads beside it. A single list of a token does either.
 */
static fi_status check_apart(const fi_spec *spec, const fi_tensors *tensors, const fi_workspace *workspace) {
  const int64_t token = made_token_stride(spec, tensors, workspace);
  const int64_t head = made_head_stride(tensors, workspace);
  const int64_t lists = lists_of_token(spec, workspace);
  const int64_t counted = token < head ? workspace->max_tokens : lists; /* by the smaller stride */
  const int64_t smaller = token < head ? token : head;
  const int64_t larger = token < head ? head : token;
  if (lists == 1 || larger >= (counted - 1) * smaller + workspace->max_selected)
    return FI_OK;
  return error_set(
      FI_ERROR_ARGUMENT,
      "tensors.selected_token_stride is %lld and tensors.selected_head_stride is %lld; lists would overlap",
      (long long)token, (long long)head);
}

static fi_status check_weights(const fi_spec *spec, const fi_tensors *tensors, const fi_workspace *workspace) {
  const int64_t heads = (int64_t)workspace->kv_heads * spec->group;
  if (spec->scores != FI_SCORES_SUM || tensors->weight_stride == 0 || tensors->weight_stride >= heads)
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT,
                   "tensors.weight_stride is %lld; it must be 0 (packed) or at least the query heads, %lld",
                   (long long)tensors->weight_stride, (long long)heads);
}

fi_status lists_check_made(const fi_spec *spec, const fi_tensors *tensors, const fi_workspace *workspace) {
  const uint32_t most = workspace->max_selected;
  fi_status status = check_stride("selected_head_stride", tensors->selected_head_stride, "packed", most,
                                  lists_of_token(spec, workspace));
  if (!status)
    status =
        check_stride("selected_token_stride", tensors->selected_token_stride, "packed", most, workspace->max_tokens);
  if (!status)
    status = check_apart(spec, tensors, workspace);
  if (!status)
    status = check_weights(spec, tensors, workspace);
  if (status || (uint64_t)tensors->first_blocks + tensors->last_blocks <= most)
    return status;
  return error_set(FI_ERROR_ARGUMENT,
                   "tensors.first_blocks is %u and tensors.last_blocks is %u; together they must be at most "
                   "workspace.max_selected, %u",
                   tensors->first_blocks, tensors->last_blocks, most);
}

void lists_fill_made(const fi_spec *spec, const fi_tensors *tensors, const fi_workspace *workspace,
                     struct fi_indexer_args *args) {
  args->weights = tensors->weights;
  args->weight_stride = tensors->weight_stride ? tensors->weight_stride : (int64_t)workspace->kv_heads * spec->group;
  args->lists = tensors->lists;
  args->list_token_stride = made_token_stride(spec, tensors, workspace);
  args->list_head_stride = made_head_stride(tensors, workspace);
  args->max_selected = (int)workspace->max_selected;
  args->first_blocks = (int)tensors->first_blocks;
  args->last_blocks = (int)tensors->last_blocks;
}
