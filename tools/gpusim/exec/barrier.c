/* Block barriers: arrivals are counted in threads; completion orders everything before it, by any arriving
 * warp, before everything after it in the waiting warps. */
#include "exec/barrier.h"

#include "check/ordering.h"
#include "exec/scheduler.h"
#include "machine/fault.h"

#include <string.h>

static uint32_t expected_threads(const struct sim_block *block, uint32_t expected) {
  return expected ? expected : block->threads;
}

/* With an explicit count a warp counts whole, as the count is a multiple of the warp size. */
static uint32_t arriving_threads(const struct sim_inst *inst, uint32_t lanes, uint32_t expected) {
  return expected && inst->aligned ? SIM_LANES : (uint32_t)__builtin_popcount(lanes);
}

static uint32_t reduction_result(const struct sim_barrier *barrier, uint32_t mode) {
  switch (mode) {
  case SIM_REDUCE_AND:
    return barrier->votes == barrier->voters ? UINT32_MAX : 0;
  case SIM_REDUCE_OR:
    return barrier->votes ? UINT32_MAX : 0;
  default:
    return barrier->votes;
  }
}

static void write_result(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint32_t result) {
  uint32_t *to = sim_operand(warp, inst, 0);
  if (inst->mode != SIM_REDUCE_POPC) {
    *to = (*to & ~lanes) | (result & lanes);
    return;
  }
  SIM_FOR_LANES(lane, lanes)
    to[lane] = result;
}

static void release_fragment(struct sim_warp *warp, struct sim_fragment *fragment, const struct sim_barrier *barrier) {
  const struct sim_inst *inst = fragment->waiting;
  fragment->wait = SIM_RUNNABLE;
  warp->reschedule = true;
  if (inst->mode != SIM_REDUCE_NONE)
    write_result(warp, inst, fragment->lanes, reduction_result(barrier, inst->mode));
}

static void complete(struct sim_block *block, uint32_t id) {
  struct sim_barrier *barrier = &block->barriers[id];
  for (uint32_t w = 0; w < block->warp_count; w++) {
    struct sim_warp *warp = &block->warps[w];
    bool released = false;
    for (uint32_t f = 0; f < warp->fragment_count; f++) {
      struct sim_fragment *fragment = &warp->fragments[f];
      if (fragment->wait != SIM_WAIT_BARRIER || fragment->barrier != id)
        continue;
      release_fragment(warp, fragment, barrier);
      released = true;
    }
    if (!released)
      continue;
    sim_known_join(&warp->known, &barrier->known);
    sim_clock_tick(warp);
  }
  block->events++;
  memset(barrier, 0, sizeof *barrier);
}

static void count_arrival(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint32_t id,
                          uint32_t expected) {
  struct sim_barrier *barrier = &warp->block->barriers[id];
  uint32_t needed = expected_threads(warp->block, expected);
  if (barrier->expected && barrier->expected != needed)
    sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_CHECK,
              "barrier %u is used with %u threads here and with %u by warps that wait at it", id, needed,
              barrier->expected);
  barrier->expected = needed;
  barrier->arrived += arriving_threads(inst, lanes, expected);
  sim_known_join(&barrier->known, &warp->known);
  sim_clock_tick(warp);
  if (barrier->arrived > needed)
    sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_CHECK, "%u threads arrive at barrier %u, which expects %u",
              barrier->arrived, id, needed);
}

void sim_barrier_arrive(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint32_t id,
                        uint32_t expected) {
  count_arrival(warp, inst, lanes, id, expected);
  if (warp->block->barriers[id].arrived == warp->block->barriers[id].expected)
    complete(warp->block, id);
}

void sim_barrier_wait(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint32_t id,
                      uint32_t expected) {
  sim_split(warp, lanes);
  struct sim_fragment *fragment = sim_current(warp);
  fragment->wait = SIM_WAIT_BARRIER;
  fragment->barrier = (uint8_t)id;
  fragment->waiting = inst;
  warp->reschedule = true;
  sim_barrier_arrive(warp, inst, lanes, id, expected);
}
