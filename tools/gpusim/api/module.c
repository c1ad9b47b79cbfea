/* Loading: parse, place variables, decode every entry. */
#include "api/module.h"

#include "exec/forms.h"
#include "machine/memory.h"
#include "program/decode.h"
#include "ptx/parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool in_device_memory(const struct ptx_variable *variable) {
  return variable->space == PTX_GLOBAL || variable->space == PTX_CONST;
}

bool sim_variable_place(struct ptx_variable *variable, uint32_t device) {
  if (variable->address)
    return true;
  variable->address = sim_memory_allocate(device, variable->size, variable->name);
  if (!variable->address)
    return false;
  void *bytes = (void *)(uintptr_t)variable->address;
  if (variable->initial)
    memcpy(bytes, variable->initial, variable->size);
  else
    memset(bytes, 0, variable->size);
  sim_memory_define(variable->address, variable->size);
  return true;
}

static bool place_if_named(struct ptx_variable *variable, uint32_t device, char error[PTX_ERROR_BYTES]) {
  if (variable->is_extern || variable->size == 0) {
    snprintf(error, PTX_ERROR_BYTES, "variable '%s' is not defined in this module", variable->name);
    return false;
  }
  if (!variable->is_named || sim_variable_place(variable, device))
    return true;
  snprintf(error, PTX_ERROR_BYTES, "no device memory for variable '%s' of %u bytes", variable->name, variable->size);
  return false;
}

/* The others are placed when they are asked for: a process may have only so many pieces of memory, and the numbers of
 * a spec, of which kernels have dozens, are named by no instruction. */
static bool place_variables(const struct ptx_module *source, uint32_t device, char error[PTX_ERROR_BYTES]) {
  for (size_t i = 0; i < source->variable_count; i++)
    if (in_device_memory(source->variables[i]) && !place_if_named(source->variables[i], device, error))
      return false;
  return true;
}

static bool decode_entries(struct sim_module *module, char error[PTX_ERROR_BYTES]) {
  const struct ptx_module *source = module->source;
  module->programs = sim_allocate(source->function_count * sizeof *module->programs);
  for (size_t i = 0; i < source->function_count; i++) {
    if (!source->functions[i]->is_entry || !source->functions[i]->has_body)
      continue;
    struct sim_program *program = sim_decode(source, source->functions[i], sim_forms(), error);
    if (!program)
      return false;
    module->programs[module->program_count++] = program;
  }
  return true;
}

/* PTX runs on its target and what is newer; with an a on its target alone, with an f on what is newer of its family. */
static bool target_fits(const struct ptx_module *source, uint32_t architecture, char error[PTX_ERROR_BYTES]) {
  bool fits = source->target && architecture >= source->target;
  if (source->target_kind == 'a')
    fits = architecture == source->target;
  if (source->target_kind == 'f')
    fits = fits && architecture / 10 == source->target / 10;
  if (!fits)
    snprintf(error, PTX_ERROR_BYTES, "PTX for sm_%u%.1s does not run on compute capability %u.%u", source->target,
             source->target_kind ? &source->target_kind : "", architecture / 10, architecture % 10);
  return fits;
}

struct sim_module *sim_module_load(const char *text, uint32_t device, uint32_t architecture,
                                   char error[PTX_ERROR_BYTES]) {
  struct ptx_module *source = ptx_parse(text, error);
  if (!source)
    return NULL;
  struct sim_module *module = sim_allocate(sizeof *module);
  module->source = source;
  if (target_fits(source, architecture, error) && place_variables(source, device, error) &&
      decode_entries(module, error))
    return module;
  sim_module_unload(module);
  return NULL;
}

void sim_module_unload(struct sim_module *module) {
  for (size_t i = 0; i < module->program_count; i++)
    sim_program_destroy(module->programs[i]);
  for (size_t i = 0; i < module->source->variable_count; i++)
    if (in_device_memory(module->source->variables[i]) && module->source->variables[i]->address)
      sim_memory_free(module->source->variables[i]->address);
  ptx_destroy(module->source);
  free(module->programs);
  free(module);
}
