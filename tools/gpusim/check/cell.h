/* A word of shared memory in the shadow. */
#ifndef GPUSIM_CHECK_CELL_H
#define GPUSIM_CHECK_CELL_H

#include <stdint.h>

enum { SIM_WORD_BYTES = 4, SIM_WORD_MASK = 15, SIM_CELL_MBARRIER = 16 };

struct sim_cell {
  uint32_t write_clock;
  uint32_t read_clock;
  uint32_t readers;      /* warps */
  uint8_t writer;        /* an actor: a warp, or an agent */
  uint8_t written;       /* bytes of the last write */
  uint8_t read;          /* bytes of the reads since */
  uint8_t defined;       /* bytes */
  uint8_t pending;       /* bytes that an operation in flight will write, and SIM_CELL_MBARRIER */
  uint8_t atomic;        /* the last write was strong */
  uint8_t write_lane[2]; /* of each half word, or SIM_LANE_* */
  uint8_t read_lane[2];
  uint8_t proxy; /* the last write was of the asynchronous proxy */
};

enum { SIM_LANE_MANY = 0xfe, SIM_LANE_NONE = 0xff };

#endif
