/* The running machine: launches, blocks, warps, their memory and their checks. */
#ifndef GPUSIM_MACHINE_MACHINE_H
#define GPUSIM_MACHINE_MACHINE_H

#include "machine/flight.h"
#include "machine/memory.h"
#include "machine/product.h"
#include "program/program.h"

#include <pthread.h>
#include <setjmp.h>

enum { SIM_MAX_BARRIERS = 16, SIM_MAX_CALL_DEPTH = 8, SIM_LOOKUP_ENTRIES = 64 };

enum sim_wait {
  SIM_RUNNABLE,
  SIM_WAIT_CONVERGENCE, /* pc is the instruction that needs more lanes */
  SIM_WAIT_BARRIER,
  SIM_WAIT_EVENT /* pc is the instruction, executed again after the next event of the block */
};

/* Lanes of a warp at the same pc. */
struct sim_fragment {
  uint32_t pc;
  uint32_t lanes;
  uint8_t wait;
  uint8_t barrier;
  uint8_t depth;
  bool polls;                     /* what waits for an event may go on without one */
  bool let_go;                    /* and has to */
  uint8_t failures;               /* of polls since `event` */
  uint32_t event;                 /* events of the block when the wait began */
  const struct sim_inst *waiting; /* at the barrier */
  uint32_t returns[SIM_MAX_CALL_DEPTH];
  const struct sim_call *calls[SIM_MAX_CALL_DEPTH];
};

/* Vector clock over the actors of a block: its warps, and agents that write for them. An operation of actor w at its
 * clock c happened before warp v's present if c <= v.seen[w]. Clocks are drawn from one counter per block, so they
 * also order roughly in time. */
enum { SIM_MAX_AGENTS = 31, SIM_ACTORS = SIM_MAX_WARPS + SIM_MAX_AGENTS + 1 };
enum { SIM_REMOTE_ACTOR = SIM_ACTORS - 1 }; /* other blocks of the cluster */
typedef uint32_t sim_clocks[SIM_ACTORS];

/* What a warp knows, and what it passes on when it synchronises. */
struct sim_known {
  sim_clocks seen;
  sim_clocks fenced;     /* what the last fence published to the device */
  sim_clocks fenced_cta; /* ... to the block */
  sim_clocks proxied;    /* what a proxy fence has shown to asynchronous copies and matrix products */
};

struct sim_warp {
  uint8_t *slots;
  uint8_t *taint; /* SIM_LANES bytes per slot: a bit per undefined byte */
  struct sim_block *block;
  struct sim_fragment fragments[SIM_LANES];
  uint32_t fragment_count;
  uint32_t current;
  uint32_t live;      /* lanes that have not exited */
  uint32_t early;     /* lanes that have not waited for the launch before yet, and must */
  uint32_t beside;    /* lanes that have not, and need not: launches in front may still be at work */
  uint32_t index;     /* in the block */
  uint32_t met;       /* lanes that have arrived at the cluster's barrier and not waited */
  uint32_t met_phase; /* of it, when they arrived */
  bool reschedule;
  bool yield;
  bool tainted;
  uint32_t rotation;
  struct sim_products products;
  struct sim_known known;
  uint32_t registers;            /* per thread; 0: unknown */
  struct sim_foreign *acquiring; /* seen by relaxed reads, to be acquired by the next fence */
  struct sim_flights copies;     /* cp.async */
  struct sim_flights bulk;       /* bulk copies that read shared memory */
  struct sim_flights writes;     /* those that have read it, and write global memory */
};

struct sim_barrier {
  uint32_t arrived;  /* threads */
  uint32_t expected; /* 0 while unused */
  uint32_t votes;    /* of bar.red */
  uint32_t voters;
  struct sim_known known;
};

struct sim_block {
  struct sim_launch *launch;
  struct sim_worker *worker;
  const struct sim_program *program;
  struct sim_cluster *cluster;
  uint32_t rank; /* in the cluster */
  bool finished;
  struct sim_known met; /* at the cluster's barrier */
  uint32_t index;
  uint32_t id[3];
  struct sim_warp *warps;
  uint32_t warp_count;
  uint32_t threads;
  uint32_t exited; /* threads */
  bool releases;   /* has let the launch after begin */
  uint8_t *slots;  /* of all warps */
  uint8_t *taint;  /* of all warps */
  uint8_t *shared;
  uint32_t shared_bytes;
  struct sim_cell *cells; /* of shared memory; NULL without checks */
  uint8_t *local;         /* local_bytes per thread */
  uint8_t *local_defined;
  struct sim_barrier barriers[SIM_MAX_BARRIERS];
  struct sim_mbarriers *mbarriers;
  struct sim_flights timed; /* operations that end by themselves */
  struct sim_reads *reads;  /* of shared memory by operations */
  uint64_t chance;          /* state of the draws */
  uint32_t round;           /* turns of all warps */
  uint32_t free_registers;
  uint32_t events;   /* changes of what warps wait for */
  uint32_t let_goes; /* of polling warps since ... */
  uint32_t let_go_events;
  bool sleeps; /* a warp does, which gives a turn to blocks that are not resident yet */
  uint32_t clock;
  struct sim_foreign *foreign; /* what this block knows of others */
  struct sim_sync_table *sync; /* shared locations with strong accesses */
  uint64_t executed;
  uint32_t order[SIM_MAX_WARPS]; /* of the warps in a round */
};

struct sim_launch {
  const struct sim_program *program;
  uint32_t grid[3];
  uint32_t cluster[3]; /* blocks */
  uint32_t threads[3];
  uint32_t dynamic_shared;
  const uint8_t *parameters;
  uint32_t device;
  uint32_t tag;    /* number of the launch, 1 to SIM_TAG_MAX, in the cells of global memory */
  uint32_t beside; /* the first of the launches that it may be beside; its own tag: there is none */
  bool checks;
  bool quiet;           /* no report on stderr */
  bool overlaps;        /* on a GPU it may begin before the launch before has ended */
  bool released;        /* the launch before, having waited for those before it, has let this one begin beside it */
  uint64_t block_limit; /* warp instructions; 0: none */
  uint64_t seed;
  uint32_t multiprocessors;
  uint32_t workers; /* host threads; 0: one per core */
  uint32_t cluster_count;
  _Atomic uint32_t next_cluster;
  _Atomic int fault; /* sim_fault_kind */
  _Atomic uint64_t executed;
  _Atomic uint32_t releasing;  /* blocks that let the launch after this one begin */
  _Atomic bool waited;         /* some thread has waited for the launch before */
  struct sim_sync_table *sync; /* global locations with strong accesses */
  pthread_mutex_t sync_lock;
};

struct sim_worker {
  jmp_buf unwind;
  struct sim_allocation *lookups[SIM_LOOKUP_ENTRIES]; /* last allocation by instruction */
};

static inline void *sim_slot(const struct sim_warp *warp, uint32_t slot) {
  return warp->slots + (size_t)slot * SIM_SLOT_BYTES;
}

static inline void *sim_operand(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t index) {
  return sim_slot(warp, inst->operands[index]);
}

static inline void *sim_source(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t index) {
  return sim_slot(warp, inst->operands[inst->destinations + index]);
}

static inline uint8_t *sim_taint_of(const struct sim_warp *warp, uint32_t slot) {
  return warp->taint + (size_t)slot * SIM_LANES;
}

static inline struct sim_fragment *sim_current(struct sim_warp *warp) {
  return &warp->fragments[warp->current];
}

static inline bool sim_lane_in(uint32_t lanes, uint32_t lane) {
  return lanes >> lane & 1;
}

#define SIM_FOR_LANES(lane, lanes)                                                                                     \
  for (uint32_t rest_of_##lane = (lanes), lane;                                                                        \
       rest_of_##lane && (lane = (uint32_t)__builtin_ctz(rest_of_##lane), true); rest_of_##lane &= rest_of_##lane - 1)

#endif
