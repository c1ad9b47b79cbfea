/* Slots of registers. */
#ifndef GPUSIM_PROGRAM_SLOTS_H
#define GPUSIM_PROGRAM_SLOTS_H

#include "program/program.h"

/* Reuses slots of registers that are not live at the same time; rewrites the operands of code[from..to). */
uint32_t sim_assign_slots(struct sim_inst *code, size_t from, size_t to, const uint8_t *classes, uint32_t value_count,
                          uint32_t *slot_of, uint32_t first_slot);

#endif
