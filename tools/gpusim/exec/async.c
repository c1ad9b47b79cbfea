/* cp.async: copies from global to shared memory that happen when a wait asks for them, the latest moment the
 * ISA allows, so that a missing wait shows in the results as well as in the checks. */
#include "check/global.h"
#include "check/shared.h"
#include "exec/access.h"
#include "exec/lanes.h"
#include "machine/fault.h"

/* What operand 2 says about the source. Other bytes of the destination become zero. */
enum { COPY_ALL, COPY_SIZE, COPY_UNLESS };

static uint32_t source_bytes(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t bytes) {
  const uint32_t *operand = inst->mode == COPY_ALL ? NULL : sim_source(warp, inst, 2);
  if (inst->mode == COPY_SIZE)
    return operand[lane];
  return inst->mode == COPY_UNLESS && sim_lane_in(*operand, lane) ? 0 : bytes;
}

static void add_copy(struct sim_async *async, struct sim_async_copy copy) {
  SIM_PUSH(async->copies, async->copy_count, async->copy_capacity);
  async->copies[async->copy_count++] = copy;
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
    struct sim_async_copy copy = {.source = from.address[lane],
                                  .destination = (uint32_t)to.address[lane],
                                  .group = warp->async.commits[lane],
                                  .lane = (uint8_t)lane,
                                  .bytes = (uint8_t)bytes,
                                  .source_bytes = (uint8_t)source_bytes(warp, inst, lane, bytes)};
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
    add_copy(&warp->async, copy);
  }
}

static void finish_copy(struct sim_warp *warp, const struct sim_async_copy *copy) {
  uint8_t *to = warp->block->shared + copy->destination;
  memset(to, 0, copy->bytes);
  if (copy->source_bytes)
    memcpy(to, (const void *)(uintptr_t)copy->source, copy->source_bytes);
  if (warp->block->launch->checks)
    sim_shared_copy_end(warp, copy->lane, copy->destination, copy->bytes, copy->undefined);
}

/* Finishes the copies of `lanes` that belong to groups before the lane's limit, in the order of issue. */
static void finish_groups(struct sim_warp *warp, uint32_t lanes, const uint32_t *limits) {
  struct sim_async *async = &warp->async;
  size_t kept = 0;
  for (size_t i = 0; i < async->copy_count; i++) {
    const struct sim_async_copy *copy = &async->copies[i];
    if (sim_lane_in(lanes, copy->lane) && copy->group < limits[copy->lane])
      finish_copy(warp, copy);
    else
      async->copies[kept++] = *copy;
  }
  async->copy_count = kept;
}

static void exec_commit(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  (void)inst;
  SIM_FOR_LANES(lane, lanes)
    warp->async.commits[lane]++;
}

static void exec_wait_group(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t limits[SIM_LANES];
  uint32_t pending = (uint32_t)inst->immediate;
  for (int i = 0; i < SIM_LANES; i++)
    limits[i] = warp->async.commits[i] > pending ? warp->async.commits[i] - pending : 0;
  finish_groups(warp, lanes, limits);
}

static void exec_wait_all(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t limits[SIM_LANES];
  (void)inst;
  memset(limits, 0xff, sizeof limits);
  finish_groups(warp, lanes, limits);
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
};

const struct sim_form_table SIM_TABLE(sim_forms_async) = SIM_FORM_TABLE(forms);
