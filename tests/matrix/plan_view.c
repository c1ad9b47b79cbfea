/* Copies of plans. */
#include "tests/matrix/plan_view.h"

#include "tools/common/mirror.h"

#include <stdlib.h>
#include <string.h>

/* Where the copy has what is at an address of the workspace. */
static void *local(const struct plan_view *view, const void *address) {
  return view->memory + ((const char *)address - (const char *)view->shape.arrays.header);
}

bool plan_view_open(struct plan_view *view, struct trial *trial, fi_kernel *kernel, const fi_workspace *workspace,
                    uint32_t member) {
  const struct fi_plan_arrays *there = &view->shape.arrays;
  *view = (struct plan_view){0};
  if (!trial_ok(trial, "the shape of the plan", inside_plan_shape(kernel, workspace, member, &view->shape)))
    return false;
  view->bytes = (size_t)view->shape.bytes;
  view->memory = malloc(view->bytes);
  if (!view->memory)
    return trial_fail(trial, "no memory for a copy of the plan");
  memset(view->memory, POISON, view->bytes);
  view->host = (struct fi_plan_arrays){
      .header = local(view, there->header),
      .first = local(view, there->first),
      .items = local(view, there->items),
      .queue = local(view, there->queue),
      .rows = local(view, there->rows),
      .units = local(view, there->units),
      .arrivals = local(view, there->arrivals),
  };
  return true;
}

void plan_view_close(struct plan_view *view) {
  free(view->memory);
  *view = (struct plan_view){0};
}

bool plan_view_download(struct plan_view *view, struct trial *trial) {
  device_download(&trial->device, view->memory, view->shape.arrays.header, view->bytes);
  return trial_ok(trial, "the download of the plan", FI_OK);
}

bool plan_view_upload(const struct plan_view *view, struct trial *trial) {
  device_upload(&trial->device, view->shape.arrays.header, view->memory, view->bytes);
  return trial_ok(trial, "the upload of the plan", FI_OK);
}
