/* Divergence and scheduling within a block. A warp is a set of fragments, each a set of lanes at one pc; the
 * fragment with the lowest pc runs, and fragments that meet at a pc become one. An instruction that needs
 * lanes of other fragments waits for them; a block none of whose warps can run is reported, never left
 * hanging. */
#include "exec/scheduler.h"

#include "check/busy.h"
#include "check/taint.h"
#include "exec/deadlock.h"
#include "exec/flight.h"
#include "exec/transfer.h"
#include "machine/cluster.h"
#include "machine/fault.h"

#include <string.h>

/* Failures of a poll that does not wait by itself, and useless rounds of polls, after which they count as waiting. */
enum { QUANTUM = 4096, PATIENCE = 16, FRUITLESS = 8 };

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

void sim_wait_for_event(struct sim_warp *warp, uint32_t lanes) {
  sim_split(warp, lanes);
  struct sim_fragment *fragment = sim_current(warp);
  fragment->pc--;
  fragment->wait = SIM_WAIT_EVENT;
  fragment->polls = false;
  fragment->event = warp->block->events;
  warp->reschedule = true;
}

/* Counts failures in a row, with no event between them. */
static bool patient(struct sim_fragment *fragment, uint32_t events) {
  if (fragment->event != events)
    fragment->failures = 0;
  fragment->event = events;
  return fragment->failures++ < PATIENCE;
}

bool sim_poll_failed(struct sim_warp *warp, uint32_t lanes, bool blocks) {
  struct sim_fragment *fragment = sim_current(warp);
  bool go_on = fragment->let_go || (!blocks && patient(fragment, warp->block->events));
  fragment->let_go = false;
  warp->yield = true;
  if (go_on)
    return true;
  sim_wait_for_event(warp, lanes);
  sim_current(warp)->polls = true;
  return false;
}

void sim_exit(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  if (lanes & warp->early)
    sim_fault(warp, inst, (uint32_t)__builtin_ctz(lanes & warp->early), SIM_FAULT_CHECK,
              "exit without griddepcontrol.wait: the launch after this one would not wait for the one before");
  sim_split(warp, lanes);
  warp->live &= ~lanes;
  warp->block->exited += (uint32_t)__builtin_popcount(lanes);
  for (uint32_t b = 0; b < warp->block->cluster->count; b++)
    warp->block->cluster->blocks[b]->events++;
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
    struct sim_fragment *fragment = &warp->fragments[i];
    if (fragment->wait == SIM_WAIT_EVENT && fragment->event != warp->block->events)
      fragment->wait = SIM_RUNNABLE;
    if (fragment->wait != SIM_RUNNABLE)
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
  if (warp->products.busy)
    sim_busy_check(warp, inst, lanes);
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

/* Lets warps go on that wait only for so long, so that what they do instead can bring an end. False when that has been
 * of no use several times. */
static bool let_go(struct sim_block *block) {
  bool any = false;
  block->let_goes = block->let_go_events == block->events ? block->let_goes + 1 : 0;
  block->let_go_events = block->events;
  for (uint32_t w = 0; w < block->warp_count && block->let_goes < FRUITLESS; w++)
    for (uint32_t f = 0; f < block->warps[w].fragment_count; f++) {
      struct sim_fragment *fragment = &block->warps[w].fragments[f];
      if (fragment->wait != SIM_WAIT_EVENT || !fragment->polls)
        continue;
      fragment->let_go = any = true;
      fragment->wait = SIM_RUNNABLE;
    }
  return any;
}

/* A turn of all warps of a block. True when something has happened. */
static bool run_round(struct sim_block *block) {
  bool progress = false;
  block->round++;
  if (block->timed.count)
    sim_flight_land_due(block);
  for (uint32_t i = 0; i < block->warp_count; i++)
    if (block->warps[block->order[i]].fragment_count > 0)
      progress |= run_warp(&block->warps[block->order[i]]);
  if (block->exited < block->threads)
    return progress;
  sim_transfer_finish(block);
  block->finished = true;
  return true;
}

static void check_limit(const struct sim_block *block) {
  uint64_t limit = block->launch->block_limit;
  if (limit && block->executed > limit)
    sim_fault(&block->warps[0], NULL, SIM_NO_LANE, SIM_FAULT_OTHER,
              "the block has executed %llu instructions: it does not seem to end", (unsigned long long)block->executed);
}

/* When no warp can run: the next operation in flight ends, or else polls fail. */
static bool go_on(const struct sim_cluster *cluster) {
  for (uint32_t b = 0; b < cluster->count; b++)
    if (!cluster->blocks[b]->finished && sim_flight_advance(cluster->blocks[b]))
      return true;
  bool any = false;
  for (uint32_t b = 0; b < cluster->count; b++)
    if (!cluster->blocks[b]->finished)
      any |= let_go(cluster->blocks[b]);
  return any;
}

static const struct sim_block *first_running(const struct sim_cluster *cluster) {
  uint32_t rank = 0;
  while (rank < cluster->count && cluster->blocks[rank]->finished)
    rank++;
  return rank < cluster->count ? cluster->blocks[rank] : NULL;
}

static uint64_t executed_by(const struct sim_cluster *cluster) {
  uint64_t executed = 0;
  for (uint32_t b = 0; b < cluster->count; b++)
    executed += cluster->blocks[b]->executed;
  return executed;
}

/* Whether some block has slept since the last time. */
static bool has_slept(const struct sim_cluster *cluster) {
  bool any = false;
  for (uint32_t b = 0; b < cluster->count; b++) {
    any |= cluster->blocks[b]->sleeps;
    cluster->blocks[b]->sleeps = false;
  }
  return any;
}

bool sim_run_cluster(struct sim_cluster *cluster, uint64_t budget) {
  const struct sim_launch *launch = cluster->blocks[0]->launch;
  uint64_t end = executed_by(cluster) + budget;
  const struct sim_block *running;
  while ((running = first_running(cluster))) {
    bool progress = false;
    for (uint32_t b = 0; b < cluster->count; b++) {
      if (cluster->blocks[b]->finished)
        continue;
      progress |= run_round(cluster->blocks[b]);
      check_limit(cluster->blocks[b]);
    }
    if (!progress && !go_on(cluster))
      sim_report_deadlock(running);
    if (has_slept(cluster) || executed_by(cluster) > end || atomic_load_explicit(&launch->fault, memory_order_relaxed))
      return !first_running(cluster);
  }
  return true;
}
