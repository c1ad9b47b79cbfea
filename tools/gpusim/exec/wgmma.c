/* wgmma.mma_async: D = A B + D for the 64 rows of a warpgroup, of which warp w has 16 w and on. A lies in shared memory
 * or in registers, as mma.sync has it; B in shared memory, one column after the other, or transposed. Register 4 j + 2
 * h + e of D holds row lane / 4 + 8 h of the warp, column 8 j + 2 (lane % 4) + e. */
#include "check/taint.h"
#include "exec/lanes.h"
#include "exec/narrow.h"
#include "exec/product.h"
#include "exec/scheduler.h"
#include "exec/tile.h"
#include "machine/fault.h"

enum { MAX_DEPTH = 32, HALVES = 2, CHUNK = 16, DEPTH_BYTES = 32, MAX_TILES = SIM_PRODUCT_COLUMNS / SIM_TILE_COLUMNS };

/* The mode: format of A, format of B above it. */
static uint32_t format_a(const struct sim_inst *inst) {
  return inst->mode & 15u;
}

static uint32_t format_b(const struct sim_inst *inst) {
  return inst->mode >> 4u;
}

static bool has_halves(const struct sim_inst *inst) {
  return format_a(inst) <= SIM_TILE_BF16;
}

static uint32_t depth_of(const struct sim_inst *inst) {
  return has_halves(inst) ? DEPTH_BYTES / 2 : DEPTH_BYTES;
}

/* The immediates: signs of A and B, then, of 16-bit elements, whether A (unless it is in registers) and B are
 * transposed. */
static uint32_t immediate_count(const struct sim_inst *inst) {
  return !has_halves(inst) ? 2 : inst->order ? 3 : 4;
}

static int8_t immediate(const struct sim_inst *inst, uint32_t index) {
  return (int8_t)(inst->immediate >> 8 * (immediate_count(inst) - 1 - index));
}

static bool transposes_a(const struct sim_inst *inst) {
  return immediate_count(inst) == 4 && immediate(inst, 2);
}

static bool transposes_b(const struct sim_inst *inst) {
  return immediate_count(inst) > 2 && immediate(inst, immediate_count(inst) - 1);
}

static void operands_of(const struct sim_product *part, struct sim_product_operands *operands) {
  const struct sim_inst *inst = part->inst;
  memset(operands, 0, sizeof *operands);
  operands->columns = (uint32_t)inst->destinations * 2;
  operands->b = sim_matrix_of(part->b, transposes_b(inst), operands->columns, DEPTH_BYTES);
  if (!inst->order)
    operands->a = sim_matrix_of(part->a, transposes_a(inst), SIM_PRODUCT_ROWS, DEPTH_BYTES);
}

static void check_immediates(const struct sim_warp *warp, const struct sim_inst *inst) {
  for (uint32_t i = 0; i < immediate_count(inst); i++) {
    int value = immediate(inst, i);
    bool valid = i < 2 ? value == 1 || value == -1 : value == 0 || value == 1;
    if (!valid)
      sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_OTHER, "immediate %u of the wgmma is %d", i, value);
  }
}

static uint64_t descriptor_of(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t source) {
  const uint64_t *values = sim_source(warp, inst, source);
  for (uint32_t lane = 1; lane < SIM_LANES; lane++)
    if (values[lane] != values[0])
      sim_fault(warp, inst, lane, SIM_FAULT_CHECK, "the lanes have different descriptors");
  if (sim_descriptor_base_offset(values[0]))
    sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_OTHER, "a descriptor with a base offset: not simulated");
  return values[0];
}

static bool whole_warp(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  if (warp->live != UINT32_MAX)
    sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_CHECK, "not all lanes of the warp execute the instruction");
  return sim_converged(warp, lanes, UINT32_MAX);
}

static void exec_product(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  if (!whole_warp(warp, inst, lanes))
    return;
  uint32_t words = inst->order;
  uint32_t source = words ? words : 1;
  struct sim_product part = {.inst = inst, .b = descriptor_of(warp, inst, source)};
  struct sim_product_operands operands;
  uint32_t adds = *(const uint32_t *)sim_source(warp, inst, source + 1);
  check_immediates(warp, inst);
  if (adds && adds != UINT32_MAX)
    sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_CHECK, "the lanes differ in whether the product is added");
  part.adds = adds;
  if (!words)
    part.a = descriptor_of(warp, inst, 0);
  operands_of(&part, &operands);
  sim_product_issue(warp, inst, &part, &operands);
}

/* Descriptors and the predicate decide; undefined elements of A in registers spread when the product is computed. */
static void taint_product(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t first = inst->order;
  uint32_t count = inst->order ? 2 : 3;
  for (uint32_t s = first; s < first + count; s++)
    SIM_FOR_LANES(lane, lanes)
      if (sim_taint_of(warp, inst->operands[inst->destinations + s])[lane])
        sim_fault(warp, inst, lane, SIM_FAULT_CHECK, "a descriptor or the predicate is an undefined value");
}

/* B as rows of eight columns: rows[j][k] has columns 8 j and on at depth k. */
struct b_rows {
  sim_row_vector rows[MAX_TILES][MAX_DEPTH];
};

static void load_columns(const uint8_t *shared, const struct sim_matrix *m, uint32_t format, struct b_rows *out) {
  float block[SIM_TILE_COLUMNS][MAX_DEPTH];
  uint32_t depth = format <= SIM_TILE_BF16 ? DEPTH_BYTES / 2 : DEPTH_BYTES;
  for (uint32_t j = 0; j < m->lines / SIM_TILE_COLUMNS; j++) {
    for (uint32_t i = 0; i < SIM_TILE_COLUMNS; i++)
      for (uint32_t c = 0; c < m->chunks; c++)
        sim_unpack(shared + sim_matrix_chunk(m, j * SIM_TILE_COLUMNS + i, c), format, CHUNK,
                   block[i] + c * (depth / m->chunks));
    for (uint32_t k = 0; k < depth; k++)
      for (uint32_t i = 0; i < SIM_TILE_COLUMNS; i++)
        out->rows[j][k][i] = block[i][k];
  }
}

static void load_transposed_columns(const uint8_t *shared, const struct sim_matrix *m, uint32_t format,
                                    struct b_rows *out) {
  float elements[CHUNK];
  for (uint32_t j = 0; j < m->chunks; j++)
    for (uint32_t k = 0; k < m->lines; k++) {
      sim_unpack(shared + sim_matrix_chunk(m, k, j), format, CHUNK, elements);
      memcpy(&out->rows[j][k], elements, sizeof out->rows[j][k]);
    }
}

/* The warp's rows of A, eight in each tile. */
typedef float row_tiles[HALVES][SIM_TILE_ROWS][MAX_DEPTH];

static void load_rows(const uint8_t *shared, const struct sim_matrix *m, uint32_t format, uint32_t warp,
                      row_tiles out) {
  uint32_t per_chunk = format <= SIM_TILE_BF16 ? CHUNK / 2 : CHUNK;
  for (uint32_t row = 0; row < SIM_WARP_ROWS; row++)
    for (uint32_t c = 0; c < m->chunks; c++)
      sim_unpack(shared + sim_matrix_chunk(m, warp * SIM_WARP_ROWS + row, c), format, CHUNK,
                 out[row / SIM_TILE_ROWS][row % SIM_TILE_ROWS] + c * per_chunk);
}

static void load_transposed_rows(const uint8_t *shared, const struct sim_matrix *m, uint32_t format, uint32_t warp,
                                 row_tiles out) {
  float elements[CHUNK];
  for (uint32_t half = 0; half < HALVES; half++)
    for (uint32_t k = 0; k < m->lines; k++) {
      sim_unpack(shared + sim_matrix_chunk(m, k, warp * HALVES + half), format, CHUNK, elements);
      for (uint32_t i = 0; i < SIM_TILE_ROWS; i++)
        out[half][i][k] = elements[i];
    }
}

/* Word r holds rows lane / 4 + 8 (r % 2), and of K the part r / 2. */
static void load_registers(const struct sim_warp *warp, const struct sim_inst *inst, row_tiles out) {
  float elements[SIM_LANES * 4];
  uint32_t width = depth_of(inst) / 2;
  for (uint32_t r = 0; r < inst->order; r++) {
    sim_unpack(sim_source(warp, inst, r), format_a(inst), SIM_SLOT_BYTES, elements);
    for (uint32_t i = 0; i < SIM_TILE_ROWS; i++)
      memcpy(out[r % HALVES][i] + r / HALVES * width, elements + i * width, width * sizeof *elements);
  }
}

static void load_a(const struct sim_warp *warp, const struct sim_product *part, const struct sim_matrix *a,
                   row_tiles out) {
  const struct sim_inst *inst = part->inst;
  uint32_t member = warp->index % SIM_GROUP_WARPS;
  if (inst->order)
    load_registers(warp, inst, out);
  else if (a->transposed)
    load_transposed_rows(warp->block->shared, a, format_a(inst), member, out);
  else
    load_rows(warp->block->shared, a, format_a(inst), member, out);
  if (immediate(inst, 0) * immediate(inst, 1) < 0)
    for (uint32_t i = 0; i < HALVES * SIM_TILE_ROWS; i++)
      for (uint32_t k = 0; k < depth_of(inst); k++)
        out[i / SIM_TILE_ROWS][i % SIM_TILE_ROWS][k] *= -1;
}

static struct sim_cut cut_of(const struct sim_inst *inst) {
  static const float least[] = {[SIM_TILE_E4M3] = 0x1p-6f, [SIM_TILE_E5M2] = 0x1p-14f};
  return (struct sim_cut){least[format_a(inst)], least[format_b(inst)], 0x1p13f, ~0x3ff};
}

/* Eight rows and columns of D, from two registers. */
static void multiply_tile(struct sim_warp *warp, const struct sim_product *part, uint32_t j, uint32_t half, row_tiles a,
                          const struct b_rows *b) {
  const struct sim_inst *inst = part->inst;
  float *even = sim_operand(warp, inst, 4 * j + 2 * half);
  float *odd = sim_operand(warp, inst, 4 * j + 2 * half + 1);
  sim_row_vector sums[SIM_TILE_ROWS];
  float *elements = (float *)sums;
  memset(sums, 0, sizeof sums);
  for (uint32_t i = 0; part->adds && i < SIM_LANES; i++) {
    elements[2 * i] = even[i];
    elements[2 * i + 1] = odd[i];
  }
  if (has_halves(inst)) {
    sim_multiply_tile(sums, a[half][0], MAX_DEPTH, depth_of(inst), b->rows[j]);
  } else {
    const struct sim_cut cut = cut_of(inst);
    sim_multiply_narrow(sums, a[half][0], MAX_DEPTH, MAX_DEPTH, b->rows[j], &cut);
  }
  for (uint32_t i = 0; i < SIM_LANES; i++) {
    even[i] = elements[2 * i];
    odd[i] = elements[2 * i + 1];
  }
}

/* An undefined element of A spoils its row of D, one of B its column. */
static void spread_taint(struct sim_warp *warp, const struct sim_product *part,
                         const uint64_t columns[SIM_PRODUCT_COLUMNS / 64]) {
  const struct sim_inst *inst = part->inst;
  uint32_t rows = part->undefined_rows;
  for (uint32_t r = 0; r < inst->order; r++)
    for (uint32_t lane = 0; lane < SIM_LANES; lane++)
      if (sim_taint_of(warp, inst->operands[inst->destinations + r])[lane])
        rows |= 1u << (lane / 4 + 8 * (r % 2));
  for (uint32_t d = 0; d < inst->destinations; d++)
    for (uint32_t lane = 0; lane < SIM_LANES; lane++) {
      uint32_t row = lane / 4 + 8 * (d / 2 % 2);
      uint32_t column = d / 4 * 8 + 2 * (lane % 4) + d % 2;
      bool spoiled = (rows >> row & 1) || (columns[column / 64] >> (column % 64) & 1);
      if (spoiled || !part->adds)
        sim_set_taint(warp, inst->operands[d], lane, spoiled ? UINT8_MAX : 0);
    }
}

static void taint_results(struct sim_warp *const warps[SIM_GROUP_WARPS],
                          const struct sim_product *const parts[SIM_GROUP_WARPS]) {
  uint64_t columns[SIM_PRODUCT_COLUMNS / 64] = {0};
  uint64_t any = 0;
  for (uint32_t w = 0; w < SIM_GROUP_WARPS; w++)
    for (uint32_t i = 0; i < SIM_PRODUCT_COLUMNS / 64; i++)
      any |= columns[i] |= parts[w]->undefined_columns[i];
  for (uint32_t w = 0; w < SIM_GROUP_WARPS; w++)
    if (any || parts[w]->undefined_rows || warps[w]->tainted)
      spread_taint(warps[w], parts[w], columns);
}

static void compute(struct sim_warp *const warps[SIM_GROUP_WARPS],
                    const struct sim_product *const parts[SIM_GROUP_WARPS],
                    const struct sim_product_operands *operands) {
  const struct sim_inst *inst = parts[0]->inst;
  const uint8_t *shared = warps[0]->block->shared;
  struct b_rows b;
  row_tiles a;
  if (operands->b.transposed)
    load_transposed_columns(shared, &operands->b, format_b(inst), &b);
  else
    load_columns(shared, &operands->b, format_b(inst), &b);
  for (uint32_t w = 0; w < SIM_GROUP_WARPS; w++) {
    load_a(warps[w], parts[w], &operands->a, a);
    for (uint32_t j = 0; j < operands->columns / SIM_TILE_COLUMNS; j++)
      for (uint32_t half = 0; half < HALVES; half++)
        multiply_tile(warps[w], parts[w], j, half, a, &b);
  }
  taint_results(warps, parts);
}

static void exec_fence(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  if (whole_warp(warp, inst, lanes))
    warp->products.fenced = true;
}

static void exec_commit(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  if (!whole_warp(warp, inst, lanes))
    return;
  warp->products.commits++;
  warp->block->events++;
}

static void exec_wait(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  if (whole_warp(warp, inst, lanes))
    sim_product_wait(warp, lanes, (uint32_t)inst->immediate, compute, operands_of);
}

static uint8_t format_named(const struct sim_captures *captures, uint32_t index) {
  static const char *const names[] = {".f16", ".bf16", ".e4m3", ".e5m2"};
  uint8_t format = SIM_TILE_F16;
  while (!sim_capture_is(captures, index, names[format]))
    format++;
  return format;
}

/* The number of accumulators is half the columns. */
static bool prepare_product(struct sim_inst *inst, const struct sim_captures *captures) {
  const char *columns = captures->items[0].text + strlen(".m64n");
  uint32_t count = 0;
  for (; *columns >= '0' && *columns <= '9'; columns++)
    count = 10 * count + (uint32_t)(*columns - '0');
  inst->count = (uint8_t)(count / 2);
  inst->mode = (uint8_t)(format_named(captures, 1) | format_named(captures, 2) << 4);
  inst->in_flight = true;
  return true;
}

static bool prepare_registers(struct sim_inst *inst, const struct sim_captures *captures) {
  inst->order = 4;
  return prepare_product(inst, captures);
}

#define COLUMNS(k)                                                                                                     \
  "(.m64n8" k "|.m64n16" k "|.m64n24" k "|.m64n32" k "|.m64n40" k "|.m64n48" k "|.m64n56" k "|.m64n64" k "|.m64n72" k  \
  "|.m64n80" k "|.m64n88" k "|.m64n96" k "|.m64n104" k "|.m64n112" k "|.m64n120" k "|.m64n128" k "|.m64n136" k         \
  "|.m64n144" k "|.m64n152" k "|.m64n160" k "|.m64n168" k "|.m64n176" k "|.m64n184" k "|.m64n192" k "|.m64n200" k      \
  "|.m64n208" k "|.m64n216" k "|.m64n224" k "|.m64n232" k "|.m64n240" k "|.m64n248" k "|.m64n256" k ")"
#define PRODUCT "wgmma.mma_async.sync.aligned"
#define SHARED(types, operands)                                                                                        \
  { PRODUCT types, operands, exec_product, taint_product, prepare_product, SIM_FLOW_NEXT }
#define REGISTERS(types, operands)                                                                                     \
  { PRODUCT types, operands, exec_product, taint_product, prepare_registers, SIM_FLOW_NEXT }
#define ROW(pattern, operands, exec)                                                                                   \
  { pattern, operands, exec, sim_taint_none, NULL, SIM_FLOW_NEXT }

static const struct sim_form forms[] = {
    SHARED(COLUMNS("k16") ".f32(.f16)(.f16)", "+*w:xxpjjjj"),
    SHARED(COLUMNS("k16") ".f32(.bf16)(.bf16)", "+*w:xxpjjjj"),
    SHARED(COLUMNS("k32") ".f32(.e4m3|.e5m2)(.e4m3|.e5m2)", "+*w:xxpjj"),
    REGISTERS(COLUMNS("k16") ".f32(.f16)(.f16)", "+*w:4wxpjjj"),
    REGISTERS(COLUMNS("k16") ".f32(.bf16)(.bf16)", "+*w:4wxpjjj"),
    REGISTERS(COLUMNS("k32") ".f32(.e4m3|.e5m2)(.e4m3|.e5m2)", "+*w:4wxpjj"),
    ROW("wgmma.fence.sync.aligned", "", exec_fence),
    ROW("wgmma.commit_group.sync.aligned", "", exec_commit),
    ROW("wgmma.wait_group.sync.aligned", ":i", exec_wait),
};

const struct sim_form_table SIM_TABLE(sim_forms_wgmma) = SIM_FORM_TABLE(forms);
