/* Checks and arguments of lists of blocks. */
#include "runtime/lists.h"

#include "generator/error.h"

static fi_status check_stride(const char *name, int64_t stride, const char *zero, uint32_t max_selected) {
  if (stride == 0 || stride >= (int64_t)max_selected)
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT, "tensors.%s is %lld; it must be 0 (%s) or at least workspace.max_selected, %u",
                   name, (long long)stride, zero, max_selected);
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
  const fi_status status =
      check_stride("selected_head_stride", tensors->selected_head_stride, "all KV heads have one list", most);
  return status ? status : check_stride("selected_token_stride", tensors->selected_token_stride, "packed", most);
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
