/* Operands to values: registers, constants, special registers and addresses of variables. */
#include "decode.h"

#include <math.h>
#include <string.h>

const char *const sim_special_names[SIM_SPECIAL_COUNT] = {
    [SIM_TID_X] = "%tid.x",
    [SIM_TID_Y] = "%tid.y",
    [SIM_TID_Z] = "%tid.z",
    [SIM_NTID_X] = "%ntid.x",
    [SIM_NTID_Y] = "%ntid.y",
    [SIM_NTID_Z] = "%ntid.z",
    [SIM_CTAID_X] = "%ctaid.x",
    [SIM_CTAID_Y] = "%ctaid.y",
    [SIM_CTAID_Z] = "%ctaid.z",
    [SIM_NCTAID_X] = "%nctaid.x",
    [SIM_NCTAID_Y] = "%nctaid.y",
    [SIM_NCTAID_Z] = "%nctaid.z",
    [SIM_LANEID] = "%laneid",
    [SIM_WARPID] = "%warpid",
    [SIM_NWARPID] = "%nwarpid",
    [SIM_SMID] = "%smid",
    [SIM_NSMID] = "%nsmid",
    [SIM_GRIDID] = "%gridid",
    [SIM_LANEMASK_EQ] = "%lanemask_eq",
    [SIM_LANEMASK_LT] = "%lanemask_lt",
    [SIM_LANEMASK_LE] = "%lanemask_le",
    [SIM_LANEMASK_GT] = "%lanemask_gt",
    [SIM_LANEMASK_GE] = "%lanemask_ge",
    [SIM_DYNAMIC_SHARED] = "%dynamic_smem_size",
    [SIM_TOTAL_SHARED] = "%total_smem_size",
    [SIM_ZERO] = "%reserved_smem_offset_begin",
};

/* Registers whose value changes while a warp runs are read by a helper instruction. */
static const struct {
  const char *name, *opcode;
  ptx_class class;
} dynamic_specials[] = {
    {"%clock", "sim.clock.u32", PTX_CLASS_WORD},
    {"%clock_hi", "sim.clock_hi.u32", PTX_CLASS_WORD},
    {"%clock64", "sim.clock.u64", PTX_CLASS_WIDE},
    {"%globaltimer", "sim.globaltimer.u64", PTX_CLASS_WIDE},
    {"%globaltimer_lo", "sim.globaltimer.u32", PTX_CLASS_WORD},
};

uint32_t sim_constant_value(sim_decoder *decoder, uint64_t bits, bool wide) {
  uint64_t hash = (bits + wide) * 0x9e3779b97f4a7c15u;
  size_t at = (size_t)(hash >> 51);
  for (; decoder->constant_index[at]; at = (at + 1) % SIM_CONSTANT_BUCKETS) {
    const sim_constant *known = &decoder->constants[decoder->constant_index[at] - 1];
    if (known->value == bits && known->wide == wide)
      return SIM_VALUE_CONSTANT | (decoder->constant_index[at] - 1);
  }
  if (decoder->constant_count + 1 == SIM_CONSTANT_BUCKETS) {
    sim_decode_fail(decoder, "more than %d distinct constants", SIM_CONSTANT_BUCKETS);
    return SIM_VALUE_CONSTANT;
  }
  SIM_PUSH(decoder->constants, decoder->constant_count, decoder->constant_capacity);
  decoder->constants[decoder->constant_count++] = (sim_constant){.value = bits, .wide = wide};
  decoder->constant_index[at] = (uint32_t)decoder->constant_count;
  return SIM_VALUE_CONSTANT | (uint32_t)(decoder->constant_count - 1);
}

uint32_t sim_new_value(sim_decoder *decoder, ptx_class class) {
  SIM_PUSH(decoder->classes, decoder->value_count, decoder->value_capacity);
  decoder->classes[decoder->value_count] = (uint8_t) class;
  return (uint32_t)decoder->value_count++;
}

uint32_t sim_function_unit(sim_decoder *decoder, const char *name) {
  for (uint32_t i = 0; i < decoder->unit_count; i++)
    if (decoder->units[i].function->name == name)
      return i;
  const ptx_module *source = decoder->program->source;
  for (size_t i = 0; i < source->function_count; i++) {
    const ptx_function *function = source->functions[i];
    if (function->name != name || !function->has_body || function->is_entry)
      continue;
    SIM_PUSH(decoder->units, decoder->unit_count, decoder->unit_capacity);
    decoder->units[decoder->unit_count] =
        (sim_unit){.function = function, .first_value = (uint32_t)decoder->value_count};
    for (size_t r = 0; r < function->register_count; r++)
      sim_new_value(decoder, function->register_classes[r]);
    return (uint32_t)decoder->unit_count++;
  }
  sim_decode_fail(decoder, "call of '%s', which has no body in this module", name);
  return 0;
}

/* Index of a static special register, or SIM_SPECIAL_COUNT. */
static sim_special find_special(const char *name) {
  int special = 0;
  while (special < SIM_SPECIAL_COUNT && strcmp(name, sim_special_names[special]) != 0)
    special++;
  return (sim_special)special;
}

static bool special_value(sim_decoder *decoder, const char *name, bool wide, uint32_t *value) {
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
  sim_program *program = decoder->program;
  sim_special special = find_special(name);
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

ptx_class sim_operand_class(const sim_decoder *decoder, const ptx_operand *operand) {
  return decoder->units[decoder->current].function->register_classes[operand->number];
}

static uint64_t literal_bits(const ptx_operand *operand, bool wide) {
  if (operand->kind != PTX_DOUBLE || wide)
    return wide ? operand->value : (uint32_t)operand->value;
  double number;
  memcpy(&number, &operand->value, sizeof number);
  float single = (float)number;
  uint32_t bits;
  memcpy(&bits, &single, sizeof bits);
  return bits;
}

static bool register_fits(ptx_class class, char letter) {
  static const char letters[] = {
      [PTX_CLASS_PREDICATE] = 'p', [PTX_CLASS_WORD] = 'w', [PTX_CLASS_WIDE] = 'x', [PTX_CLASS_QUAD] = 'q'};
  return letters[class] == letter;
}

static bool predicate_value(sim_decoder *decoder, const ptx_operand *operand, uint32_t *value) {
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

bool sim_source_value(sim_decoder *decoder, const ptx_operand *operand, char letter, uint32_t *value) {
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

bool sim_destination_value(sim_decoder *decoder, const ptx_operand *operand, char letter, uint32_t *value) {
  static const ptx_class classes[128] = {
      ['p'] = PTX_CLASS_PREDICATE, ['w'] = PTX_CLASS_WORD, ['x'] = PTX_CLASS_WIDE, ['q'] = PTX_CLASS_QUAD};
  if (operand->kind == PTX_SINK) {
    *value = sim_new_value(decoder, classes[(int)letter]);
    return true;
  }
  *value = decoder->units[decoder->current].first_value + operand->number;
  return operand->kind == PTX_REGISTER && register_fits(sim_operand_class(decoder, operand), letter);
}
