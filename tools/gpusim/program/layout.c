/* Where variables lie: parameters, local memory and shared memory. */
#include "program/layout.h"

static uint32_t align_up(uint32_t value, uint32_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

static void place(struct ptx_variable *variable, uint32_t *end) {
  *end = align_up(*end, variable->alignment);
  variable->address = *end;
  *end += variable->size;
}

/* Local memory holds the locals and call parameters of every function once: recursion is not supported. */
static void lay_out_frame(struct sim_program *program, const struct ptx_function *function) {
  for (uint32_t i = 0; i < function->parameter_count; i++)
    place(function->parameters[i], function->is_entry ? &program->parameter_bytes : &program->local_bytes);
  if (function->result)
    place(function->result, &program->local_bytes);
  for (size_t i = 0; i < function->variable_count; i++)
    place(function->variables[i],
          function->variables[i]->space == PTX_SHARED ? &program->static_shared : &program->local_bytes);
}

static void lay_out_module_shared(struct sim_program *program) {
  const struct ptx_module *source = program->source;
  for (size_t i = 0; i < source->variable_count; i++)
    if (source->variables[i]->space == PTX_SHARED && !source->variables[i]->is_extern)
      place(source->variables[i], &program->static_shared);
}

/* Dynamic shared memory begins after the static part. */
static void lay_out_dynamic_shared(struct sim_program *program) {
  const struct ptx_module *source = program->source;
  for (size_t i = 0; i < source->variable_count; i++)
    if (source->variables[i]->space == PTX_SHARED && source->variables[i]->is_extern)
      program->static_shared = align_up(program->static_shared, source->variables[i]->alignment);
  for (size_t i = 0; i < source->variable_count; i++)
    if (source->variables[i]->space == PTX_SHARED && source->variables[i]->is_extern)
      source->variables[i]->address = program->static_shared;
}

void sim_lay_out(struct sim_program *program) {
  const struct ptx_function *entry = program->entry;
  lay_out_module_shared(program);
  for (size_t i = 0; i < program->source->function_count; i++)
    if (!program->source->functions[i]->is_entry || program->source->functions[i] == entry)
      lay_out_frame(program, program->source->functions[i]);
  lay_out_dynamic_shared(program);
  program->parameter_offsets = sim_arena_take(program->source->arena, entry->parameter_count * sizeof(uint32_t));
  for (uint32_t i = 0; i < entry->parameter_count; i++)
    program->parameter_offsets[i] = (uint32_t)entry->parameters[i]->address;
}
