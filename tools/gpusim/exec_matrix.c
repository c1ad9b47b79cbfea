/* ldmatrix, stmatrix and movmatrix: 8 x 8 matrices of 16-bit elements. Lane t of the warp holds the elements
 * (t / 4, 2 (t % 4)) and the next one of its row; .trans exchanges rows and columns. */
#include "exec.h"

enum { ROWS = 8, ROW_BYTES = 16, MAX_MATRICES = 4 };

typedef struct {
  uint16_t elements[ROWS][ROWS];
  uint16_t undefined[ROWS]; /* a bit per byte of the row */
} matrix;

static bool prepare_matrix(sim_inst *inst, const sim_captures *captures) {
  inst->count = (uint8_t)(captures->items[0].text[2] - '0');
  inst->mode = sim_capture_is(captures, 1, ".trans");
  return true;
}

static bool warp_ready(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  if (lanes & ~warp->live)
    sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_OTHER, "executed by lanes that have exited");
  return sim_converged(warp, lanes, UINT32_MAX);
}

static void fetch(sim_warp *warp, const sim_inst *inst, matrix *matrices) {
  sim_access access;
  uint32_t rows = (uint32_t)inst->count * ROWS;
  uint32_t lanes = rows == SIM_LANES ? UINT32_MAX : (1u << rows) - 1;
  sim_resolve(warp, inst, lanes, 0, PTX_SHARED, ROW_BYTES, ROW_BYTES, &access);
  for (uint32_t row = 0; row < rows; row++) {
    matrix *target = &matrices[row / ROWS];
    uint32_t undefined = 0;
    if (warp->block->launch->checks)
      undefined = sim_access_read(warp, inst, row, &access, SIM_COLLECTIVE);
    memcpy(target->elements[row % ROWS], access.host[row], ROW_BYTES);
    target->undefined[row % ROWS] = (uint16_t)undefined;
  }
}

/* Row and column of element `which` (0 or 1) of a lane. */
static void position(uint32_t lane, uint32_t which, bool transposed, uint32_t *row, uint32_t *column) {
  uint32_t outer = lane / 4, inner = 2 * (lane % 4) + which;
  *row = transposed ? inner : outer;
  *column = transposed ? outer : inner;
}

static uint32_t pair_of(const matrix *from, uint32_t lane, bool transposed, uint32_t *undefined) {
  uint32_t pair = 0;
  *undefined = 0;
  for (uint32_t which = 0; which < 2; which++) {
    uint32_t row, column;
    position(lane, which, transposed, &row, &column);
    pair |= (uint32_t)from->elements[row][column] << (16 * which);
    *undefined |= ((uint32_t)from->undefined[row] >> (2 * column) & 3) << (2 * which);
  }
  return pair;
}

static void exec_ldmatrix(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  matrix matrices[MAX_MATRICES];
  if (!warp_ready(warp, inst, lanes))
    return;
  fetch(warp, inst, matrices);
  for (uint32_t m = 0; m < inst->count; m++) {
    uint32_t *to = sim_operand(warp, inst, m);
    SIM_FOR_LANES(lane, lanes) {
      uint32_t undefined;
      to[lane] = pair_of(&matrices[m], lane, inst->mode, &undefined);
      if (undefined || warp->tainted)
        sim_set_taint(warp, inst->operands[m], lane, undefined);
    }
  }
}

static void exec_stmatrix(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  matrix matrices[MAX_MATRICES] = {0};
  sim_access access;
  uint32_t rows = (uint32_t)inst->count * ROWS;
  if (!warp_ready(warp, inst, lanes))
    return;
  for (uint32_t m = 0; m < inst->count; m++) {
    const uint32_t *from = sim_source(warp, inst, 1 + m);
    const uint8_t *taint = sim_taint_of(warp, inst->operands[inst->destinations + 1 + m]);
    for (uint32_t lane = 0; lane < SIM_LANES; lane++)
      for (uint32_t which = 0; which < 2; which++) {
        uint32_t row, column;
        position(lane, which, inst->mode, &row, &column);
        matrices[m].elements[row][column] = (uint16_t)(from[lane] >> (16 * which));
        uint32_t undefined = warp->tainted ? taint[lane] >> (2 * which) & 3 : 0;
        matrices[m].undefined[row] |= (uint16_t)(undefined << (2 * column));
      }
  }
  uint32_t address_lanes = rows == SIM_LANES ? UINT32_MAX : (1u << rows) - 1;
  sim_resolve(warp, inst, address_lanes, 0, PTX_SHARED, ROW_BYTES, ROW_BYTES, &access);
  for (uint32_t row = 0; row < rows; row++) {
    const matrix *from = &matrices[row / ROWS];
    if (warp->block->launch->checks)
      sim_access_write(warp, inst, row, &access, from->undefined[row % ROWS], SIM_COLLECTIVE);
    memcpy(access.host[row], from->elements[row % ROWS], ROW_BYTES);
  }
}

static void exec_movmatrix(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  const uint32_t *from = sim_source(warp, inst, 0);
  uint32_t out[SIM_LANES], undefined;
  matrix whole = {0};
  if (!warp_ready(warp, inst, lanes))
    return;
  for (uint32_t lane = 0; lane < SIM_LANES; lane++) {
    whole.elements[lane / 4][2 * (lane % 4)] = (uint16_t)from[lane];
    whole.elements[lane / 4][2 * (lane % 4) + 1] = (uint16_t)(from[lane] >> 16);
  }
  for (uint32_t lane = 0; lane < SIM_LANES; lane++)
    out[lane] = pair_of(&whole, lane, true, &undefined);
  sim_commit_word(warp, inst, 0, lanes, out);
}

#define ROW(pattern, operands, exec, taint, prepare)                                                         \
  { pattern, operands, exec, taint, prepare, SIM_FLOW_NEXT }

/* A list of one may be written with or without braces. */
static const sim_form forms[] = {
    ROW("ldmatrix.sync.aligned.m8n8(.x1|.x2|.x4)[.trans][.shared|.shared::cta].b16", "*w:m", exec_ldmatrix,
        sim_taint_address, prepare_matrix),
    ROW("ldmatrix.sync.aligned.m8n8(.x1)[.trans][.shared|.shared::cta].b16", "1w:m", exec_ldmatrix,
        sim_taint_address, prepare_matrix),
    ROW("stmatrix.sync.aligned.m8n8(.x1|.x2|.x4)[.trans][.shared|.shared::cta].b16", ":m*w", exec_stmatrix,
        sim_taint_address, prepare_matrix),
    ROW("stmatrix.sync.aligned.m8n8(.x1)[.trans][.shared|.shared::cta].b16", ":m1w", exec_stmatrix,
        sim_taint_address, prepare_matrix),
    ROW("movmatrix.sync.aligned.m8n8.trans.b16", "w:w", exec_movmatrix, sim_taint_warp, NULL),
};

const sim_form_table SIM_TABLE(sim_forms_matrix) = SIM_FORM_TABLE(forms);
