/* mbarrier: objects in shared memory that count arrivals and bytes, phase after phase. */
#include "check/ordering.h"
#include "check/shared.h"
#include "exec/access.h"
#include "exec/lanes.h"
#include "exec/phase.h"
#include "exec/scheduler.h"
#include "machine/cluster.h"
#include "machine/fault.h"
#include "program/modifiers.h"

/* Mode of arrivals. */
enum { ARRIVE_EXPECTS = 1, ARRIVE_DROPS = 2, ARRIVE_ENDS_NOTHING = 4 };

/* Mode of waits. */
enum { WAIT_PARITY = 1, WAIT_BLOCKS = 2 };

static void resolve(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, struct sim_access *access) {
  sim_resolve(warp, inst, lanes, 0, inst->space, SIM_MBARRIER_BYTES, SIM_MBARRIER_BYTES, access);
  if (lanes & ~access->shared)
    sim_fault(warp, inst, (uint32_t)__builtin_ctz(lanes & ~access->shared), SIM_FAULT_ADDRESS,
              "an mbarrier lies in shared memory");
}

static struct sim_block *owner_of(const struct sim_warp *warp, const struct sim_access *access, uint32_t lane) {
  return sim_cluster_owner(warp->block, access->address[lane]);
}

static struct sim_mbarrier *object_of(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                                      const struct sim_access *access) {
  return sim_phase_object(warp, inst, lane, owner_of(warp, access, lane), sim_cluster_offset(access->address[lane]));
}

/* Other blocks arrive at an object; they neither begin nor end it, nor wait for it. */
static void check_own(const struct sim_warp *warp, const struct sim_inst *inst, const struct sim_access *access) {
  if (access->remote)
    sim_fault(warp, inst, (uint32_t)__builtin_ctz(access->remote), SIM_FAULT_CHECK,
              "the mbarrier is another block's: only arrivals may be remote");
}

static uint32_t word_or(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t index, uint32_t lane,
                        uint32_t fallback) {
  return index < inst->sources ? ((const uint32_t *)sim_source(warp, inst, index))[lane] : fallback;
}

static void exec_init(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access access;
  struct sim_block *block = warp->block;
  resolve(warp, inst, lanes, &access);
  check_own(warp, inst, &access);
  SIM_FOR_LANES(lane, lanes) {
    uint32_t address = (uint32_t)access.address[lane];
    uint32_t count = word_or(warp, inst, 1, lane, 0);
    if (count == 0 || count > SIM_MBARRIER_MAX)
      sim_fault(warp, inst, lane, SIM_FAULT_OTHER, "an mbarrier for %u arrivals: 1 to %d are allowed", count,
                SIM_MBARRIER_MAX);
    if (sim_mbarrier_find(block, address))
      sim_fault(warp, inst, lane, SIM_FAULT_CHECK, "the mbarrier at shared memory %u is in use (no mbarrier.inval)",
                address);
    if (block->launch->checks)
      sim_shared_write(warp, inst, lane, address, SIM_MBARRIER_BYTES, 0, SIM_PLAIN);
    struct sim_mbarrier *mbarrier = sim_mbarrier_add(block, address);
    if (!mbarrier)
      sim_fault(warp, inst, lane, SIM_FAULT_OTHER, "more than %d mbarriers in a block", SIM_MAX_MBARRIERS);
    mbarrier->expected = mbarrier->pending = count;
    mbarrier->initializer = (uint8_t)warp->index;
    mbarrier->init_clock = warp->known.seen[warp->index];
    mbarrier->init = inst;
    if (block->launch->checks)
      sim_shared_mark_mbarrier(block, address, true);
  }
}

static void exec_inval(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access access;
  resolve(warp, inst, lanes, &access);
  check_own(warp, inst, &access);
  SIM_FOR_LANES(lane, lanes) {
    struct sim_mbarrier *mbarrier = object_of(warp, inst, lane, &access);
    if (warp->block->launch->checks)
      sim_shared_mark_mbarrier(warp->block, mbarrier->address, false);
    sim_mbarrier_remove(warp->block, mbarrier);
  }
}

/* The state before the arrival: its phase, and the arrivals it waited for. */
static uint64_t state_of(const struct sim_mbarrier *mbarrier) {
  return (uint64_t)mbarrier->phase << 32 | mbarrier->pending;
}

static void exec_arrive(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access access;
  bool expects = inst->mode & ARRIVE_EXPECTS;
  resolve(warp, inst, lanes, &access);
  SIM_FOR_LANES(lane, lanes) {
    struct sim_mbarrier *mbarrier = object_of(warp, inst, lane, &access);
    uint64_t state = state_of(mbarrier);
    if (expects)
      sim_phase_expect(warp, inst, lane, mbarrier, word_or(warp, inst, 1, lane, 0));
    uint32_t count = expects ? 1 : word_or(warp, inst, 1, lane, 1);
    if (inst->mode & ARRIVE_DROPS)
      mbarrier->expected -= count < mbarrier->expected ? count : mbarrier->expected;
    bool ended =
        sim_phase_arrive(warp, inst, lane, owner_of(warp, &access, lane), mbarrier, count, inst->order & SIM_RELEASE);
    if (ended && (inst->mode & ARRIVE_ENDS_NOTHING))
      sim_fault(warp, inst, lane, SIM_FAULT_CHECK, "the arrival with .noComplete ends the phase of the mbarrier at %u",
                mbarrier->address);
    if (inst->destinations)
      ((uint64_t *)sim_operand(warp, inst, 0))[lane] = state;
  }
  sim_clock_tick(warp);
}

static void exec_expect(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access access;
  resolve(warp, inst, lanes, &access);
  SIM_FOR_LANES(lane, lanes)
    sim_phase_expect(warp, inst, lane, object_of(warp, inst, lane, &access), word_or(warp, inst, 1, lane, 0));
}

static void exec_complete(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access access;
  resolve(warp, inst, lanes, &access);
  SIM_FOR_LANES(lane, lanes)
    sim_phase_complete(warp, inst, lane, owner_of(warp, &access, lane), object_of(warp, inst, lane, &access),
                       word_or(warp, inst, 1, lane, 0));
}

/* Has the phase that the lane asks for ended? A parity names the present phase or the one before it. */
static bool has_ended(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                      const struct sim_mbarrier *mbarrier) {
  if (!(inst->mode & WAIT_PARITY))
    return mbarrier->phase != (uint32_t)(((const uint64_t *)sim_source(warp, inst, 1))[lane] >> 32);
  uint32_t parity = word_or(warp, inst, 1, lane, 0);
  if (parity > 1)
    sim_fault(warp, inst, lane, SIM_FAULT_OTHER, "the parity of a phase is 0 or 1, not %u", parity);
  return (mbarrier->phase & 1) != parity;
}

static void exec_wait(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access access;
  uint32_t ended = 0;
  resolve(warp, inst, lanes, &access);
  check_own(warp, inst, &access);
  SIM_FOR_LANES(lane, lanes) {
    const struct sim_mbarrier *mbarrier = object_of(warp, inst, lane, &access);
    if (!has_ended(warp, inst, lane, mbarrier))
      continue;
    ended |= 1u << lane;
    if (inst->order & SIM_ACQUIRE)
      sim_phase_acquire(warp, mbarrier);
  }
  if (!ended && !sim_poll_failed(warp, lanes, inst->mode & WAIT_BLOCKS))
    return;
  sim_commit_predicate(warp, inst, 0, lanes, ended);
}

static void exec_pending_count(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint64_t *states = sim_source(warp, inst, 0);
  uint32_t out[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++)
    out[i] = (uint32_t)states[i];
  sim_commit_word(warp, inst, 0, lanes, out);
}

/* A fence of the initialisations by this warp. */
static void exec_fence_init(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  (void)inst;
  (void)lanes;
  sim_mbarriers_publish(warp);
}

static bool has_part(const struct sim_captures *captures, const char *part) {
  for (uint32_t i = 0; i < captures->count; i++)
    if (sim_capture_is(captures, i, part))
      return true;
  return false;
}

/* Arrivals release and waits acquire unless they say .relaxed. */
static bool prepare_object(struct sim_inst *inst, const struct sim_captures *captures) {
  sim_set_space(inst, captures, captures->count - 1);
  if (!has_part(captures, ".relaxed"))
    inst->order = SIM_STRONG | SIM_ACQUIRE | SIM_RELEASE;
  return true;
}

static bool prepare_arrive(struct sim_inst *inst, const struct sim_captures *captures) {
  inst->mode |= has_part(captures, ".expect_tx") ? ARRIVE_EXPECTS : 0;
  inst->mode |= has_part(captures, ".arrive_drop") ? ARRIVE_DROPS : 0;
  inst->mode |= has_part(captures, ".noComplete") ? ARRIVE_ENDS_NOTHING : 0;
  return prepare_object(inst, captures);
}

static bool prepare_wait(struct sim_inst *inst, const struct sim_captures *captures) {
  inst->mode |= has_part(captures, ".parity") ? WAIT_PARITY : 0;
  inst->mode |= has_part(captures, ".try_wait") ? WAIT_BLOCKS : 0;
  return prepare_object(inst, captures);
}

#define ROW(pattern, operands, exec, prepare)                                                                          \
  { pattern, operands, exec, sim_taint_address, prepare, SIM_FLOW_NEXT }
#define SPACE "[.shared|.shared::cta]"
#define ANY_SPACE "[.shared|.shared::cta|.shared::cluster]"
#define RELEASE "[.release|.relaxed][.cta|.cluster]"
#define ACQUIRE "[.acquire|.relaxed][.cta|.cluster]"
#define ARRIVE "mbarrier(.arrive|.arrive_drop)"

static const struct sim_form forms[] = {
    ROW("mbarrier.init" SPACE ".b64", ":mw", exec_init, prepare_object),
    ROW("mbarrier.inval" SPACE ".b64", ":m", exec_inval, prepare_object),
    ROW(ARRIVE RELEASE ANY_SPACE ".b64", "x:m", exec_arrive, prepare_arrive),
    ROW(ARRIVE RELEASE ANY_SPACE ".b64", "x:mw", exec_arrive, prepare_arrive),
    ROW(ARRIVE "(.expect_tx)" RELEASE ANY_SPACE ".b64", "x:mw", exec_arrive, prepare_arrive),
    ROW(ARRIVE "(.noComplete)" RELEASE ANY_SPACE ".b64", "x:mw", exec_arrive, prepare_arrive),
    ROW("mbarrier.expect_tx[.relaxed][.cta|.cluster]" ANY_SPACE ".b64", ":mw", exec_expect, prepare_object),
    ROW("mbarrier.complete_tx[.relaxed][.cta|.cluster]" ANY_SPACE ".b64", ":mw", exec_complete, prepare_object),
    ROW("mbarrier(.test_wait)" ACQUIRE SPACE ".b64", "p:mx", exec_wait, prepare_wait),
    ROW("mbarrier(.test_wait)(.parity)" ACQUIRE SPACE ".b64", "p:mw", exec_wait, prepare_wait),
    ROW("mbarrier(.try_wait)" ACQUIRE SPACE ".b64", "p:mx", exec_wait, prepare_wait),
    ROW("mbarrier(.try_wait)" ACQUIRE SPACE ".b64", "p:mxw", exec_wait, prepare_wait),
    ROW("mbarrier(.try_wait)(.parity)" ACQUIRE SPACE ".b64", "p:mw", exec_wait, prepare_wait),
    ROW("mbarrier(.try_wait)(.parity)" ACQUIRE SPACE ".b64", "p:mww", exec_wait, prepare_wait),
    {"mbarrier.pending_count.b64", "w:x", exec_pending_count, NULL, NULL, SIM_FLOW_NEXT},
    {"fence.mbarrier_init.release.cluster", "", exec_fence_init, sim_taint_none, NULL, SIM_FLOW_NEXT},
};

const struct sim_form_table SIM_TABLE(sim_forms_mbarrier) = SIM_FORM_TABLE(forms);
