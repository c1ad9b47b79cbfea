/* Values to slots: constants first, whose slots are copied into each warp, then special registers, then registers. */
#include "program/place.h"

#include "program/slots.h"

#include <stdlib.h>
#include <string.h>

static void place_constants(struct sim_decoder *decoder, uint32_t *next) {
  for (size_t i = 0; i < decoder->constant_count; i++) {
    decoder->constants[i].slot = *next;
    *next += decoder->constants[i].wide ? 2 : 1;
  }
}

static void fill_image(struct sim_decoder *decoder) {
  struct sim_program *program = decoder->program;
  program->image = sim_allocate((size_t)program->image_slots * SIM_SLOT_BYTES);
  for (size_t i = 0; i < decoder->constant_count; i++) {
    const struct sim_constant *constant = &decoder->constants[i];
    uint8_t *slot = program->image + (size_t)constant->slot * SIM_SLOT_BYTES;
    size_t bytes = constant->wide ? 8 : 4;
    for (size_t lane = 0; lane < SIM_LANES; lane++)
      memcpy(slot + lane * bytes, &constant->value, bytes);
  }
}

static uint32_t slot_of_value(const struct sim_decoder *decoder, const uint32_t *slots, uint32_t value) {
  if (value & SIM_VALUE_CONSTANT)
    return decoder->constants[value & SIM_VALUE_INDEX].slot;
  if (value & SIM_VALUE_SPECIAL)
    return decoder->program->specials[value & SIM_VALUE_INDEX].slot;
  return slots[value];
}

void sim_place_values(struct sim_decoder *decoder) {
  struct sim_program *program = decoder->program;
  uint32_t *slots = sim_allocate((decoder->value_count + 1) * sizeof *slots);
  uint32_t next = 0;
  place_constants(decoder, &next);
  program->image_slots = next;
  fill_image(decoder);
  for (size_t i = 0; i < program->special_count; i++)
    program->specials[i].slot = next++;
  for (size_t i = 0; i < decoder->unit_count; i++)
    next = sim_assign_slots(program->code, decoder->units[i].first_inst, decoder->units[i].end_inst, decoder->classes,
                            (uint32_t)decoder->value_count, slots, next);
  for (size_t i = 0; i < program->code_count; i++) {
    struct sim_inst *inst = &program->code[i];
    for (uint32_t o = 0; o < (uint32_t)inst->destinations + inst->sources; o++)
      inst->operands[o] = slot_of_value(decoder, slots, inst->operands[o]);
    inst->guard = slot_of_value(decoder, slots, inst->guard);
  }
  program->slots = next;
  free(slots);
}
