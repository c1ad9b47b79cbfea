/* f32 arithmetic with a rounding other than nearest even. Rare, so lane by lane under the rounding mode of
 * the host. */
#include "exec/lanes.h"

#include <fenv.h>
#include <math.h>

enum round_op { OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_FMA, OP_RCP, OP_SQRT };

/* volatile keeps the compiler from computing outside the rounding mode. */
static float compute(enum round_op operation, volatile float a, volatile float b, volatile float c) {
  switch (operation) {
  case OP_ADD:
    return a + b;
  case OP_SUB:
    return a - b;
  case OP_MUL:
    return a * b;
  case OP_DIV:
    return a / b;
  case OP_FMA:
    return fmaf(a, b, c);
  case OP_RCP:
    return 1.0f / a;
  case OP_SQRT:
    return sqrtf(a);
  }
  return 0.0f;
}

/* The mode is the operation, the immediate the rounding. */
static bool prepare_round(struct sim_inst *inst, const struct sim_captures *captures) {
  static const char *const operations[] = {[OP_ADD] = "add", [OP_SUB] = "sub", [OP_MUL] = "mul",  [OP_DIV] = "div",
                                           [OP_FMA] = "fma", [OP_RCP] = "rcp", [OP_SQRT] = "sqrt"};
  while (!sim_capture_is(captures, 0, operations[inst->mode]))
    inst->mode++;
  inst->immediate = FE_TOWARDZERO;
  if (sim_capture_is(captures, 1, ".rm"))
    inst->immediate = FE_DOWNWARD;
  if (sim_capture_is(captures, 1, ".rp"))
    inst->immediate = FE_UPWARD;
  return true;
}

static void exec_round(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const float *a = sim_source(warp, inst, 0);
  const float *b = inst->sources > 1 ? sim_source(warp, inst, 1) : a;
  const float *c = inst->sources > 2 ? sim_source(warp, inst, 2) : a;
  float out[SIM_LANES];
  int before = fegetround();
  fesetround((int)inst->immediate);
  for (int i = 0; i < SIM_LANES; i++)
    out[i] = compute(inst->mode, a[i], b[i], c[i]);
  fesetround(before);
  sim_commit_word(warp, inst, 0, lanes, out);
}

#define ROW(pattern, operands)                                                                                         \
  { pattern, operands, exec_round, NULL, prepare_round, SIM_FLOW_NEXT }

static const struct sim_form forms[] = {
    ROW("(rcp|sqrt)(.rz|.rm|.rp).f32", "w:w"),
    ROW("(add|sub|mul|div)(.rz|.rm|.rp).f32", "w:ww"),
    ROW("(fma)(.rz|.rm|.rp).f32", "w:www"),
};

const struct sim_form_table SIM_TABLE(sim_forms_round) = SIM_FORM_TABLE(forms);
