/* Divergence and scheduling within a block. A warp is a set of fragments, each a set of lanes at one pc; the
 * fragment with the lowest pc runs, and fragments that meet at a pc become one. An instruction that needs
 * lanes of other fragments waits for them; a block none of whose warps can run is reported, never left
 * hanging. */
#include "exec/scheduler.h"

#include "check/taint.h"
#include "machine/fault.h"

#include <string.h>

enum { QUANTUM = 4096 };

static bool same_stack(const struct sim_fragment *a, const struct sim_fragment *b) {
  return a->depth == b->depth && memcmp(a->returns, b->returns, a->depth * sizeof *a->returns) == 0;
}

static void remove_fragment(struct sim_warp *warp, uint32_t index) {
  warp->fragment_count--;
  warp->fragments[index] = warp->fragments[warp->fragment_count];
  if (warp->current == warp->fragment_count)
    warp->current = index;
}

static void merge_fragments(struct sim_warp *warp) {
  for (uint32_t i = 0; i < warp->fragment_count; i++)
    for (uint32_t j = i + 1; j < warp->fragment_count;) {
      struct sim_fragment *a = &warp->fragments[i];
      struct sim_fragment *b = &warp->fragments[j];
      bool meet = a->pc == b->pc && a->wait != SIM_WAIT_BARRIER && b->wait != SIM_WAIT_BARRIER && same_stack(a, b);
      if (!meet) {
        j++;
        continue;
      }
      a->lanes |= b->lanes;
      a->wait = SIM_RUNNABLE;
      remove_fragment(warp, j);
    }
}

void sim_split(struct sim_warp *warp, uint32_t lanes) {
  struct sim_fragment *fragment = sim_current(warp);
  if (fragment->lanes == lanes)
    return;
  struct sim_fragment *rest = &warp->fragments[warp->fragment_count++];
  *rest = *fragment;
  rest->lanes &= ~lanes;
  fragment->lanes = lanes;
  warp->reschedule = true;
}

void sim_branch(struct sim_warp *warp, uint32_t lanes, uint32_t target) {
  sim_split(warp, lanes);
  sim_current(warp)->pc = target;
}

void sim_branch_each(struct sim_warp *warp, uint32_t lanes, const uint32_t targets[SIM_LANES]) {
  sim_split(warp, lanes);
  for (uint32_t rest = lanes; rest;) {
    uint32_t target = targets[__builtin_ctz(rest)];
    uint32_t same = 0;
    SIM_FOR_LANES(lane, rest)
      same |= (uint32_t)(targets[lane] == target) << lane;
    rest &= ~same;
    sim_branch(warp, same, target);
    if (rest)
      warp->current = warp->fragment_count - 1; /* what sim_branch has split off */
  }
}

bool sim_converged(struct sim_warp *warp, uint32_t lanes, uint32_t needed) {
  if (!(needed & warp->live & ~lanes))
    return true;
  sim_split(warp, lanes);
  struct sim_fragment *fragment = sim_current(warp);
  fragment->pc--;
  fragment->wait = SIM_WAIT_CONVERGENCE;
  warp->reschedule = true;
  return false;
}

void sim_exit(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  if (lanes & warp->early)
    sim_fault(warp, inst, (uint32_t)__builtin_ctz(lanes & warp->early), SIM_FAULT_CHECK,
              "exit without griddepcontrol.wait: the launch after this one would not wait for the one before");
  sim_split(warp, lanes);
  warp->live &= ~lanes;
  warp->block->exited += (uint32_t)__builtin_popcount(lanes);
  remove_fragment(warp, warp->current);
  for (uint32_t i = 0; i < warp->fragment_count; i++)
    if (warp->fragments[i].wait == SIM_WAIT_CONVERGENCE)
      warp->fragments[i].wait = SIM_RUNNABLE;
  warp->reschedule = true;
}

/* The runnable fragment with the lowest pc; every other time slice of a diverged warp goes to another one, so
 * that lanes which spin let the lanes run that they wait for. */
static bool choose_fragment(struct sim_warp *warp) {
  uint32_t runnable = 0;
  uint32_t best = SIM_LANES;
  for (uint32_t i = 0; i < warp->fragment_count; i++) {
    if (warp->fragments[i].wait != SIM_RUNNABLE)
      continue;
    runnable++;
    if (best == SIM_LANES || warp->fragments[i].pc < warp->fragments[best].pc)
      best = i;
  }
  if (runnable == 0)
    return false;
  for (uint32_t skip = warp->rotation % runnable; skip > 0; skip--)
    do
      best = (best + 1) % warp->fragment_count;
    while (warp->fragments[best].wait != SIM_RUNNABLE);
  warp->current = best;
  return true;
}

/* The pc at which the current fragment may meet another one. */
static uint32_t meeting_point(const struct sim_warp *warp) {
  const struct sim_fragment *current = &warp->fragments[warp->current];
  uint32_t point = UINT32_MAX;
  for (uint32_t i = 0; i < warp->fragment_count; i++) {
    const struct sim_fragment *other = &warp->fragments[i];
    if (i != warp->current && other->wait != SIM_WAIT_BARRIER && other->pc > current->pc && other->pc < point)
      point = other->pc;
  }
  return point;
}

static void execute(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t guard = *(const uint32_t *)sim_slot(warp, inst->guard) ^ inst->guard_flip;
  if (warp->tainted)
    sim_taint_guard(warp, inst, lanes);
  lanes &= guard;
  if (!lanes)
    return;
  if (warp->tainted)
    (inst->taint ? inst->taint : sim_taint_any)(warp, inst, lanes);
  inst->exec(warp, inst, lanes);
}

/* Runs the current fragment until it meets another one, blocks or has used its slice. */
static uint32_t run_fragment(struct sim_warp *warp, uint32_t slice) {
  const struct sim_inst *code = warp->block->program->code;
  uint32_t point = meeting_point(warp);
  uint32_t executed = 0;
  warp->reschedule = false;
  while (executed < slice && !warp->reschedule) {
    struct sim_fragment *fragment = sim_current(warp);
    if (fragment->pc >= point)
      break;
    executed++;
    execute(warp, &code[fragment->pc++], fragment->lanes);
  }
  return executed;
}

/* Returns false when the warp could not run at all. */
static bool run_warp(struct sim_warp *warp) {
  uint32_t executed = 0;
  warp->yield = false;
  merge_fragments(warp);
  while (executed < QUANTUM && !warp->yield && choose_fragment(warp)) {
    executed += run_fragment(warp, QUANTUM - executed);
    if (warp->fragment_count > 1)
      merge_fragments(warp);
  }
  bool used_slice = executed >= QUANTUM || warp->yield;
  warp->rotation = used_slice && warp->fragment_count > 1 ? warp->rotation + 1 : 0;
  warp->block->executed += executed;
  return executed > 0;
}

static const struct sim_inst *stuck_at(const struct sim_block *block, const struct sim_fragment *fragment) {
  return fragment->wait == SIM_WAIT_BARRIER ? fragment->waiting : &block->program->code[fragment->pc];
}

/* Names what the first stuck warp waits for. */
static __attribute__((noreturn)) void report_deadlock(const struct sim_block *block) {
  const struct sim_warp *stuck = NULL;
  const struct sim_fragment *fragment = NULL;
  for (uint32_t w = 0; w < block->warp_count; w++)
    for (uint32_t f = 0; f < block->warps[w].fragment_count; f++) {
      const struct sim_fragment *candidate = &block->warps[w].fragments[f];
      if (!fragment || (candidate->wait == SIM_WAIT_CONVERGENCE && fragment->wait != SIM_WAIT_CONVERGENCE)) {
        stuck = &block->warps[w];
        fragment = candidate;
      }
    }
  const struct sim_inst *inst = stuck_at(block, fragment);
  if (fragment->wait == SIM_WAIT_CONVERGENCE)
    sim_fault(stuck, inst, (uint32_t)__builtin_ctz(fragment->lanes), SIM_FAULT_CHECK,
              "divergent: lanes %#x wait here for the other lanes of the warp (live: %#x), which do not come",
              fragment->lanes, stuck->live);
  const struct sim_barrier *barrier = &block->barriers[fragment->barrier];
  sim_fault(stuck, inst, (uint32_t)__builtin_ctz(fragment->lanes), SIM_FAULT_CHECK,
            "deadlock: barrier %u has %u of %u threads, and no warp of the block can run (%u threads have exited)",
            fragment->barrier, barrier->arrived, barrier->expected, block->exited);
}

bool sim_run_block(struct sim_block *block, uint64_t budget) {
  uint64_t end = block->executed + budget;
  struct sim_launch *launch = block->launch;
  while (block->exited < block->threads) {
    bool progress = false;
    for (uint32_t i = 0; i < block->warp_count; i++)
      if (block->warps[block->order[i]].fragment_count > 0)
        progress |= run_warp(&block->warps[block->order[i]]);
    if (!progress)
      report_deadlock(block);
    if (launch->block_limit && block->executed > launch->block_limit)
      sim_fault(&block->warps[0], NULL, SIM_NO_LANE, SIM_FAULT_OTHER,
                "the block has executed %llu instructions: it does not seem to end",
                (unsigned long long)block->executed);
    if (block->executed > end || atomic_load_explicit(&launch->fault, memory_order_relaxed))
      return false;
  }
  return true;
}
