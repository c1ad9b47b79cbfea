/* cp.async: copies from global to shared memory that happen when a wait asks for them, the latest moment the
 * ISA allows, so that a missing wait shows in the results as well as in the checks. */
#include "check/global.h"
#include "check/shared.h"
#include "exec/access.h"
#include "exec/flight.h"
#include "exec/lanes.h"
#include "exec/phase.h"
#include "machine/fault.h"
#include "program/modifiers.h"

/* What operand 2 says about the source. Other bytes of the destination become zero. */
enum { COPY_ALL, COPY_SIZE, COPY_UNLESS };

static uint32_t source_bytes(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t bytes) {
  const uint32_t *operand = inst->mode == COPY_ALL ? NULL : sim_source(warp, inst, 2);
  if (inst->mode == COPY_SIZE)
    return operand[lane];
  return inst->mode == COPY_UNLESS && sim_lane_in(*operand, lane) ? 0 : bytes;
}

static void move_bytes(struct sim_warp *warp, const struct sim_flight *copy) {
  uint8_t *to = warp->block->shared + copy->destination;
  memset(to, 0, copy->bytes);
  if (copy->source_bytes)
    memcpy(to, (const void *)(uintptr_t)copy->source, copy->source_bytes);
}

static void land_copy(struct sim_warp *warp, struct sim_flight *copy, const struct sim_actor *by) {
  move_bytes(warp, copy);
  if (warp->block->launch->checks)
    sim_shared_copy_end(warp->block, by->index, by->clock, copy->lane, copy->destination, copy->bytes, copy->undefined);
}

static void exec_copy(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access to;
  struct sim_access from;
  uint32_t bytes = (uint32_t)inst->immediate;
  uint32_t reading = 0;
  bool checks = warp->block->launch->checks;
  sim_resolve(warp, inst, lanes, 0, PTX_SHARED, bytes, bytes, &to);
  SIM_FOR_LANES(lane, lanes) {
    uint32_t size = source_bytes(warp, inst, lane, bytes);
    if (size > bytes)
      sim_fault(warp, inst, lane, SIM_FAULT_OTHER, "source size %u is larger than %u bytes", size, bytes);
    reading |= (uint32_t)(size > 0) << lane;
  }
  sim_resolve(warp, inst, reading, 1, PTX_GLOBAL, 1, bytes, &from);
  SIM_FOR_LANES(lane, lanes) {
    struct sim_flight copy = {.land = land_copy,
                              .source = from.address[lane],
                              .destination = (uint32_t)to.address[lane],
                              .lane = (uint8_t)lane,
                              .bytes = bytes,
                              .source_bytes = source_bytes(warp, inst, lane, bytes)};
    struct sim_allocation *allocation = sim_lane_in(reading, lane) ? from.allocation[lane] : NULL;
    uint64_t last = copy.source + copy.source_bytes - 1;
    if (allocation && last - allocation->base >= allocation->size)
      sim_fault(warp, inst, lane, SIM_FAULT_ADDRESS, "%u bytes at global address %#llx are out of bounds",
                copy.source_bytes, (unsigned long long)copy.source);
    if (checks) {
      if (allocation)
        copy.undefined = sim_global_read(warp, inst, lane, allocation, copy.source, copy.source_bytes, SIM_PLAIN);
      sim_shared_copy_begin(warp, inst, lane, copy.destination, bytes);
    }
    sim_flight_issue(&warp->copies, &copy);
  }
}

static void exec_commit(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  (void)inst;
  sim_flight_commit(&warp->copies, lanes);
}

static void exec_wait_group(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  sim_flight_land_groups(warp, &warp->copies, lanes, (uint32_t)inst->immediate);
}

static void exec_wait_all(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const struct sim_actor self = sim_flight_self(warp);
  (void)inst;
  sim_flight_land_before(warp, &warp->copies, lanes, UINT64_MAX, &self);
}

/*
 * An arrival that comes when the copies before it have ended. What they wrote is the mbarrier's agent's. Those of a
 * thread come in their order: else one would end copies that an earlier one is about, and whoever waits for that would
 * seem not to know of them.
 */
static void land_arrival(struct sim_warp *warp, struct sim_flight *arrival, const struct sim_actor *by) {
  struct sim_block *block = warp->block;
  uint32_t lane = arrival->lane;
  struct sim_mbarrier *mbarrier = sim_phase_object(warp, arrival->inst, lane, block, arrival->destination);
  const struct sim_actor agent = {mbarrier->agent, ++block->clock};
  (void)by;
  mbarrier->copy = arrival->inst;
  mbarrier->arriving.seen[agent.index] = agent.clock;
  sim_flight_land_before(warp, &warp->copies, 1u << lane, arrival->source, &agent);
  sim_phase_arrive(warp, arrival->inst, lane, block, mbarrier, 1, false);
}

enum { ARRIVE_COUNTED, ARRIVE_NOT_COUNTED };

static void exec_arrive(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access access;
  sim_resolve(warp, inst, lanes, 0, inst->space, SIM_MBARRIER_BYTES, SIM_MBARRIER_BYTES, &access);
  SIM_FOR_LANES(lane, lanes) {
    struct sim_mbarrier *mbarrier = sim_phase_object(warp, inst, lane, warp->block, (uint32_t)access.address[lane]);
    mbarrier->pending += inst->mode == ARRIVE_COUNTED;
    const struct sim_flight arrival = {.land = land_arrival,
                                       .inst = inst,
                                       .source = warp->copies.issued,
                                       .destination = mbarrier->address,
                                       .lane = (uint8_t)lane};
    sim_flight_issue_timed(warp, &arrival);
    sim_flight_keep_order(warp->block);
  }
}

static bool prepare_arrive(struct sim_inst *inst, const struct sim_captures *captures) {
  inst->mode = sim_capture_is(captures, 0, ".noinc") ? ARRIVE_NOT_COUNTED : ARRIVE_COUNTED;
  sim_set_space(inst, captures, 1);
  return true;
}

#define ROW(pattern, operands, exec, taint, prepare)                                                                   \
  { pattern, operands, exec, taint, prepare, SIM_FLOW_NEXT }
#define COPY "cp.async(.ca|.cg)(.shared|.shared::cta).global"
#define PREFETCH "[.L2::64B|.L2::128B|.L2::256B]"

static bool prepare_size(struct sim_inst *inst, const struct sim_captures *captures) {
  (void)captures;
  inst->mode = COPY_SIZE;
  return true;
}

static bool prepare_unless(struct sim_inst *inst, const struct sim_captures *captures) {
  (void)captures;
  inst->mode = COPY_UNLESS;
  return true;
}

static const struct sim_form forms[] = {
    ROW(COPY PREFETCH, ":mmi", exec_copy, sim_taint_address, NULL),
    ROW(COPY PREFETCH, ":mmiw", exec_copy, sim_taint_address, prepare_size),
    ROW(COPY PREFETCH, ":mmip", exec_copy, sim_taint_address, prepare_unless),
    ROW(COPY ".L2::cache_hint" PREFETCH, ":mmix", exec_copy, sim_taint_address, NULL),
    ROW(COPY ".L2::cache_hint" PREFETCH, ":mmiwx", exec_copy, sim_taint_address, prepare_size),
    ROW(COPY ".L2::cache_hint" PREFETCH, ":mmipx", exec_copy, sim_taint_address, prepare_unless),
    ROW("cp.async.commit_group", "", exec_commit, sim_taint_none, NULL),
    ROW("cp.async.wait_group", ":i", exec_wait_group, sim_taint_none, NULL),
    ROW("cp.async.wait_all", "", exec_wait_all, sim_taint_none, NULL),
    ROW("cp.async.mbarrier.arrive[.noinc][.shared|.shared::cta].b64", ":m", exec_arrive, sim_taint_address,
        prepare_arrive),
};

const struct sim_form_table SIM_TABLE(sim_forms_async) = SIM_FORM_TABLE(forms);
