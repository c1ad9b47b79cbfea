/* Statements to instructions: finds the form of each opcode, reads its operands, lays out frames, resolves
 * branches and assigns slots. */
#include "decode.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INST_OPERANDS = 160 };

void sim_decode_fail(sim_decoder *decoder, const char *format, ...) {
  if (decoder->failed)
    return;
  decoder->failed = true;
  int used = snprintf(decoder->error, PTX_ERROR_BYTES, "line %u: ", decoder->statement ? decoder->statement->line : 0);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(decoder->error + used, PTX_ERROR_BYTES - (size_t)used, format, arguments);
  va_end(arguments);
}

/* Operands of one instruction while they are read. */
typedef struct {
  uint32_t values[MAX_INST_OPERANDS];
  uint32_t count;
  sim_inst inst;
} draft;

static bool push(draft *d, uint32_t value) {
  if (d->count == MAX_INST_OPERANDS)
    return false;
  d->values[d->count++] = value;
  return true;
}

/* Letters v and e stand for a word or a wide value. */
static char resolve_letter(const sim_decoder *decoder, draft *d, const ptx_operand *operand, char letter) {
  if (letter == 'e')
    return d->inst.size == 8 ? 'x' : 'w';
  if (letter != 'v')
    return letter;
  if (operand->kind == PTX_REGISTER)
    d->inst.wide = sim_operand_class(decoder, operand) == PTX_CLASS_WIDE;
  else
    d->inst.wide = d->inst.size == 8;
  return d->inst.wide ? 'x' : 'w';
}

static bool read_value(sim_decoder *decoder, draft *d, const ptx_operand *operand, char letter, bool destination) {
  uint32_t value = 0;
  letter = resolve_letter(decoder, d, operand, letter);
  d->inst.wide = d->inst.wide || letter == 'x';
  bool fits = destination ? sim_destination_value(decoder, operand, letter, &value)
                          : sim_source_value(decoder, operand, letter, &value);
  return fits && push(d, value);
}

static bool read_address(sim_decoder *decoder, draft *d, const ptx_operand *operand) {
  if (operand->kind != PTX_ADDRESS || d->inst.address_count == 2)
    return false;
  const ptx_operand *base = operand->items;
  bool word = base->kind == PTX_REGISTER && sim_operand_class(decoder, base) == PTX_CLASS_WORD;
  d->inst.address_wide[d->inst.address_count] = !word;
  d->inst.offset[d->inst.address_count++] = operand->value;
  if (base->kind == PTX_VARIABLE && base->variable->space == PTX_CALL)
    d->inst.space = PTX_CALL;
  uint32_t value;
  return sim_source_value(decoder, base, word ? 'w' : 'x', &value) && push(d, value);
}

static const ptx_label *find_label(const ptx_function *function, const char *name, uint32_t scope) {
  for (;; scope = function->scope_parents[scope - 1]) {
    for (size_t i = 0; i < function->label_count; i++)
      if (function->labels[i].name == name && function->labels[i].scope == scope)
        return &function->labels[i];
    if (scope == 0)
      return NULL;
  }
}

/* Targets hold statement numbers until the whole function is decoded. */
static bool read_targets(sim_decoder *decoder, draft *d, const ptx_operand *list, uint32_t count) {
  const ptx_function *function = decoder->units[decoder->current].function;
  d->inst.targets = sim_arena_take(decoder->program->source->arena, count * sizeof *d->inst.targets);
  d->inst.target_count = (uint16_t)count;
  for (uint32_t i = 0; i < count; i++) {
    const ptx_label *label =
        list[i].kind == PTX_NAME ? find_label(function, list[i].name, decoder->statement->scope) : NULL;
    if (!label) {
      sim_decode_fail(decoder, "unknown label");
      return false;
    }
    d->inst.targets[i] = label->statement;
  }
  return true;
}

static bool read_label_table(sim_decoder *decoder, draft *d, const ptx_operand *operand) {
  const ptx_function *function = decoder->units[decoder->current].function;
  if (operand->kind != PTX_NAME)
    return false;
  const ptx_label *label = find_label(function, operand->name, decoder->statement->scope);
  if (!label || label->statement >= function->statement_count)
    return false;
  const ptx_statement *table = &function->statements[label->statement];
  return strcmp(table->opcode, ".branchtargets") == 0 &&
         read_targets(decoder, d, table->operands, table->operand_count);
}

static bool read_pair(sim_decoder *decoder, draft *d, const ptx_operand *operand) {
  static const ptx_operand sink = {.kind = PTX_SINK};
  return read_value(decoder, d, operand->pair ? operand->pair : &sink, 'p', true);
}

static bool read_list(sim_decoder *decoder, draft *d, const ptx_operand *operand, uint32_t count, char letter,
                      bool destination) {
  if (operand->kind != PTX_LIST || operand->item_count != count)
    return false;
  for (uint32_t i = 0; i < count; i++)
    if (!read_value(decoder, d, &operand->items[i], letter, destination))
      return false;
  return true;
}

static bool read_operand(sim_decoder *decoder, draft *d, const ptx_operand *operand, const char **letters,
                         bool destination) {
  char letter = *(*letters)++;
  uint32_t count = 1;
  if (letter == '*' || (letter >= '0' && letter <= '9')) {
    count = letter == '*' ? d->inst.count : (uint32_t)(letter - '0');
    bool is_list = letter != '*' || count > 1;
    letter = *(*letters)++;
    if (is_list)
      return read_list(decoder, d, operand, count, letter, destination);
  }
  switch (letter) {
  case 'm':
    return read_address(decoder, d, operand);
  case 'i':
    d->inst.immediate = operand->value;
    return operand->kind == PTX_INTEGER;
  case 'l':
    return read_targets(decoder, d, operand, 1);
  case 't':
    return read_label_table(decoder, d, operand);
  default:
    return read_value(decoder, d, operand, letter, destination);
  }
}

/* Reads every operand by the letters of the form; false when the shapes differ. */
static bool read_operands(sim_decoder *decoder, draft *d, const sim_form *form) {
  const ptx_statement *statement = decoder->statement;
  const char *letters = form->operands;
  bool destination = true, optional = false;
  uint32_t next = 0;
  while (*letters) {
    if (*letters == ':') {
      destination = false;
      d->inst.destinations = (uint8_t)d->count;
      letters++;
    } else if (*letters == '?') {
      optional = true;
      letters++;
    } else if (*letters == 'o') {
      letters++;
      if (!read_pair(decoder, d, &statement->operands[next - 1]))
        return false;
    } else if (next == statement->operand_count) {
      break;
    } else if (!read_operand(decoder, d, &statement->operands[next++], &letters, destination)) {
      return false;
    }
  }
  d->inst.sources = (uint8_t)(d->count - d->inst.destinations);
  return next == statement->operand_count && (*letters == '\0' || optional);
}

static void emit(sim_decoder *decoder, draft *d, const sim_form *form) {
  sim_program *program = decoder->program;
  size_t bytes = d->count * sizeof *d->values;
  d->inst.exec = form->exec;
  d->inst.taint = form->taint;
  d->inst.flow = (uint8_t)form->flow;
  d->inst.line = decoder->statement->line;
  d->inst.operands = sim_arena_take(program->source->arena, bytes);
  memcpy(d->inst.operands, d->values, bytes);
  SIM_PUSH(program->code, program->code_count, program->code_capacity);
  program->code[program->code_count++] = d->inst;
}

static void set_guard(sim_decoder *decoder, sim_inst *inst, const ptx_operand *guard) {
  inst->guard = sim_constant_value(decoder, UINT32_MAX, false);
  inst->guard_flip = 0;
  if (!guard)
    return;
  ptx_operand plain = *guard;
  plain.negated = false;
  inst->guard_flip = guard->negated ? UINT32_MAX : 0;
  if (!sim_source_value(decoder, &plain, 'p', &inst->guard))
    sim_decode_fail(decoder, "the guard is no predicate");
}

static const sim_form *next_form(const char *opcode, const sim_form *after, sim_captures *captures) {
  size_t table_count;
  const sim_form_table *tables = sim_form_tables(&table_count);
  bool started = after == NULL;
  for (size_t t = 0; t < table_count; t++)
    for (size_t f = 0; f < tables[t].count; f++) {
      const sim_form *form = &tables[t].forms[f];
      captures->count = 0;
      if (started && sim_pattern_match(form->pattern, opcode, captures))
        return form;
      started = started || form == after;
    }
  return NULL;
}

void sim_emit_helper(sim_decoder *decoder, const char *opcode, const uint32_t *operands, uint32_t count) {
  sim_captures captures;
  draft d = {.count = count};
  const sim_form *form = next_form(opcode, NULL, &captures);
  memcpy(d.values, operands, count * sizeof *operands);
  d.inst.destinations = 1;
  d.inst.sources = (uint8_t)(count - 1);
  set_guard(decoder, &d.inst, NULL);
  emit(decoder, &d, form);
}

static void instruction(sim_decoder *decoder) {
  const ptx_statement *statement = decoder->statement;
  size_t helpers_before = decoder->program->code_count;
  sim_captures captures;
  bool known = false;
  const sim_form *form = NULL;
  while ((form = next_form(statement->opcode, form, &captures))) {
    draft d = {.count = 0};
    if (form->prepare && !form->prepare(&d.inst, &captures))
      continue;
    known = true;
    if (read_operands(decoder, &d, form)) {
      set_guard(decoder, &d.inst, statement->guard);
      emit(decoder, &d, form);
      return;
    }
    decoder->program->code_count = helpers_before;
  }
  if (known)
    sim_decode_fail(decoder, "instruction '%s' has operands of an unknown form", statement->opcode);
  else
    sim_decode_fail(decoder, "unknown instruction '%s'", statement->opcode);
}

static void add_copy(sim_call *call, const ptx_variable *from, const ptx_variable *to) {
  call->arguments[call->argument_count++] = (sim_frame_copy){(uint32_t)from->address, (uint32_t)to->address, to->size};
}

/* call (result), function, (arguments): arguments are variables of the call space. */
static void call_instruction(sim_decoder *decoder) {
  const ptx_statement *statement = decoder->statement;
  const ptx_operand *operand = statement->operands;
  uint32_t left = statement->operand_count;
  const ptx_operand *result = left && operand->kind == PTX_LIST ? operand : NULL;
  operand += result != NULL;
  left -= result != NULL;
  if (!left || operand->kind != PTX_NAME) {
    sim_decode_fail(decoder, "indirect calls are unknown");
    return;
  }
  uint32_t unit = sim_function_unit(decoder, operand->name);
  const ptx_function *callee = decoder->units[unit].function;
  const ptx_operand *arguments = left > 1 ? &operand[1] : NULL;
  if ((arguments ? arguments->item_count : 0) != callee->parameter_count || !result != !callee->result) {
    sim_decode_fail(decoder, "call of '%s' with other parameters than it has", callee->name);
    return;
  }
  sim_arena *arena = decoder->program->source->arena;
  sim_call *call = sim_arena_take(arena, sizeof *call);
  call->arguments = sim_arena_take(arena, (callee->parameter_count + 1) * sizeof *call->arguments);
  for (uint32_t i = 0; i < callee->parameter_count; i++)
    if (arguments->items[i].kind == PTX_VARIABLE)
      add_copy(call, arguments->items[i].variable, callee->parameters[i]);
  if (result && result->items[0].kind == PTX_VARIABLE)
    call->result = (sim_frame_copy){(uint32_t)callee->result->address, (uint32_t)result->items[0].variable->address,
                                    callee->result->size};
  sim_captures captures;
  draft d = {.count = 0};
  d.inst.call = call;
  d.inst.immediate = unit;
  set_guard(decoder, &d.inst, statement->guard);
  emit(decoder, &d, next_form("call", NULL, &captures));
}

static uint32_t align_up(uint32_t value, uint32_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

static void place(ptx_variable *variable, uint32_t *end) {
  *end = align_up(*end, variable->alignment);
  variable->address = *end;
  *end += variable->size;
}

/* Local memory holds the locals and call parameters of every function once: recursion is not supported. */
static void lay_out_frame(sim_program *program, const ptx_function *function) {
  for (uint32_t i = 0; i < function->parameter_count; i++)
    place(function->parameters[i], function->is_entry ? &program->parameter_bytes : &program->local_bytes);
  if (function->result)
    place(function->result, &program->local_bytes);
  for (size_t i = 0; i < function->variable_count; i++)
    place(function->variables[i],
          function->variables[i]->space == PTX_SHARED ? &program->static_shared : &program->local_bytes);
}

static void lay_out_module_shared(sim_program *program) {
  const ptx_module *source = program->source;
  for (size_t i = 0; i < source->variable_count; i++)
    if (source->variables[i]->space == PTX_SHARED && !source->variables[i]->is_extern)
      place(source->variables[i], &program->static_shared);
}

/* Dynamic shared memory begins after the static part. */
static void lay_out_dynamic_shared(sim_program *program) {
  const ptx_module *source = program->source;
  for (size_t i = 0; i < source->variable_count; i++)
    if (source->variables[i]->space == PTX_SHARED && source->variables[i]->is_extern)
      program->static_shared = align_up(program->static_shared, source->variables[i]->alignment);
  for (size_t i = 0; i < source->variable_count; i++)
    if (source->variables[i]->space == PTX_SHARED && source->variables[i]->is_extern)
      source->variables[i]->address = program->static_shared;
}

/* Statement numbers become instruction numbers. Helpers precede their statement, so a branch runs them too.
 */
static void resolve_targets(sim_decoder *decoder, const sim_unit *unit, const uint32_t *position) {
  for (size_t i = unit->first_inst; i < unit->end_inst; i++) {
    sim_inst *inst = &decoder->program->code[i];
    for (uint32_t t = 0; t < inst->target_count; t++)
      inst->targets[t] = position[inst->targets[t]];
  }
}

static void decode_unit(sim_decoder *decoder, uint32_t index) {
  const ptx_function *function = decoder->units[index].function;
  sim_program *program = decoder->program;
  static const ptx_statement end = {.opcode = "ret"};
  uint32_t *position = sim_allocate((function->statement_count + 1) * sizeof *position);
  decoder->current = index;
  decoder->units[index].first_inst = program->code_count;
  for (size_t i = 0; i <= function->statement_count && !decoder->failed; i++) {
    decoder->statement = i < function->statement_count ? &function->statements[i] : &end;
    position[i] = (uint32_t)program->code_count;
    if (strncmp(decoder->statement->opcode, "call", 4) == 0)
      call_instruction(decoder);
    else if (decoder->statement->opcode[0] != '.')
      instruction(decoder);
  }
  decoder->units[index].end_inst = program->code_count;
  if (!decoder->failed)
    resolve_targets(decoder, &decoder->units[index], position);
  free(position);
}

static void resolve_calls(sim_decoder *decoder) {
  sim_program *program = decoder->program;
  for (size_t i = 0; i < program->code_count; i++)
    if (program->code[i].call)
      program->code[i].immediate = decoder->units[program->code[i].immediate].first_inst;
}

static void place_constants(sim_decoder *decoder, uint32_t *next) {
  for (size_t i = 0; i < decoder->constant_count; i++) {
    decoder->constants[i].slot = *next;
    *next += decoder->constants[i].wide ? 2 : 1;
  }
}

static void fill_image(sim_decoder *decoder) {
  sim_program *program = decoder->program;
  program->image = sim_allocate((size_t)program->image_slots * SIM_SLOT_BYTES);
  for (size_t i = 0; i < decoder->constant_count; i++) {
    const sim_constant *constant = &decoder->constants[i];
    uint8_t *slot = program->image + (size_t)constant->slot * SIM_SLOT_BYTES;
    size_t bytes = constant->wide ? 8 : 4;
    for (size_t lane = 0; lane < SIM_LANES; lane++)
      memcpy(slot + lane * bytes, &constant->value, bytes);
  }
}

static uint32_t slot_of_value(const sim_decoder *decoder, const uint32_t *slots, uint32_t value) {
  if (value & SIM_VALUE_CONSTANT)
    return decoder->constants[value & SIM_VALUE_INDEX].slot;
  if (value & SIM_VALUE_SPECIAL)
    return decoder->program->specials[value & SIM_VALUE_INDEX].slot;
  return slots[value];
}

static void assign_slots(sim_decoder *decoder) {
  sim_program *program = decoder->program;
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
    sim_inst *inst = &program->code[i];
    for (uint32_t o = 0; o < (uint32_t)inst->destinations + inst->sources; o++)
      inst->operands[o] = slot_of_value(decoder, slots, inst->operands[o]);
    inst->guard = slot_of_value(decoder, slots, inst->guard);
  }
  program->slots = next;
  free(slots);
}

static void decode_all(sim_decoder *decoder) {
  sim_program *program = decoder->program;
  const ptx_function *entry = program->entry;
  SIM_PUSH(decoder->units, decoder->unit_count, decoder->unit_capacity);
  decoder->units[decoder->unit_count++] = (sim_unit){.function = entry};
  for (size_t r = 0; r < entry->register_count; r++)
    sim_new_value(decoder, entry->register_classes[r]);
  lay_out_module_shared(program);
  for (size_t i = 0; i < program->source->function_count; i++)
    if (!program->source->functions[i]->is_entry || program->source->functions[i] == entry)
      lay_out_frame(program, program->source->functions[i]);
  lay_out_dynamic_shared(program);
  program->parameter_offsets = sim_arena_take(program->source->arena, entry->parameter_count * sizeof(uint32_t));
  for (uint32_t i = 0; i < entry->parameter_count; i++)
    program->parameter_offsets[i] = (uint32_t)entry->parameters[i]->address;
  for (uint32_t i = 0; i < decoder->unit_count && !decoder->failed; i++)
    decode_unit(decoder, i);
  if (decoder->failed)
    return;
  resolve_calls(decoder);
  assign_slots(decoder);
}

sim_program *sim_decode(const ptx_module *module, const ptx_function *entry, char error[PTX_ERROR_BYTES]) {
  sim_program *program = sim_allocate(sizeof *program);
  program->name = entry->name;
  program->source = module;
  program->entry = entry;
  program->max_threads = entry->max_threads ? entry->max_threads : SIM_MAX_THREADS;
  sim_decoder decoder = {.program = program, .error = error};
  decoder.constant_index = sim_allocate(SIM_CONSTANT_BUCKETS * sizeof *decoder.constant_index);
  decode_all(&decoder);
  free(decoder.units);
  free(decoder.classes);
  free(decoder.constants);
  free(decoder.constant_index);
  if (!decoder.failed)
    return program;
  sim_program_destroy(program);
  return NULL;
}

void sim_program_destroy(sim_program *program) {
  if (!program)
    return;
  free(program->code);
  free(program->image);
  free(program->specials);
  free(program);
}
