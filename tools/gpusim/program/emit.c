/* Finds forms of opcodes and appends instructions. */
#include "program/emit.h"

#include <string.h>

const struct sim_form *sim_next_form(const struct sim_decoder *decoder, const char *opcode,
                                     const struct sim_form *after, struct sim_captures *captures) {
  const struct sim_form_table *tables = decoder->forms.tables;
  bool started = !after;
  for (size_t t = 0; t < decoder->forms.count; t++)
    for (size_t f = 0; f < tables[t].count; f++) {
      const struct sim_form *form = &tables[t].forms[f];
      captures->count = 0;
      if (started && sim_pattern_match(form->pattern, opcode, captures))
        return form;
      started = started || form == after;
    }
  return NULL;
}

void sim_no_guard(struct sim_decoder *decoder, struct sim_inst *inst) {
  inst->guard = sim_constant_value(decoder, UINT32_MAX, false);
  inst->guard_flip = 0;
}

void sim_emit(struct sim_decoder *decoder, struct sim_draft *draft, const struct sim_form *form) {
  struct sim_program *program = decoder->program;
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

void sim_emit_helper(struct sim_decoder *decoder, const char *opcode, const uint32_t *operands, uint32_t count) {
  struct sim_captures captures;
  struct sim_draft draft = {.count = count};
  const struct sim_form *form = sim_next_form(decoder, opcode, NULL, &captures);
  memcpy(draft.values, operands, count * sizeof *operands);
  draft.inst.destinations = 1;
  draft.inst.sources = (uint8_t)(count - 1);
  sim_no_guard(decoder, &draft.inst);
  sim_emit(decoder, &draft, form);
}
