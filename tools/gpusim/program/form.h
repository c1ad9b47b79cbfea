/* Forms of instructions: what the decoder knows of them. */
#ifndef GPUSIM_PROGRAM_FORM_H
#define GPUSIM_PROGRAM_FORM_H

#include "program/pattern.h"
#include "program/program.h"

/* One form of an instruction.
 *
 * pattern   the opcode; [.a|.b] is optional, (.a|.b) required; each group is captured
 * operands  destinations ':' sources. p predicate, w word, x wide, v word or wide, e wide if the element has
 * 8 bytes, m memory address, M address of a tensor map with inst->count coordinates, i integer, j small
 *           integer (the immediate holds all of them, 8 bits each, the last one lowest), l label, t table of labels,
 *           o the optional q of p|q. A digit before a letter asks for a list of that many, '*' for one of inst->count.
 *           '+' in front: the destinations are read too, as the last sources
 * prepare   sets fields of the instruction from the captures, before the operands are read */
struct sim_form {
  const char *pattern;
  const char *operands;
  sim_exec_fn exec;
  sim_taint_fn taint;
  bool (*prepare)(struct sim_inst *inst, const struct sim_captures *captures);
  enum sim_flow flow;
};

/* Tables of forms; the first that matches opcode and operands wins. */
struct sim_form_table {
  const struct sim_form *forms;
  size_t count;
};

#define SIM_FORM_TABLE(array)                                                                                          \
  { array, sizeof(array) / sizeof *(array) }

/* All tables, in the order of search. */
struct sim_form_set {
  const struct sim_form_table *tables;
  size_t count;
};

#endif
