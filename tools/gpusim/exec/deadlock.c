/* What a block waits for that cannot go on: its warps, their lines, and the state of its barriers. */
#include "exec/deadlock.h"

#include "machine/cluster.h"
#include "machine/fault.h"
#include "machine/mbarrier.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text {
  char bytes[1024];
  size_t used;
};

static __attribute__((format(printf, 2, 3))) void add(struct text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t room = sizeof text->bytes - text->used;
  int length = vsnprintf(text->bytes + text->used, room, format, arguments);
  va_end(arguments);
  text->used += (size_t)length < room ? (size_t)length : room - 1;
}

static const struct sim_inst *stuck_at(const struct sim_block *block, const struct sim_fragment *fragment) {
  return fragment->wait == SIM_WAIT_BARRIER ? fragment->waiting : &block->program->code[fragment->pc];
}

static const char *reason(const struct sim_fragment *fragment) {
  static const char *const reasons[] = {
      [SIM_RUNNABLE] = "can run",
      [SIM_WAIT_CONVERGENCE] = "wait for other lanes",
      [SIM_WAIT_BARRIER] = "wait at a barrier",
      [SIM_WAIT_EVENT] = "wait for an event",
  };
  return reasons[fragment->wait];
}

/* Warps that stand at one place in the same way are told together. */
static bool same_place(const struct sim_block *block, const struct sim_warp *a, const struct sim_warp *b) {
  return a->fragment_count == 1 && b->fragment_count == 1 && a->fragments[0].lanes == b->fragments[0].lanes &&
         a->fragments[0].wait == b->fragments[0].wait &&
         stuck_at(block, &a->fragments[0]) == stuck_at(block, &b->fragments[0]);
}

static void add_warps(struct text *text, const struct sim_block *block) {
  for (uint32_t w = 0; w < block->warp_count;) {
    const struct sim_warp *warp = &block->warps[w];
    uint32_t last = w;
    while (last + 1 < block->warp_count && same_place(block, warp, &block->warps[last + 1]))
      last++;
    for (uint32_t f = 0; f < warp->fragment_count; f++) {
      const struct sim_fragment *fragment = &warp->fragments[f];
      add(text, "\n  warps %u-%u, lanes %#x: %s at PTX line %u", w, last, fragment->lanes, reason(fragment),
          stuck_at(block, fragment)->line);
    }
    w = last + 1;
  }
}

static void add_barriers(struct text *text, const struct sim_block *block) {
  for (uint32_t id = 0; id < SIM_MAX_BARRIERS; id++)
    if (block->barriers[id].arrived)
      add(text, "\n  barrier %u: %u of %u threads", id, block->barriers[id].arrived, block->barriers[id].expected);
  uint32_t index = 0;
  const struct sim_mbarrier *mbarrier;
  while ((mbarrier = sim_mbarrier_next(block, &index)))
    add(text, "\n  mbarrier at %u (PTX line %u): phase %u, %u of %u arrivals missing, %d bytes expected",
        mbarrier->address, mbarrier->init->line, mbarrier->phase, mbarrier->pending, mbarrier->expected,
        mbarrier->bytes);
}

static void add_blocks(struct text *text, const struct sim_cluster *cluster) {
  for (uint32_t b = 0; b < cluster->count; b++) {
    const struct sim_block *block = cluster->blocks[b];
    if (block->finished)
      continue;
    if (cluster->count > 1)
      add(text, "\n  block %u of the cluster:", b);
    add_warps(text, block);
    add_barriers(text, block);
  }
}

/* The fragment to tell first: lanes that wait for others, or else at a barrier, or else the first. */
static const struct sim_fragment *first_stuck(const struct sim_block *block, const struct sim_warp **stuck) {
  static const uint8_t urgency[] = {[SIM_WAIT_EVENT] = 1, [SIM_WAIT_BARRIER] = 2, [SIM_WAIT_CONVERGENCE] = 3};
  const struct sim_fragment *first = NULL;
  for (uint32_t w = 0; w < block->warp_count; w++)
    for (uint32_t f = 0; f < block->warps[w].fragment_count; f++) {
      const struct sim_fragment *candidate = &block->warps[w].fragments[f];
      if (first && urgency[candidate->wait] <= urgency[first->wait])
        continue;
      first = candidate;
      *stuck = &block->warps[w];
    }
  return first;
}

void sim_report_deadlock(const struct sim_block *block) {
  const struct sim_warp *stuck = NULL;
  const struct sim_fragment *fragment = first_stuck(block, &stuck);
  const struct sim_inst *inst = stuck_at(block, fragment);
  uint32_t lane = (uint32_t)__builtin_ctz(fragment->lanes);
  struct text others = {.used = 0};
  add_blocks(&others, block->cluster);
  if (fragment->wait == SIM_WAIT_CONVERGENCE)
    sim_fault(stuck, inst, lane, SIM_FAULT_CHECK,
              "divergent: lanes %#x wait here for the other lanes of the warp (live: %#x), which do not come%s",
              fragment->lanes, stuck->live, others.bytes);
  if (fragment->wait == SIM_WAIT_EVENT)
    sim_fault(stuck, inst, lane, SIM_FAULT_CHECK,
              "deadlock: no warp of the block can run, and what this one waits for does not come (%u threads have "
              "exited)%s",
              block->exited, others.bytes);
  const struct sim_barrier *barrier = &block->barriers[fragment->barrier];
  sim_fault(stuck, inst, lane, SIM_FAULT_CHECK,
            "deadlock: barrier %u has %u of %u threads, and no warp of the block can run (%u threads have exited)%s",
            fragment->barrier, barrier->arrived, barrier->expected, block->exited, others.bytes);
}
