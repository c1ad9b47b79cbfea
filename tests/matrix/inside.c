/* The matrix's view of the runtime. */
#include "tests/matrix/inside.h"

#include "runtime/context.h"
#include "runtime/member_costs.h"
#include "runtime/workspace.h"

uint32_t inside_members(fi_kernel *kernel, const fi_workspace *workspace) {
  struct workspace_parts parts;
  return workspace_for_launch(kernel, workspace, NULL, &parts) ? 0 : parts.count;
}

fi_status inside_costs(fi_kernel *kernel, const fi_workspace *workspace, struct fi_member costs[FI_MOST_MEMBERS]) {
  struct workspace_parts parts;
  const fi_status status = workspace_for_launch(kernel, workspace, NULL, &parts);
  for (uint32_t i = 0; !status && i < parts.count; i++)
    costs[i] = member_costs(&parts.of[i], workspace->kv_heads);
  return status;
}

fi_status inside_plan_shape(fi_kernel *kernel, const fi_workspace *workspace, uint32_t member,
                            struct plan_shape *shape) {
  struct workspace_parts parts;
  const fi_status status = workspace_for_launch(kernel, workspace, NULL, &parts);
  if (status)
    return status;
  const struct workspace_layout layout = parts.of[member].layout;
  const struct workspace_layout *units = parts.share ? &parts.of[parts.count - 1].layout : &layout;
  *shape = (struct plan_shape){
      .arrays = layout.arrays.plan,
      .tile_tokens = parts.of[member].kernel->tile.tokens,
      .tile_rows = parts.of[member].kernel->tile.rows,
      .tile_heads = parts.of[member].kernel->tile.heads,
      .group_shares = parts.of[member].kernel->tile.group_shares,
      .merges_together = layout.merges_together,
      .id = layout.id,
      .bytes = layout.bytes + (units != &layout && member == 0 ? units->bytes : 0),
      .items = layout.counts.items,
      .units = units->counts.merges,
      .partial_rows = units->counts.partial_rows,
      .ctas = (int)layout.ctas,
      .most_sections = (int)layout.max_sections,
      .step_tokens = (int)layout.step_tokens,
      .start_tokens = (int)layout.start_tokens,
      .least_piece = (int)layout.least_piece,
      .share_steps = (int)layout.share_steps,
      .sm_ctas = (int)parts.of[member].kernel->tile.ctas_per_sm,
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
