/* Instructions in which lanes of a warp exchange values: shfl, vote, match, redux, elect. */
#include "check/ordering.h"
#include "exec/lanes.h"
#include "exec/scheduler.h"
#include "machine/fault.h"

/* Waits for the lanes of the member mask, which is source `index`; false when the instruction has to be
 * repeated. */
static bool members_ready(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint32_t index,
                          uint32_t *members) {
  const uint32_t *masks = sim_source(warp, inst, index);
  *members = masks[__builtin_ctz(lanes)];
  if (lanes & ~*members)
    sim_fault(warp, inst, (uint32_t)__builtin_ctz(lanes & ~*members), SIM_FAULT_CHECK,
              "the lane is not in the member mask %#x", *members);
  return sim_converged(warp, lanes, *members);
}

enum shuffle_mode { SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_BUTTERFLY, SHUFFLE_INDEX };

/* Source lane of a shuffle; *inside is the predicate result. */
static uint32_t shuffle_source(enum shuffle_mode mode, uint32_t lane, uint32_t b, uint32_t c, bool *inside) {
  uint32_t segment = c >> 8 & 31;
  uint32_t clamp = c & 31;
  uint32_t offset = b & 31;
  uint32_t limit = (lane & segment) | (clamp & ~segment);
  int32_t source = 0;
  *inside = false;
  switch (mode) {
  case SHUFFLE_UP:
    source = (int32_t)lane - (int32_t)offset;
    *inside = source >= (int32_t)limit;
    break;
  case SHUFFLE_DOWN:
    source = (int32_t)(lane + offset);
    *inside = source <= (int32_t)limit;
    break;
  case SHUFFLE_BUTTERFLY:
    source = (int32_t)(lane ^ offset);
    *inside = source <= (int32_t)limit;
    break;
  case SHUFFLE_INDEX:
    source = (int32_t)((lane & segment) | (offset & ~segment));
    *inside = source <= (int32_t)limit;
    break;
  }
  return *inside ? (uint32_t)source & 31 : lane;
}

static bool prepare_shuffle(struct sim_inst *inst, const struct sim_captures *captures) {
  static const char *const modes[] = {".up", ".down", ".bfly", ".idx"};
  while (!sim_capture_is(captures, 0, modes[inst->mode]))
    inst->mode++;
  return true;
}

static void exec_shuffle(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint32_t *a = sim_source(warp, inst, 0);
  const uint32_t *b = sim_source(warp, inst, 1);
  const uint32_t *c = sim_source(warp, inst, 2);
  uint32_t out[SIM_LANES];
  uint32_t inside_lanes = 0;
  uint32_t members;
  if (!members_ready(warp, inst, lanes, 3, &members))
    return;
  SIM_FOR_LANES(lane, lanes) {
    bool inside;
    uint32_t source = shuffle_source(inst->mode, lane, b[lane], c[lane], &inside);
    if (!sim_lane_in(lanes, source))
      sim_fault(warp, inst, lane, SIM_FAULT_CHECK, "reads lane %u, which does not execute the instruction", source);
    out[lane] = a[source];
    inside_lanes |= (uint32_t)inside << lane;
  }
  uint32_t *to = sim_operand(warp, inst, 0);
  SIM_FOR_LANES(lane, lanes)
    to[lane] = out[lane];
  sim_commit_predicate(warp, inst, 1, lanes, inside_lanes);
}

/* A shuffled value is as defined as the lane it came from. */
static void taint_shuffle(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint32_t *b = sim_source(warp, inst, 1);
  const uint32_t *c = sim_source(warp, inst, 2);
  const uint8_t *from = sim_taint_of(warp, inst->operands[inst->destinations]);
  uint8_t out[SIM_LANES];
  SIM_FOR_LANES(lane, lanes) {
    bool inside;
    out[lane] = from[shuffle_source(inst->mode, lane, b[lane], c[lane], &inside)];
  }
  SIM_FOR_LANES(lane, lanes) {
    sim_set_taint(warp, inst->operands[0], lane, out[lane]);
    sim_set_taint(warp, inst->operands[1], lane, 0);
  }
}

enum { VOTE_ALL, VOTE_ANY, VOTE_UNIFORM };

static bool prepare_vote(struct sim_inst *inst, const struct sim_captures *captures) {
  static const char *const modes[] = {".all", ".any", ".uni"};
  while (!sim_capture_is(captures, 0, modes[inst->mode]))
    inst->mode++;
  return true;
}

static void exec_vote(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t members;
  if (!members_ready(warp, inst, lanes, 1, &members))
    return;
  uint32_t votes = *(const uint32_t *)sim_source(warp, inst, 0) & lanes;
  bool result = inst->mode == VOTE_ALL   ? votes == lanes
                : inst->mode == VOTE_ANY ? votes != 0
                                         : votes == lanes || votes == 0;
  sim_commit_predicate(warp, inst, 0, lanes, result ? UINT32_MAX : 0);
}

static void fill(uint32_t *values, uint32_t value) {
  for (int i = 0; i < SIM_LANES; i++)
    values[i] = value;
}

static void exec_ballot(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t members;
  uint32_t out[SIM_LANES];
  if (!members_ready(warp, inst, lanes, 1, &members))
    return;
  fill(out, *(const uint32_t *)sim_source(warp, inst, 0) & lanes);
  sim_commit_word(warp, inst, 0, lanes, out);
}

static void exec_activemask(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t out[SIM_LANES];
  fill(out, lanes);
  sim_commit_word(warp, inst, 0, lanes, out);
}

static void exec_match_any(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint32_t *a = sim_source(warp, inst, 0);
  uint32_t members;
  uint32_t out[SIM_LANES] = {0};
  if (!members_ready(warp, inst, lanes, 1, &members))
    return;
  SIM_FOR_LANES(lane, lanes) {
    SIM_FOR_LANES(other, lanes)
      out[lane] |= (uint32_t)(a[lane] == a[other]) << other;
  }
  sim_commit_word(warp, inst, 0, lanes, out);
}

enum { REDUX_ADD, REDUX_MIN, REDUX_MAX, REDUX_AND, REDUX_OR, REDUX_XOR };

static bool prepare_redux(struct sim_inst *inst, const struct sim_captures *captures) {
  static const char *const modes[] = {".add", ".min", ".max", ".and", ".or", ".xor"};
  while (!sim_capture_is(captures, 0, modes[inst->mode]))
    inst->mode++;
  inst->is_signed = sim_capture_is(captures, 1, ".s32");
  return true;
}

static uint32_t reduce(const struct sim_inst *inst, uint32_t a, uint32_t b) {
  bool less = inst->is_signed ? (int32_t)a < (int32_t)b : a < b;
  switch (inst->mode) {
  case REDUX_ADD:
    return a + b;
  case REDUX_MIN:
    return less ? a : b;
  case REDUX_MAX:
    return less ? b : a;
  case REDUX_AND:
    return a & b;
  case REDUX_OR:
    return a | b;
  default:
    return a ^ b;
  }
}

static void exec_redux(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint32_t *a = sim_source(warp, inst, 0);
  uint32_t members;
  uint32_t out[SIM_LANES];
  if (!members_ready(warp, inst, lanes, 1, &members))
    return;
  uint32_t result = a[__builtin_ctz(lanes)];
  SIM_FOR_LANES(lane, lanes & (lanes - 1))
    result = reduce(inst, result, a[lane]);
  fill(out, result);
  sim_commit_word(warp, inst, 0, lanes, out);
}

static void exec_elect(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t members;
  uint32_t out[SIM_LANES];
  if (!members_ready(warp, inst, lanes, 0, &members))
    return;
  uint32_t leader = (uint32_t)__builtin_ctz(lanes);
  fill(out, leader);
  sim_commit_word(warp, inst, 0, lanes, out);
  sim_commit_predicate(warp, inst, 1, lanes, 1u << leader);
}

static void exec_warp_barrier(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t members;
  if (members_ready(warp, inst, lanes, 0, &members))
    sim_clock_tick(warp);
}

#define ROW(pattern, operands, exec, taint, prepare)                                                                   \
  { pattern, operands, exec, taint, prepare, SIM_FLOW_NEXT }

static const struct sim_form forms[] = {
    ROW("shfl.sync(.up|.down|.bfly|.idx).b32", "wo:wwww", exec_shuffle, taint_shuffle, prepare_shuffle),
    ROW("vote.sync(.all|.any|.uni).pred", "p:pw", exec_vote, sim_taint_warp, prepare_vote),
    ROW("vote.sync.ballot.b32", "w:pw", exec_ballot, sim_taint_warp, NULL),
    ROW("activemask.b32", "w:", exec_activemask, NULL, NULL),
    ROW("match.any.sync.b32", "w:ww", exec_match_any, sim_taint_warp, NULL),
    ROW("redux.sync(.add|.min|.max|.and|.or|.xor)(.u32|.s32|.b32)", "w:ww", exec_redux, sim_taint_warp, prepare_redux),
    ROW("elect.sync", "wo:w", exec_elect, NULL, NULL),
    ROW("bar.warp.sync", ":w", exec_warp_barrier, NULL, NULL),
};

const struct sim_form_table SIM_TABLE(sim_forms_warp) = SIM_FORM_TABLE(forms);
