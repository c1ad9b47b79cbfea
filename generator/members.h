/* The kernels that a spec stands for: one of its rows, or several of other rows where it leaves them open. */
#ifndef GENERATOR_MEMBERS_H
#define GENERATOR_MEMBERS_H

#include "target.h"

#include "flashjit.h"

enum { MOST_MEMBERS = 4 };

/* Their specs, canonical and with rows, the fewest first; a spec whose op has no rows stands for itself. */
struct members {
  uint32_t count;
  fi_spec specs[MOST_MEMBERS];
};

/* FI_ERROR_UNSUPPORTED when a canonical spec has no kernel. A NULL target is the roomiest one. */
fi_status members_find(const fi_spec *canonical, const struct target *target, struct members *members);

#endif
