/* Reads of shared memory by operations in flight, and those that have ended, until somebody has written over them. */
#ifndef GPUSIM_CHECK_READS_H
#define GPUSIM_CHECK_READS_H

#include "machine/machine.h"

enum { SIM_READ_CHUNK = 16, SIM_READ_WARPS = 4 };

/* What is read: chunks of 16 bytes of a range. */
struct sim_read_set {
  uint32_t first; /* byte, a multiple of 16 */
  uint32_t chunks;
  const uint64_t *bits; /* NULL: all of them */
};

/* A read that is over when one of its warps has waited for it. */
struct sim_read {
  struct sim_read_set set;
  uint64_t *bits;
  uint64_t key;
  const struct sim_inst *inst;
  uint8_t warp; /* the first */
  uint8_t warps;
  bool in_flight;
  bool forgotten;                 /* written over since: only kept for the next read with its key */
  uint32_t ended[SIM_READ_WARPS]; /* clocks; 0: has not waited */
};

/* Begins a read. Reads with one key have the same set. */
struct sim_read *sim_read_begin(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t first_warp,
                                uint32_t warps, uint64_t key, const struct sim_read_set *set);

/* The warp has waited for the end of the read. */
void sim_read_end(const struct sim_warp *warp, struct sim_read *read);

/* Another of its warps has waited for it. A later read with its key may be in flight. */
void sim_read_also_end(const struct sim_warp *warp, struct sim_read *read);

/* A write by a lane: a fault if a read of the bytes is in flight, or has ended with nothing that orders the two. */
void sim_reads_check(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, struct sim_block *owner,
                     uint32_t offset, uint32_t bytes);

void sim_reads_clear(struct sim_block *block);

#endif
