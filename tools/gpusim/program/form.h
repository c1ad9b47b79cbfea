/* Forms of instructions: what the decoder knows of them. */
#ifndef GPUSIM_PROGRAM_FORM_H
#define GPUSIM_PROGRAM_FORM_H

#include "program/pattern.h"
#include "program/program.h"

/* One form of an instruction.
 *
 * pattern   the opcode; [.a|.b] is optional, (.a|.b) required; each group is captured
 * operands  destinations ':' sources. p predicate, w word, x wide, v word or wide, e wide if the element has
 * 8 bytes, m memory address, i integer, l label, t table of labels, o the optional q of p|q. A digit before a
 *           letter asks for a list of that many, '*' for one of inst->count; '?' makes the rest optional
 * prepare   sets fields of the instruction from the captures, before the operands are read */
typedef struct {
  const char *pattern;
  const char *operands;
  sim_exec_fn exec;
  sim_taint_fn taint;
  bool (*prepare)(sim_inst *inst, const sim_captures *captures);
  sim_flow flow;
} sim_form;

/* Tables of forms; the first that matches opcode and operands wins. */
typedef struct {
  const sim_form *forms;
  size_t count;
} sim_form_table;

#define SIM_FORM_TABLE(array)                                                                                          \
  { array, sizeof(array) / sizeof *(array) }

/* All tables, in the order of search. */
typedef struct {
  const sim_form_table *tables;
  size_t count;
} sim_form_set;

#endif
