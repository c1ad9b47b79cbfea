/* What requests cost the kernels of a mix, for the plan that sorts them. */
#ifndef RUNTIME_MEMBER_COSTS_H
#define RUNTIME_MEMBER_COSTS_H

#include "runtime/workspace.h"

/* Of a member whose part this is, on the context's target. */
struct fi_member member_costs(const struct workspace_part *part, uint32_t kv_heads);

#endif
