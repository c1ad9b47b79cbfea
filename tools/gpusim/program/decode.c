/* Statements to instructions: finds the form of each opcode, and resolves calls and branches. */
#include "program/decode.h"

#include "program/layout.h"
#include "program/operands.h"
#include "program/place.h"
#include "program/values.h"

#include <stdlib.h>
#include <string.h>

static void set_guard(struct sim_decoder *decoder, struct sim_inst *inst, const struct ptx_operand *guard) {
  sim_no_guard(decoder, inst);
  if (!guard)
    return;
  struct ptx_operand plain = *guard;
  plain.negated = false;
  inst->guard_flip = guard->negated ? UINT32_MAX : 0;
  if (!sim_source_value(decoder, &plain, 'p', &inst->guard))
    sim_decode_fail(decoder, "the guard is no predicate");
}

static void instruction(struct sim_decoder *decoder) {
  const struct ptx_statement *statement = decoder->statement;
  size_t helpers_before = decoder->program->code_count;
  struct sim_captures captures;
  bool known = false;
  const struct sim_form *form = NULL;
  while ((form = sim_next_form(decoder, statement->opcode, form, &captures))) {
    struct sim_draft draft = {.count = 0};
    if (form->prepare && !form->prepare(&draft.inst, &captures))
      continue;
    known = true;
    if (sim_read_operands(decoder, &draft, form)) {
      set_guard(decoder, &draft.inst, statement->guard);
      sim_emit(decoder, &draft, form);
      return;
    }
    decoder->program->code_count = helpers_before;
  }
  if (known)
    sim_decode_fail(decoder, "instruction '%s' has operands of an unknown form", statement->opcode);
  else
    sim_decode_fail(decoder, "unknown instruction '%s'", statement->opcode);
}

/* The number of the unit of a function, which is decoded later. */
static uint32_t function_unit(struct sim_decoder *decoder, const char *name) {
  for (uint32_t i = 0; i < decoder->unit_count; i++)
    if (decoder->units[i].function->name == name)
      return i;
  const struct ptx_module *source = decoder->program->source;
  for (size_t i = 0; i < source->function_count; i++) {
    const struct ptx_function *function = source->functions[i];
    if (function->name != name || !function->has_body || function->is_entry)
      continue;
    SIM_PUSH(decoder->units, decoder->unit_count, decoder->unit_capacity);
    decoder->units[decoder->unit_count] =
        (struct sim_unit){.function = function, .first_value = (uint32_t)decoder->value_count};
    for (size_t r = 0; r < function->register_count; r++)
      sim_new_value(decoder, function->register_classes[r]);
    return (uint32_t)decoder->unit_count++;
  }
  sim_decode_fail(decoder, "call of '%s', which has no body in this module", name);
  return 0;
}

/* The parts of a call: (result), function, (arguments); NULL where there is none. */
struct call_parts {
  const struct ptx_operand *result;
  const struct ptx_operand *function;
  const struct ptx_operand *arguments;
};

static bool split_call(const struct ptx_statement *statement, struct call_parts *parts) {
  const struct ptx_operand *operand = statement->operands;
  const struct ptx_operand *end = operand + statement->operand_count;
  *parts = (struct call_parts){.result = NULL};
  if (operand < end && operand->kind == PTX_LIST)
    parts->result = operand++;
  if (operand < end && operand->kind == PTX_NAME)
    parts->function = operand++;
  if (operand < end && operand->kind == PTX_LIST)
    parts->arguments = operand++;
  return parts->function && operand == end;
}

/* Whether the list holds the variables that are passed for these parameters. */
static bool list_fits(const struct ptx_operand *list, struct ptx_variable *const *parameters, uint32_t count) {
  if ((list ? list->item_count : 0) != count)
    return false;
  for (uint32_t i = 0; i < count; i++) {
    const struct ptx_operand *item = &list->items[i];
    if (item->kind != PTX_VARIABLE || item->variable->space != PTX_CALL || item->variable->size != parameters[i]->size)
      return false;
  }
  return true;
}

static struct sim_frame_copy frame_copy(const struct ptx_variable *from, const struct ptx_variable *to) {
  return (struct sim_frame_copy){(uint32_t)from->address, (uint32_t)to->address, to->size};
}

static void call_instruction(struct sim_decoder *decoder) {
  const struct ptx_statement *statement = decoder->statement;
  struct sim_captures captures;
  struct call_parts parts;
  const struct sim_form *form = sim_next_form(decoder, statement->opcode, NULL, &captures);
  if (!form || !split_call(statement, &parts)) {
    sim_decode_fail(decoder, "'%s' is not a call of a function by its name", statement->opcode);
    return;
  }
  uint32_t unit = function_unit(decoder, parts.function->name);
  const struct ptx_function *callee = decoder->units[unit].function;
  if (!list_fits(parts.arguments, callee->parameters, callee->parameter_count) ||
      !list_fits(parts.result, &callee->result, callee->result ? 1 : 0)) {
    sim_decode_fail(decoder, "call of '%s' with other parameters than it has", callee->name);
    return;
  }
  struct sim_arena *arena = decoder->program->source->arena;
  struct sim_call *call = sim_arena_take(arena, sizeof *call);
  call->argument_count = callee->parameter_count;
  call->arguments = sim_arena_take(arena, callee->parameter_count * sizeof *call->arguments);
  for (uint32_t i = 0; i < callee->parameter_count; i++)
    call->arguments[i] = frame_copy(parts.arguments->items[i].variable, callee->parameters[i]);
  if (parts.result)
    call->result = frame_copy(callee->result, parts.result->items[0].variable);
  struct sim_draft draft = {.count = 0};
  draft.inst.call = call;
  draft.inst.immediate = unit;
  set_guard(decoder, &draft.inst, statement->guard);
  sim_emit(decoder, &draft, form);
}

/* Statement numbers become instruction numbers. Helpers precede their statement, so a branch runs them too.
 */
static void resolve_targets(struct sim_decoder *decoder, const struct sim_unit *unit, const uint32_t *position) {
  for (size_t i = unit->first_inst; i < unit->end_inst; i++) {
    struct sim_inst *inst = &decoder->program->code[i];
    for (uint32_t t = 0; t < inst->target_count; t++)
      inst->targets[t] = position[inst->targets[t]];
  }
}

static void decode_unit(struct sim_decoder *decoder, uint32_t index) {
  const struct ptx_function *function = decoder->units[index].function;
  struct sim_program *program = decoder->program;
  static const struct ptx_statement end = {.opcode = "ret"};
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

static void resolve_calls(struct sim_decoder *decoder) {
  struct sim_program *program = decoder->program;
  for (size_t i = 0; i < program->code_count; i++)
    if (program->code[i].call)
      program->code[i].immediate = decoder->units[program->code[i].immediate].first_inst;
}

static void decode_all(struct sim_decoder *decoder) {
  struct sim_program *program = decoder->program;
  const struct ptx_function *entry = program->entry;
  SIM_PUSH(decoder->units, decoder->unit_count, decoder->unit_capacity);
  decoder->units[decoder->unit_count++] = (struct sim_unit){.function = entry};
  for (size_t r = 0; r < entry->register_count; r++)
    sim_new_value(decoder, entry->register_classes[r]);
  sim_lay_out(program);
  for (uint32_t i = 0; i < decoder->unit_count && !decoder->failed; i++)
    decode_unit(decoder, i);
  if (decoder->failed)
    return;
  resolve_calls(decoder);
  sim_place_values(decoder);
}

/* The share of a thread when so many blocks of so many threads divide the registers of a multiprocessor. */
static uint32_t registers_at_start(const struct ptx_function *entry) {
  enum { REGISTERS = 65536, STEP = 8, MOST = 256 };
  if (!entry->max_threads)
    return 0;
  uint32_t blocks = entry->min_blocks ? entry->min_blocks : 1;
  uint32_t share = REGISTERS / blocks / entry->max_threads / STEP * STEP;
  return share < MOST ? share : MOST;
}

struct sim_program *sim_decode(const struct ptx_module *module, const struct ptx_function *entry,
                               struct sim_form_set forms, char error[PTX_ERROR_BYTES]) {
  struct sim_program *program = sim_allocate(sizeof *program);
  program->name = entry->name;
  program->source = module;
  program->entry = entry;
  program->max_threads = entry->max_threads ? entry->max_threads : SIM_MAX_THREADS;
  program->registers = registers_at_start(entry);
  struct sim_decoder decoder = {.program = program, .forms = forms, .error = error};
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
