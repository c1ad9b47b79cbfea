/* Settings from the environment. */
#ifndef GPUSIM_API_SETTINGS_H
#define GPUSIM_API_SETTINGS_H

#include <stdint.h>

/* All of one type, so that a table can name them. */
struct sim_configuration {
  uint64_t checks;          /* FLASHJIT_SIM_CHECKS, default on */
  uint64_t quiet;           /* FLASHJIT_SIM_QUIET */
  uint64_t seed;            /* FLASHJIT_SIM_SEED: order of warps; 0 is ascending */
  uint64_t block_limit;     /* FLASHJIT_SIM_LIMIT: warp instructions of a block */
  uint64_t architecture;    /* FLASHJIT_SIM_ARCH: 90 is compute capability 9.0 */
  uint64_t devices;         /* FLASHJIT_SIM_DEVICES, all alike */
  uint64_t multiprocessors; /* FLASHJIT_SIM_SMS: of each */
  uint64_t threads;         /* FLASHJIT_SIM_THREADS: host threads of a launch; 0: one per core */
};

const struct sim_configuration *sim_settings(void);

/* What is wrong with the first value that is not allowed, or NULL. */
const char *sim_settings_problem(void);

#endif
