/* Operations in flight: issued by a lane, done later. Those of a queue end in groups that their lane has committed, or
 * when their time has come. */
#ifndef GPUSIM_MACHINE_FLIGHT_H
#define GPUSIM_MACHINE_FLIGHT_H

#include "program/program.h"

struct sim_warp;
struct sim_transfer;

/* Who writes, and at which of its clocks. */
struct sim_actor {
  uint32_t index;
  uint32_t clock;
};

struct sim_flight {
  void (*land)(struct sim_warp *warp, struct sim_flight *flight, const struct sim_actor *by);
  const struct sim_inst *inst;
  struct sim_transfer *transfer; /* of bulk copies; the flight's own */
  uint64_t source;               /* in global memory; of an arrival: the copies of its warp before it */
  uint32_t destination;          /* in shared memory */
  uint32_t bytes;
  uint32_t source_bytes; /* the rest becomes zero */
  uint32_t undefined;
  uint32_t group;    /* commits of the lane before it */
  uint32_t sequence; /* in its queue */
  uint32_t due;      /* the round of its block when its time has come */
  uint8_t lane;
  uint8_t warp;
  uint8_t target; /* rank of the block in whose shared memory it writes */
};

struct sim_flights {
  struct sim_flight *items; /* issued and not yet done, oldest first */
  size_t count;
  size_t capacity;
  uint32_t issued;
  uint32_t commits[SIM_LANES];
};

#endif
