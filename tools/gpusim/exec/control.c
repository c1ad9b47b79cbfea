/* Control flow, block barriers, clocks and the instructions that do nothing here. */
#include "exec/barrier.h"
#include "exec/lanes.h"
#include "exec/scheduler.h"
#include "machine/fault.h"

#include <time.h>

static void exec_branch(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  sim_branch(warp, lanes, inst->targets[0]);
}

/* Lanes with one target stay together, whichever entries of the table name it. */
static void exec_indexed_branch(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint32_t *index = sim_source(warp, inst, 0);
  uint32_t targets[SIM_LANES];
  SIM_FOR_LANES(lane, lanes) {
    if (index[lane] >= inst->target_count)
      sim_fault(warp, inst, lane, SIM_FAULT_OTHER, "index %u is beyond the branch table of %u", index[lane],
                inst->target_count);
    targets[lane] = inst->targets[index[lane]];
  }
  sim_branch_each(warp, lanes, targets);
}

static void exec_exit(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  sim_exit(warp, inst, lanes);
}

static void copy_frame(struct sim_warp *warp, uint32_t lanes, const struct sim_frame_copy *copy) {
  struct sim_block *block = warp->block;
  SIM_FOR_LANES(lane, lanes) {
    size_t frame = (size_t)(warp->index * SIM_LANES + lane) * block->program->local_bytes;
    memmove(block->local + frame + copy->to, block->local + frame + copy->from, copy->size);
    memmove(block->local_defined + frame + copy->to, block->local_defined + frame + copy->from, copy->size);
  }
}

static void exec_call(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_fragment *fragment = sim_current(warp);
  uint32_t back = fragment->pc;
  if (fragment->depth == SIM_MAX_CALL_DEPTH)
    sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_OTHER, "calls are nested deeper than %d", SIM_MAX_CALL_DEPTH);
  for (uint32_t i = 0; i < inst->call->argument_count; i++)
    copy_frame(warp, lanes, &inst->call->arguments[i]);
  sim_branch(warp, lanes, (uint32_t)inst->immediate);
  fragment = sim_current(warp);
  fragment->returns[fragment->depth] = back;
  fragment->calls[fragment->depth++] = inst->call;
}

static void exec_return(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_fragment *fragment = sim_current(warp);
  if (fragment->depth == 0) {
    sim_exit(warp, inst, lanes);
    return;
  }
  uint32_t depth = fragment->depth - 1u;
  uint32_t back = fragment->returns[depth];
  const struct sim_call *call = fragment->calls[depth];
  if (call->result.size)
    copy_frame(warp, lanes, &call->result);
  sim_branch(warp, lanes, back);
  sim_current(warp)->depth = (uint8_t)depth;
}

static void exec_trap(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  sim_fault(warp, inst, (uint32_t)__builtin_ctz(lanes), SIM_FAULT_OTHER, "the kernel executed trap");
}

/* Launches run one after the other here: all that is waited for has happened. */
static void exec_wait_for_launch(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  (void)inst;
  warp->early &= ~lanes;
  warp->beside &= ~lanes;
  atomic_store_explicit(&warp->block->launch->waited, true, memory_order_relaxed);
}

/* Of a block that has waited itself: what it has waited for is over for the launch after, too. */
static void exec_release_next(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_block *block = warp->block;
  (void)inst;
  if (block->releases || (warp->early & lanes))
    return;
  block->releases = true;
  atomic_fetch_add(&block->launch->releasing, 1);
}

static void exec_nothing(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  (void)warp;
  (void)inst;
  (void)lanes;
}

static void exec_sleep(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  (void)inst;
  (void)lanes;
  warp->yield = true;
  warp->block->sleeps = true;
}

/* Barriers. The mode is the reduction. */
static uint8_t reduction_of(const struct sim_captures *captures) {
  static const char *const names[] = {[SIM_REDUCE_POPC] = ".popc", [SIM_REDUCE_AND] = ".and", [SIM_REDUCE_OR] = ".or"};
  for (uint32_t i = 0; i < captures->count; i++)
    for (uint8_t r = SIM_REDUCE_POPC; r <= SIM_REDUCE_OR; r++)
      if (sim_capture_is(captures, i, names[r]))
        return r;
  return SIM_REDUCE_NONE;
}

/* `bar` is always aligned, `barrier` says so. */
static bool prepare_aligned(struct sim_inst *inst, const struct sim_captures *captures) {
  inst->aligned = true;
  inst->mode = reduction_of(captures);
  return true;
}

static bool prepare_barrier(struct sim_inst *inst, const struct sim_captures *captures) {
  for (uint32_t i = 0; i < captures->count; i++)
    inst->aligned = inst->aligned || sim_capture_is(captures, i, ".aligned");
  inst->mode = reduction_of(captures);
  return true;
}

static uint32_t uniform_operand(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t index,
                                uint32_t lanes) {
  if (index >= inst->sources)
    return 0;
  return ((const uint32_t *)sim_source(warp, inst, index))[__builtin_ctz(lanes)];
}

static bool barrier_ready(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint32_t id) {
  if (id >= SIM_MAX_BARRIERS)
    sim_fault(warp, inst, (uint32_t)__builtin_ctz(lanes), SIM_FAULT_OTHER, "barrier %u does not exist", id);
  return !inst->aligned || sim_converged(warp, lanes, UINT32_MAX);
}

static void exec_barrier_sync(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t id = uniform_operand(warp, inst, 0, lanes);
  if (barrier_ready(warp, inst, lanes, id))
    sim_barrier_wait(warp, inst, lanes, id, uniform_operand(warp, inst, 1, lanes));
}

static void exec_barrier_arrive(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t id = uniform_operand(warp, inst, 0, lanes);
  if (barrier_ready(warp, inst, lanes, id))
    sim_barrier_arrive(warp, inst, lanes, id, uniform_operand(warp, inst, 1, lanes));
}

static void exec_barrier_reduce(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t id = uniform_operand(warp, inst, 0, lanes);
  uint32_t votes = *(const uint32_t *)sim_source(warp, inst, inst->sources - 1u) & lanes;
  if (!barrier_ready(warp, inst, lanes, id))
    return;
  struct sim_barrier *barrier = &warp->block->barriers[id];
  barrier->votes += (uint32_t)__builtin_popcount(votes);
  barrier->voters += (uint32_t)__builtin_popcount(lanes);
  sim_barrier_wait(warp, inst, lanes, id, inst->sources > 2 ? uniform_operand(warp, inst, 1, lanes) : 0);
}

/* Clocks: time is the number of instructions the block has executed. */
static void exec_clock_word(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t out[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++)
    out[i] = (uint32_t)warp->block->executed;
  sim_commit_word(warp, inst, 0, lanes, out);
}

static void exec_clock_high(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t out[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++)
    out[i] = (uint32_t)(warp->block->executed >> 32);
  sim_commit_word(warp, inst, 0, lanes, out);
}

static void exec_clock_wide(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint64_t out[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++)
    out[i] = warp->block->executed;
  sim_commit_wide(warp, inst, 0, lanes, out);
}

static uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void exec_timer_wide(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint64_t out[SIM_LANES];
  uint64_t now = nanoseconds();
  for (int i = 0; i < SIM_LANES; i++)
    out[i] = now;
  sim_commit_wide(warp, inst, 0, lanes, out);
}

static void exec_timer_word(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t out[SIM_LANES];
  uint32_t now = (uint32_t)nanoseconds();
  for (int i = 0; i < SIM_LANES; i++)
    out[i] = now;
  sim_commit_word(warp, inst, 0, lanes, out);
}

#define ROW(pattern, operands, exec, taint, prepare)                                                                   \
  { pattern, operands, exec, taint, prepare, SIM_FLOW_NEXT }
#define FLOW(pattern, operands, exec, flow)                                                                            \
  { pattern, operands, exec, NULL, NULL, flow }

static const struct sim_form forms[] = {
    FLOW("bra[.uni]", ":l", exec_branch, SIM_FLOW_END),
    FLOW("brx.idx[.uni]", ":wt", exec_indexed_branch, SIM_FLOW_END),
    FLOW("call[.uni]", "", exec_call, SIM_FLOW_NEXT),
    FLOW("ret[.uni]", "", exec_return, SIM_FLOW_END),
    FLOW("exit", "", exec_exit, SIM_FLOW_END),
    FLOW("trap", "", exec_trap, SIM_FLOW_NEXT),
    FLOW("brkpt", "", exec_nothing, SIM_FLOW_NEXT),
    ROW("nanosleep.u32", ":w", exec_sleep, NULL, NULL),
    ROW("griddepcontrol.wait", "", exec_wait_for_launch, sim_taint_none, NULL),
    ROW("griddepcontrol.launch_dependents", "", exec_release_next, sim_taint_none, NULL),
    ROW("discard.global.L2", ":mi", exec_nothing, sim_taint_none, NULL),
    ROW("bar[.cta].sync[.aligned]", ":w", exec_barrier_sync, NULL, prepare_aligned),
    ROW("bar[.cta].sync[.aligned]", ":ww", exec_barrier_sync, NULL, prepare_aligned),
    ROW("barrier[.cta].sync[.aligned]", ":w", exec_barrier_sync, NULL, prepare_barrier),
    ROW("barrier[.cta].sync[.aligned]", ":ww", exec_barrier_sync, NULL, prepare_barrier),
    ROW("bar[.cta].arrive[.aligned]", ":ww", exec_barrier_arrive, NULL, prepare_aligned),
    ROW("barrier[.cta].arrive[.aligned]", ":ww", exec_barrier_arrive, NULL, prepare_barrier),
    ROW("bar[.cta].red(.popc)[.aligned].u32", "w:wp", exec_barrier_reduce, sim_taint_warp, prepare_aligned),
    ROW("barrier[.cta].red(.popc)[.aligned].u32", "w:wp", exec_barrier_reduce, sim_taint_warp, prepare_barrier),
    ROW("bar[.cta].red(.and|.or)[.aligned].pred", "p:wp", exec_barrier_reduce, sim_taint_warp, prepare_aligned),
    ROW("barrier[.cta].red(.and|.or)[.aligned].pred", "p:wp", exec_barrier_reduce, sim_taint_warp, prepare_barrier),
    ROW("bar[.cta].red(.popc)[.aligned].u32", "w:wwp", exec_barrier_reduce, sim_taint_warp, prepare_aligned),
    ROW("barrier[.cta].red(.popc)[.aligned].u32", "w:wwp", exec_barrier_reduce, sim_taint_warp, prepare_barrier),
    ROW("bar[.cta].red(.and|.or)[.aligned].pred", "p:wwp", exec_barrier_reduce, sim_taint_warp, prepare_aligned),
    ROW("barrier[.cta].red(.and|.or)[.aligned].pred", "p:wwp", exec_barrier_reduce, sim_taint_warp, prepare_barrier),
    ROW("=clock.u32", "w:", exec_clock_word, NULL, NULL),
    ROW("=clock_hi.u32", "w:", exec_clock_high, NULL, NULL),
    ROW("=clock.u64", "x:", exec_clock_wide, NULL, NULL),
    ROW("=globaltimer.u64", "x:", exec_timer_wide, NULL, NULL),
    ROW("=globaltimer.u32", "w:", exec_timer_word, NULL, NULL),
};

const struct sim_form_table SIM_TABLE(sim_forms_control) = SIM_FORM_TABLE(forms);
