/* Finds forms of opcodes and appends instructions. */
#include "program/emit.h"

#include <string.h>

const sim_form *sim_next_form(const sim_decoder *decoder, const char *opcode, const sim_form *after,
                              sim_captures *captures) {
  const sim_form_table *tables = decoder->forms.tables;
  bool started = after == NULL;
  for (size_t t = 0; t < decoder->forms.count; t++)
    for (size_t f = 0; f < tables[t].count; f++) {
      const sim_form *form = &tables[t].forms[f];
      captures->count = 0;
      if (started && sim_pattern_match(form->pattern, opcode, captures))
        return form;
      started = started || form == after;
    }
  return NULL;
}

void sim_no_guard(sim_decoder *decoder, sim_inst *inst) {
  inst->guard = sim_constant_value(decoder, UINT32_MAX, false);
  inst->guard_flip = 0;
}

void sim_emit(sim_decoder *decoder, sim_draft *draft, const sim_form *form) {
  sim_program *program = decoder->program;
  size_t bytes = draft->count * sizeof *draft->values;
  draft->inst.exec = form->exec;
  draft->inst.taint = form->taint;
  draft->inst.flow = (uint8_t)form->flow;
  draft->inst.line = decoder->statement->line;
  draft->inst.operands = sim_arena_take(program->source->arena, bytes);
  memcpy(draft->inst.operands, draft->values, bytes);
  SIM_PUSH(program->code, program->code_count, program->code_capacity);
  program->code[program->code_count++] = draft->inst;
}

void sim_emit_helper(sim_decoder *decoder, const char *opcode, const uint32_t *operands, uint32_t count) {
  sim_captures captures;
  sim_draft draft = {.count = count};
  const sim_form *form = sim_next_form(decoder, opcode, NULL, &captures);
  memcpy(draft.values, operands, count * sizeof *operands);
  draft.inst.destinations = 1;
  draft.inst.sources = (uint8_t)(count - 1);
  sim_no_guard(decoder, &draft.inst);
  sim_emit(decoder, &draft, form);
}
