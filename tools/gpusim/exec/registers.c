/* setmaxnreg: the registers of a block move from warps that need few to warps that need many. */
#include "exec/lanes.h"
#include "exec/scheduler.h"
#include "machine/fault.h"

enum { LEAST = 24, MOST = 256, STEP = 8 };

static bool allowed(uint64_t count) {
  return count >= LEAST && count <= MOST && count % STEP == 0;
}

static void check_count(const struct sim_warp *warp, const struct sim_inst *inst, bool right_way) {
  if (!allowed(inst->immediate))
    sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_OTHER, "%llu registers: multiples of %d from %d to %d are allowed",
              (unsigned long long)inst->immediate, STEP, LEAST, MOST);
  if (warp->registers && !right_way)
    sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_CHECK, "the warp has %u registers per thread already",
              warp->registers);
}

static void exec_decrease(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t count = (uint32_t)inst->immediate;
  if (!sim_converged(warp, lanes, UINT32_MAX))
    return;
  check_count(warp, inst, count <= warp->registers);
  if (!warp->registers)
    return;
  warp->block->free_registers += (warp->registers - count) * SIM_LANES;
  warp->block->events++;
  warp->registers = count;
}

/* Waits for the registers that other warps give up. */
static void exec_increase(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t count = (uint32_t)inst->immediate;
  if (!sim_converged(warp, lanes, UINT32_MAX))
    return;
  check_count(warp, inst, count >= warp->registers);
  if (!warp->registers)
    return;
  uint32_t more = (count - warp->registers) * SIM_LANES;
  if (more > warp->block->free_registers) {
    sim_wait_for_event(warp, lanes);
    return;
  }
  warp->block->free_registers -= more;
  warp->registers = count;
}

static const struct sim_form forms[] = {
    {"setmaxnreg.dec.sync.aligned.u32", ":i", exec_decrease, sim_taint_none, NULL, SIM_FLOW_NEXT},
    {"setmaxnreg.inc.sync.aligned.u32", ":i", exec_increase, sim_taint_none, NULL, SIM_FLOW_NEXT},
};

const struct sim_form_table SIM_TABLE(sim_forms_registers) = SIM_FORM_TABLE(forms);
