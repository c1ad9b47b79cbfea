/* ldmatrix, stmatrix and movmatrix: 8 x 8 matrices of 16-bit elements. Lane t of the warp holds the elements
 * (t / 4, 2 (t % 4)) and the next one of its row; .trans exchanges rows and columns. */
#include "exec/access.h"
#include "exec/lanes.h"
#include "exec/scheduler.h"
#include "machine/fault.h"

enum { ROWS = 8, ROW_BYTES = 16, MAX_MATRICES = 4 };

struct matrix {
  uint16_t elements[ROWS][ROWS];
  uint16_t undefined[ROWS]; /* a bit per byte of the row */
};

static bool prepare_matrix(struct sim_inst *inst, const struct sim_captures *captures) {
  inst->count = (uint8_t)(captures->items[0].text[2] - '0');
  inst->mode = sim_capture_is(captures, 1, ".trans");
  return true;
}

static bool warp_ready(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  if (lanes & ~warp->live)
    sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_OTHER, "executed by lanes that have exited");
  return sim_converged(warp, lanes, UINT32_MAX);
}

/* Lanes whose addresses name rows. */
static uint32_t row_lanes(const struct sim_inst *inst) {
  uint32_t rows = (uint32_t)inst->count * ROWS;
  return rows == SIM_LANES ? UINT32_MAX : (1u << rows) - 1;
}

static void fetch(struct sim_warp *warp, const struct sim_inst *inst, struct matrix *matrices) {
  struct sim_access access;
  uint32_t rows = (uint32_t)inst->count * ROWS;
  sim_resolve(warp, inst, row_lanes(inst), 0, PTX_SHARED, ROW_BYTES, ROW_BYTES, &access);
  for (uint32_t row = 0; row < rows; row++) {
    struct matrix *target = &matrices[row / ROWS];
    uint32_t undefined = 0;
    if (warp->block->launch->checks)
      undefined = sim_access_read(warp, inst, row, &access, SIM_COLLECTIVE);
    memcpy(target->elements[row % ROWS], access.host[row], ROW_BYTES);
    target->undefined[row % ROWS] = (uint16_t)undefined;
  }
}

static void transpose(struct matrix *m) {
  struct matrix turned = {0};
  for (uint32_t row = 0; row < ROWS; row++)
    for (uint32_t column = 0; column < ROWS; column++)
      turned.elements[column][row] = m->elements[row][column];
  for (uint32_t row = 0; row < ROWS; row++)
    for (uint32_t column = 0; m->undefined[row] && column < ROWS; column++)
      turned.undefined[column] |= (uint16_t)((m->undefined[row] >> (2 * column) & 3) << (2 * row));
  *m = turned;
}

/* Undefined bytes of the two elements that a lane holds. */
static uint32_t lane_undefined(const struct matrix *m, uint32_t lane) {
  return (uint32_t)m->undefined[lane / 4] >> (4 * (lane % 4)) & 15;
}

/* The elements of a matrix in row order are the lanes of the register. */
static void exec_ldmatrix(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct matrix matrices[MAX_MATRICES];
  if (!warp_ready(warp, inst, lanes))
    return;
  fetch(warp, inst, matrices);
  for (uint32_t m = 0; m < inst->count; m++) {
    if (inst->mode)
      transpose(&matrices[m]);
    sim_commit_word(warp, inst, m, lanes, matrices[m].elements);
    SIM_FOR_LANES(lane, lanes) {
      uint32_t undefined = lane_undefined(&matrices[m], lane);
      if (undefined || warp->tainted)
        sim_set_taint(warp, inst->operands[m], lane, undefined);
    }
  }
}

static void collect(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t index, struct matrix *m) {
  const uint8_t *taint = sim_taint_of(warp, inst->operands[inst->destinations + index]);
  memset(m, 0, sizeof *m);
  memcpy(m->elements, sim_source(warp, inst, index), sizeof m->elements);
  for (uint32_t lane = 0; warp->tainted && lane < SIM_LANES; lane++)
    m->undefined[lane / 4] |= (uint16_t)((taint[lane] & 15) << (4 * (lane % 4)));
  if (inst->mode)
    transpose(m);
}

static void exec_stmatrix(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct matrix matrices[MAX_MATRICES];
  struct sim_access access;
  uint32_t rows = (uint32_t)inst->count * ROWS;
  if (!warp_ready(warp, inst, lanes))
    return;
  for (uint32_t m = 0; m < inst->count; m++)
    collect(warp, inst, 1 + m, &matrices[m]);
  sim_resolve(warp, inst, row_lanes(inst), 0, PTX_SHARED, ROW_BYTES, ROW_BYTES, &access);
  for (uint32_t row = 0; row < rows; row++) {
    const struct matrix *from = &matrices[row / ROWS];
    if (warp->block->launch->checks)
      sim_access_write(warp, inst, row, &access, from->undefined[row % ROWS], SIM_COLLECTIVE);
    memcpy(access.host[row], from->elements[row % ROWS], ROW_BYTES);
  }
}

static void exec_movmatrix(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct matrix whole;
  if (!warp_ready(warp, inst, lanes))
    return;
  memset(&whole, 0, sizeof whole);
  memcpy(whole.elements, sim_source(warp, inst, 0), sizeof whole.elements);
  transpose(&whole);
  sim_commit_word(warp, inst, 0, lanes, whole.elements);
}

#define ROW(pattern, operands, exec, taint, prepare)                                                                   \
  { pattern, operands, exec, taint, prepare, SIM_FLOW_NEXT }

/* A list of one may be written with or without braces. */
static const struct sim_form forms[] = {
    ROW("ldmatrix.sync.aligned.m8n8(.x1|.x2|.x4)[.trans][.shared|.shared::cta].b16", "*w:m", exec_ldmatrix,
        sim_taint_address, prepare_matrix),
    ROW("ldmatrix.sync.aligned.m8n8(.x1)[.trans][.shared|.shared::cta].b16", "1w:m", exec_ldmatrix, sim_taint_address,
        prepare_matrix),
    ROW("stmatrix.sync.aligned.m8n8(.x1|.x2|.x4)[.trans][.shared|.shared::cta].b16", ":m*w", exec_stmatrix,
        sim_taint_address, prepare_matrix),
    ROW("stmatrix.sync.aligned.m8n8(.x1)[.trans][.shared|.shared::cta].b16", ":m1w", exec_stmatrix, sim_taint_address,
        prepare_matrix),
    ROW("movmatrix.sync.aligned.m8n8.trans.b16", "w:w", exec_movmatrix, sim_taint_warp, NULL),
};

const struct sim_form_table SIM_TABLE(sim_forms_matrix) = SIM_FORM_TABLE(forms);
