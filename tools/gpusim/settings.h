/* Settings from the environment. */
#ifndef GPUSIM_SETTINGS_H
#define GPUSIM_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  bool checks;              /* FLASHJIT_SIM_CHECKS, default on */
  bool quiet;               /* FLASHJIT_SIM_QUIET */
  uint64_t seed;            /* FLASHJIT_SIM_SEED: order of warps; 0 is ascending */
  uint64_t block_limit;     /* FLASHJIT_SIM_LIMIT: warp instructions of a block; 0 is the default */
  uint32_t architecture;    /* FLASHJIT_SIM_ARCH: 90 is compute capability 9.0 */
  uint32_t multiprocessors; /* FLASHJIT_SIM_SMS */
} sim_configuration;

const sim_configuration *sim_settings(void);

#endif
