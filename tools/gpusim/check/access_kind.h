/* Checks of single accesses: races, pending copies and definedness. */
#ifndef GPUSIM_CHECK_ACCESS_KIND_H
#define GPUSIM_CHECK_ACCESS_KIND_H

/* How an access takes part in the checks. */
enum sim_access_kind {
  SIM_PLAIN,
  SIM_COLLECTIVE, /* by all lanes of the warp at once, like ldmatrix */
  SIM_ATOMIC      /* strong: races with plain accesses only */
};

#endif
