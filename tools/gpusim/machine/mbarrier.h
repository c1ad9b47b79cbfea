/* mbarrier objects in the shared memory of a block. */
#ifndef GPUSIM_MACHINE_MBARRIER_H
#define GPUSIM_MACHINE_MBARRIER_H

#include "machine/machine.h"

enum { SIM_MBARRIER_BYTES = 8, SIM_MBARRIER_MAX = (1 << 20) - 1, SIM_MAX_MBARRIERS = 255 };

/* One object. A phase ends when no arrival is pending and all expected bytes have come. */
struct sim_mbarrier {
  uint32_t address;
  uint32_t expected; /* arrivals of each phase to come */
  uint32_t pending;  /* arrivals that this phase still needs */
  int32_t bytes;     /* expected and not yet there; less than 0 when they came first */
  uint32_t phase;    /* phases that have ended */
  uint8_t agent;     /* the actor whose writes it completes */
  uint8_t initializer;
  bool remote;    /* other blocks have arrived */
  bool published; /* its initialisation, by a fence, to copies and to other blocks */
  uint32_t init_clock;
  const struct sim_inst *init;
  const struct sim_inst *copy; /* the last one that completes on it */
  struct sim_known arriving;
  struct sim_known completed; /* what those know who waited for the last phase that ended */
};

/* The end of all of them. */
void sim_mbarriers_clear(struct sim_block *block);

/* The object at the address, or NULL. */
struct sim_mbarrier *sim_mbarrier_find(const struct sim_block *block, uint32_t address);

/* A new one, whose address is a multiple of 8; NULL when there are too many. */
struct sim_mbarrier *sim_mbarrier_add(struct sim_block *block, uint32_t address);
void sim_mbarrier_remove(struct sim_block *block, struct sim_mbarrier *mbarrier);

/* A fence by the warp shows what it has initialised to copies and to other blocks. */
void sim_mbarriers_publish(const struct sim_warp *warp);

/* All of them in order of creation: the next after `index`, which is moved on; NULL at the end. */
struct sim_mbarrier *sim_mbarrier_next(const struct sim_block *block, uint32_t *index);

#endif
