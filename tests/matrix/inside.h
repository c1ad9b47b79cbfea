/*
 * What the matrix asks of the library beyond its public functions. A file of its own, because the runtime's
 * headers and those of the tools do not go together.
 */
#ifndef TESTS_MATRIX_INSIDE_H
#define TESTS_MATRIX_INSIDE_H

#include "flashjit.h"
#include "flashjit_args.h"
#include "generator/target.h"
#include "generator/tile.h"

/* A plan in a workspace: where its parts lie on the device, and how large they are. */
struct plan_shape {
  struct fi_plan_arrays arrays;
  uint32_t tile_tokens; /* query tokens of a tile */
  uint32_t tile_rows;
  uint32_t tile_heads;   /* query heads of a tile */
  uint32_t group_shares; /* tiles that divide the query heads of a KV head */
  bool merges_together;  /* CTAs merge units together; fixed pieces one merges, which needs no count of slices */
  unsigned id;
  uint64_t bytes; /* of the plan's memory, to the end of the units that it shares with another plan's */
  uint64_t items;
  uint64_t units;
  uint64_t partial_rows;
  int ctas;
  int most_sections;
  int start_tokens; /* KV begins at multiples of so many */
  int step_tokens;  /* KV tokens of a step */
  int least_piece;  /* steps of a piece that is worth a partial result */
  int share_steps;  /* of a share at least, in small batches */
  int sm_ctas;      /* CTAs that share an SM */
  int unit_steps;   /* that a unit costs besides its KV */
};

/* How many plans a batch has in a workspace: one for each of the kernel's members that the bounds allow. */
uint32_t inside_members(fi_kernel *kernel, const fi_workspace *workspace);

/* What requests cost each of these members. */
fi_status inside_costs(fi_kernel *kernel, const fi_workspace *workspace, struct fi_member costs[FI_MOST_MEMBERS]);

fi_status inside_plan_shape(fi_kernel *kernel, const fi_workspace *workspace, uint32_t member,
                            struct plan_shape *shape);

/* The tile of a kernel, which need not be the first choice for its spec. */
const struct tile *inside_tile(const fi_kernel *kernel);

/* The target that a context generates kernels for. */
fi_status inside_target(fi_ctx *ctx, const struct target **target);

#endif
