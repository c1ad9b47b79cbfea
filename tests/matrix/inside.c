/* The matrix's view of the runtime. */
#include "tests/matrix/inside.h"

#include "runtime/context.h"
#include "runtime/workspace.h"

fi_status inside_plan_shape(fi_kernel *kernel, const fi_workspace *workspace, struct plan_shape *shape) {
  struct workspace_layout layout;
  uint32_t ctas = workspace->ctas;
  fi_status status = ctas ? FI_OK : kernel_prepare(kernel, &ctas);
  if (!status)
    status = workspace_lay_out(kernel, workspace, ctas, &layout);
  if (status)
    return status;
  *shape = (struct plan_shape){
      .arrays = layout.arrays.plan,
      .id = layout.id,
      .bytes = layout.bytes,
      .items = layout.counts.items,
      .units = layout.counts.merges,
      .partial_rows = layout.counts.partial_rows,
      .ctas = (int)layout.ctas,
      .most_sections = (int)layout.max_sections,
      .step_tokens = (int)layout.step_tokens,
      .start_tokens = (int)layout.start_tokens,
      .least_piece = (int)layout.least_piece,
      .unit_steps = (int)layout.unit_steps,
  };
  return FI_OK;
}

const struct tile *inside_tile(const fi_kernel *kernel) {
  return &kernel->tile;
}

fi_status inside_target(fi_ctx *ctx, const struct target **target) {
  return context_target(ctx, target);
}
