/* Operands to values: registers, constants, special registers and addresses of variables. */
#include "program/values.h"

#include "program/emit.h"

#include <string.h>

/* Registers whose value changes while a warp runs are read by a helper instruction, whose opcode no text can have. */
static const struct {
  const char *name;
  const char *opcode;
  enum ptx_class class;
} dynamic_specials[] = {
    {"%clock", "=clock.u32", PTX_CLASS_WORD},
    {"%clock_hi", "=clock_hi.u32", PTX_CLASS_WORD},
    {"%clock64", "=clock.u64", PTX_CLASS_WIDE},
    {"%globaltimer", "=globaltimer.u64", PTX_CLASS_WIDE},
    {"%globaltimer_lo", "=globaltimer.u32", PTX_CLASS_WORD},
};

/* Index of a static special register, or SIM_SPECIAL_COUNT. */
static enum sim_special find_special(const char *name) {
  int special = 0;
  while (special < SIM_SPECIAL_COUNT && strcmp(name, sim_special_names[special]) != 0)
    special++;
  return (enum sim_special)special;
}

static bool special_value(struct sim_decoder *decoder, const char *name, bool wide, uint32_t *value) {
  static const char warp_size[] = "WARP_SZ";
  if (strcmp(name, warp_size) == 0) {
    *value = sim_constant_value(decoder, SIM_LANES, wide);
    return true;
  }
  for (size_t i = 0; i < sizeof dynamic_specials / sizeof *dynamic_specials; i++) {
    if (strcmp(name, dynamic_specials[i].name) != 0 || wide != (dynamic_specials[i].class == PTX_CLASS_WIDE))
      continue;
    *value = sim_new_value(decoder, dynamic_specials[i].class);
    sim_emit_helper(decoder, dynamic_specials[i].opcode, value, 1);
    return true;
  }
  struct sim_program *program = decoder->program;
  enum sim_special special = find_special(name);
  if (special == SIM_SPECIAL_COUNT || wide)
    return false;
  for (uint32_t i = 0; i < program->special_count; i++)
    if (program->specials[i].special == special) {
      *value = SIM_VALUE_SPECIAL | i;
      return true;
    }
  SIM_PUSH(program->specials, program->special_count, program->special_capacity);
  program->specials[program->special_count].special = special;
  *value = SIM_VALUE_SPECIAL | (uint32_t)program->special_count++;
  return true;
}

enum ptx_class sim_operand_class(const struct sim_decoder *decoder, const struct ptx_operand *operand) {
  return decoder->units[decoder->current].function->register_classes[operand->number];
}

static uint64_t literal_bits(const struct ptx_operand *operand, bool wide) {
  if (operand->kind != PTX_DOUBLE || wide)
    return wide ? operand->value : (uint32_t)operand->value;
  double number;
  memcpy(&number, &operand->value, sizeof number);
  float single = (float)number;
  uint32_t bits;
  memcpy(&bits, &single, sizeof bits);
  return bits;
}

static bool register_fits(enum ptx_class class, char letter) {
  static const char letters[] = {
      [PTX_CLASS_PREDICATE] = 'p', [PTX_CLASS_WORD] = 'w', [PTX_CLASS_WIDE] = 'x', [PTX_CLASS_QUAD] = 'q'};
  return letters[class] == letter;
}

static bool predicate_value(struct sim_decoder *decoder, const struct ptx_operand *operand, uint32_t *value) {
  if (operand->kind == PTX_INTEGER) {
    *value = sim_constant_value(decoder, operand->value ? UINT32_MAX : 0, false);
    return true;
  }
  if (operand->kind != PTX_REGISTER || sim_operand_class(decoder, operand) != PTX_CLASS_PREDICATE)
    return false;
  *value = decoder->units[decoder->current].first_value + operand->number;
  if (operand->negated) {
    uint32_t pair[] = {sim_new_value(decoder, PTX_CLASS_PREDICATE), *value};
    sim_emit_helper(decoder, "not.pred", pair, 2);
    *value = pair[0];
  }
  return true;
}

bool sim_source_value(struct sim_decoder *decoder, const struct ptx_operand *operand, char letter, uint32_t *value) {
  bool wide = letter == 'x';
  if (letter == 'p')
    return predicate_value(decoder, operand, value);
  switch (operand->kind) {
  case PTX_REGISTER:
    *value = decoder->units[decoder->current].first_value + operand->number;
    return register_fits(sim_operand_class(decoder, operand), letter);
  case PTX_INTEGER:
  case PTX_SINGLE:
  case PTX_DOUBLE:
    *value = sim_constant_value(decoder, literal_bits(operand, wide), wide);
    return letter != 'q';
  case PTX_VARIABLE:
    *value = sim_constant_value(decoder, operand->variable->address, wide);
    return letter != 'q';
  case PTX_NAME:
    return letter != 'q' && special_value(decoder, operand->name, wide, value);
  case PTX_LIST:
  case PTX_ADDRESS:
  case PTX_SINK:
    return false;
  }
  return false;
}

bool sim_destination_value(struct sim_decoder *decoder, const struct ptx_operand *operand, char letter,
                           uint32_t *value) {
  static const enum ptx_class classes[128] = {
      ['p'] = PTX_CLASS_PREDICATE, ['w'] = PTX_CLASS_WORD, ['x'] = PTX_CLASS_WIDE, ['q'] = PTX_CLASS_QUAD};
  if (operand->kind == PTX_SINK) {
    *value = sim_new_value(decoder, classes[(int)letter]);
    return true;
  }
  *value = decoder->units[decoder->current].first_value + operand->number;
  return operand->kind == PTX_REGISTER && register_fits(sim_operand_class(decoder, operand), letter);
}
