/* A plan in the workspace as the host sees it. The one place of the matrix that knows where its parts lie. */
#ifndef TESTS_MATRIX_PLAN_VIEW_H
#define TESTS_MATRIX_PLAN_VIEW_H

#include "tests/matrix/inside.h"
#include "tests/matrix/trial.h"

struct plan_view {
  struct plan_shape shape;    /* of the plan on the device */
  size_t bytes;               /* of the plan, which ends where partial results begin */
  unsigned char *memory;      /* its copy */
  struct fi_plan_arrays host; /* the arrays in the copy; part_o and part_ml are NULL */
};

/* Room for the plan of one of the kernel's members in a workspace, poisoned. After a failure, plan_view_close is still
 * due. */
bool plan_view_open(struct plan_view *view, struct trial *trial, fi_kernel *kernel, const fi_workspace *workspace,
                    uint32_t member);
void plan_view_close(struct plan_view *view);

bool plan_view_download(struct plan_view *view, struct trial *trial);
bool plan_view_upload(const struct plan_view *view, struct trial *trial);

#endif
