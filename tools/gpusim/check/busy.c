/* Registers that matrix products in flight read and write. */
#include "check/busy.h"

#include "arena.h"
#include "machine/fault.h"

#include <string.h>

/* The sources of a product that are registers of A come first; accumulators are its destinations. */
static uint32_t operand_registers(const struct sim_inst *inst) {
  return inst->order; /* of a product: how many words of A are in registers */
}

void sim_busy_add(struct sim_warp *warp, const struct sim_inst *inst) {
  struct sim_products *products = &warp->products;
  if (!products->busy)
    products->busy = sim_allocate(warp->block->program->slots);
  for (uint32_t d = 0; d < inst->destinations; d++)
    products->busy[inst->operands[d]] = SIM_BUSY_RESULT;
  for (uint32_t s = 0; s < operand_registers(inst); s++)
    products->busy[inst->operands[inst->destinations + s]] = SIM_BUSY_OPERAND;
}

void sim_busy_renew(struct sim_warp *warp) {
  struct sim_products *products = &warp->products;
  if (!products->busy)
    return;
  memset(products->busy, 0, warp->block->program->slots);
  for (uint32_t i = 0; i < products->count; i++)
    sim_busy_add(warp, products->items[i].inst);
}

static uint32_t line_of_holder(const struct sim_warp *warp, uint32_t slot) {
  const struct sim_products *products = &warp->products;
  for (uint32_t i = 0; i < products->count; i++) {
    const struct sim_inst *inst = products->items[i].inst;
    for (uint32_t o = 0; o < inst->destinations + operand_registers(inst); o++)
      if (inst->operands[o] == slot)
        return inst->line;
  }
  return 0;
}

static __attribute__((cold, noreturn)) void fault_busy(const struct sim_warp *warp, const struct sim_inst *inst,
                                                       uint32_t lane, uint32_t slot) {
  bool result = warp->products.busy[slot] == SIM_BUSY_RESULT;
  sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
            "a register is used that holds %s of the wgmma at PTX line %u, which is in flight (no wgmma.wait_group)",
            result ? "a result" : "an element of A", line_of_holder(warp, slot));
}

void sim_busy_check(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint8_t *busy = warp->products.busy;
  if (!busy || inst->in_flight)
    return;
  for (uint32_t o = 0; o < (uint32_t)inst->destinations + inst->sources; o++)
    if (busy[inst->operands[o]])
      fault_busy(warp, inst, (uint32_t)__builtin_ctz(lanes), inst->operands[o]);
}

void sim_busy_check_product(const struct sim_warp *warp, const struct sim_inst *inst) {
  const uint8_t *busy = warp->products.busy;
  if (!busy)
    return;
  for (uint32_t d = 0; d < inst->destinations; d++)
    if (busy[inst->operands[d]] == SIM_BUSY_OPERAND)
      fault_busy(warp, inst, SIM_NO_LANE, inst->operands[d]);
  for (uint32_t s = 0; s < operand_registers(inst); s++)
    if (busy[inst->operands[inst->destinations + s]] == SIM_BUSY_RESULT)
      fault_busy(warp, inst, SIM_NO_LANE, inst->operands[inst->destinations + s]);
}
