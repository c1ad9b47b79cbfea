/* mma.sync m16n8k*: D = A B + C on fragments spread over the warp. With g = lane / 4, t = lane % 4 and e
 * elements in a word: word r of A holds row g + 8 (r % 2), columns e t + 4 e (r / 2) and on; word r of B
 * holds column g, rows e t + 4 e r and on; C and D hold rows g and g + 8, columns 2 t and 2 t + 1.
 *
 * So the lanes of one word, read as an array of elements, are a row-major tile of 8 rows of A (or columns of
 * B) by 4 e elements, and the words of C zipped in pairs are rows of 8. */
#include "exec/lanes.h"
#include "exec/narrow.h"
#include "exec/scheduler.h"
#include "exec/tile.h"

enum { ROWS = 16, COLUMNS = SIM_TILE_COLUMNS, MAX_DEPTH = 32, TILE_ROWS = SIM_TILE_ROWS };

/* Over the format, in the mode. */
enum { MODE_HALF_RESULT = 16 };

static uint32_t per_word(const struct sim_inst *inst) {
  return (inst->mode & 15) <= SIM_TILE_BF16 ? 2 : 4;
}

/* The elements of the 32 lanes of a word, in order. */
static void unpack_tile(const void *words, uint32_t format, float *out) {
  sim_unpack(words, format, SIM_SLOT_BYTES, out);
}

/* Tile r of A is tile_a[r]; row i of the tile starts at i * width. */
static void read_a(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t words,
                   float tiles[4][TILE_ROWS * MAX_DEPTH / 2]) {
  for (uint32_t r = 0; r < words; r++)
    unpack_tile(sim_source(warp, inst, r), inst->mode & 15, tiles[r]);
}

static void read_b(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t first, uint32_t words,
                   sim_row_vector rows[MAX_DEPTH]) {
  uint32_t width = 4 * per_word(inst);
  for (uint32_t r = 0; r < words; r++) {
    float tile[TILE_ROWS * MAX_DEPTH / 2];
    unpack_tile(sim_source(warp, inst, first + r), inst->mode & 15, tile);
    for (uint32_t k = 0; k < width; k++)
      for (uint32_t column = 0; column < COLUMNS; column++)
        rows[r * width + k][column] = tile[column * width + k];
  }
}

static void read_c(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t first, float c[ROWS * COLUMNS]) {
  for (uint32_t half = 0; half < 2; half++) {
    float *to = c + half * TILE_ROWS * COLUMNS;
    if (inst->mode & MODE_HALF_RESULT) {
      unpack_tile(sim_source(warp, inst, first + half), SIM_TILE_F16, to);
      continue;
    }
    const float *even = sim_source(warp, inst, first + 2 * half);
    const float *odd = sim_source(warp, inst, first + 2 * half + 1);
    for (int i = 0; i < SIM_LANES; i++) {
      to[2 * i] = even[i];
      to[2 * i + 1] = odd[i];
    }
  }
}

static void write_d(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, const float d[ROWS * COLUMNS]) {
  for (uint32_t half = 0; half < 2; half++) {
    const float *from = d + half * TILE_ROWS * COLUMNS;
    float even[SIM_LANES];
    float odd[SIM_LANES];
    for (int i = 0; i < SIM_LANES; i++) {
      even[i] = from[2 * i];
      odd[i] = from[2 * i + 1];
    }
    if (inst->mode & MODE_HALF_RESULT) {
      uint32_t packed[SIM_LANES];
      for (int i = 0; i < SIM_LANES; i++)
        packed[i] = sim_float_to_half(even[i]) | sim_float_to_half(odd[i]) << 16;
      sim_commit_word(warp, inst, half, lanes, packed);
    } else {
      sim_commit_word(warp, inst, 2 * half, lanes, even);
      sim_commit_word(warp, inst, 2 * half + 1, lanes, odd);
    }
  }
}

static void multiply(float d[ROWS * COLUMNS], float tiles[4][TILE_ROWS * MAX_DEPTH / 2], const sim_row_vector *rows,
                     uint32_t width, uint32_t b_words) {
  for (uint32_t half = 0; half < 2; half++) {
    sim_row_vector sums[TILE_ROWS];
    memcpy(sums, d + half * TILE_ROWS * COLUMNS, sizeof sums);
    for (uint32_t r = 0; r < b_words; r++)
      sim_multiply_tile(sums, tiles[2 * r + half], width, width, rows + r * width);
    memcpy(d + half * TILE_ROWS * COLUMNS, sums, sizeof sums);
  }
}

/* An H200 has no unit for this: its compiler makes two products of f16, of the lower and the upper halves of all words,
 * and adds C to the second. */
static void multiply_narrow(float d[ROWS * COLUMNS], float tiles[4][TILE_ROWS * MAX_DEPTH / 2],
                            const sim_row_vector *rows) {
  static const struct sim_cut cut = {0x1p-14f, 0x1p-14f, 0x1p25f, ~0};
  const uint32_t width = MAX_DEPTH / 2;
  sim_row_vector b[MAX_DEPTH];
  float a[TILE_ROWS][MAX_DEPTH];
  for (uint32_t half = 0; half < 2; half++) {
    sim_row_vector sums[TILE_ROWS] = {{0}};
    for (uint32_t k = 0; k < MAX_DEPTH; k++) {
      const uint32_t word = k % width / 8;
      const uint32_t at = k % 8 / 2 * 4 + k / width * 2 + k % 2;
      b[k] = rows[word * width + at];
      for (uint32_t i = 0; i < TILE_ROWS; i++)
        a[i][k] = tiles[2 * word + half][i * width + at];
    }
    for (uint32_t k = 0; k < MAX_DEPTH; k += width)
      sim_multiply_narrow(sums, a[0] + k, MAX_DEPTH, width, b + k, &cut);
    for (uint32_t i = 0; i < TILE_ROWS * COLUMNS; i++)
      d[half * TILE_ROWS * COLUMNS + i] += sums[i / COLUMNS][i % COLUMNS];
  }
}

/* The number of words of A is twice that of B: 4 and 2, or 2 and 1. */
static void exec_mma(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  float tiles[4][TILE_ROWS * MAX_DEPTH / 2];
  float d[ROWS * COLUMNS];
  sim_row_vector rows[MAX_DEPTH];
  uint32_t b_words = inst->count;
  uint32_t a_words = 2 * b_words;
  if (!sim_converged(warp, lanes, UINT32_MAX))
    return;
  read_a(warp, inst, a_words, tiles);
  read_b(warp, inst, a_words, b_words, rows);
  read_c(warp, inst, a_words + b_words, d);
  if (per_word(inst) == 4)
    multiply_narrow(d, tiles, rows);
  else
    multiply(d, tiles, rows, 4 * per_word(inst), b_words);
  write_d(warp, inst, lanes, d);
}

/* An undefined element of A spoils its row of D, one of B its column, one of C itself. */
static void taint_mma(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t b_words = inst->count;
  uint32_t a_words = 2 * b_words;
  uint32_t outputs = inst->destinations;
  uint8_t rows[ROWS] = {0};
  uint8_t columns[COLUMNS] = {0};
  uint8_t out[4][SIM_LANES];
  const uint32_t *slots = inst->operands + inst->destinations;
  for (uint32_t lane = 0; lane < SIM_LANES; lane++) {
    for (uint32_t r = 0; r < a_words; r++)
      rows[lane / 4 + 8 * (r % 2)] |= sim_taint_of(warp, slots[r])[lane];
    for (uint32_t r = 0; r < b_words; r++)
      columns[lane / 4] |= sim_taint_of(warp, slots[a_words + r])[lane];
  }
  for (uint32_t lane = 0; lane < SIM_LANES; lane++)
    for (uint32_t r = 0; r < outputs; r++) {
      bool halves = outputs == 2;
      uint32_t row = lane / 4 + 8 * (halves ? r : r / 2);
      uint32_t column = 2 * (lane % 4) + (halves ? 0 : r % 2);
      uint8_t spoiled = rows[row] | columns[column] | (halves ? columns[column + 1] : 0);
      out[r][lane] = spoiled ? UINT8_MAX : sim_taint_of(warp, slots[a_words + b_words + r])[lane];
    }
  SIM_FOR_LANES(lane, lanes) {
    for (uint32_t r = 0; r < outputs; r++)
      sim_set_taint(warp, inst->operands[r], lane, out[r][lane]);
  }
}

static bool prepare_mma(struct sim_inst *inst, const struct sim_captures *captures) {
  static const struct {
    const char *name;
    uint8_t format;
  } formats[] = {{".f16", SIM_TILE_F16}, {".bf16", SIM_TILE_BF16}, {".e4m3", SIM_TILE_E4M3}, {".e5m2", SIM_TILE_E5M2}};
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    if (sim_capture_is(captures, 2, formats[i].name))
      inst->mode = formats[i].format;
  inst->count = sim_capture_is(captures, 0, ".m16n8k8") ? 1 : 2;
  if (sim_capture_is(captures, 1, ".f16"))
    inst->mode |= MODE_HALF_RESULT;
  return true;
}

#define ROW(pattern, operands)                                                                                         \
  { pattern, operands, exec_mma, taint_mma, prepare_mma, SIM_FLOW_NEXT }

static const struct sim_form forms[] = {
    ROW("mma.sync.aligned(.m16n8k16).row.col(.f32)(.f16).f16.f32", "4w:4w2w4w"),
    ROW("mma.sync.aligned(.m16n8k16).row.col(.f32)(.bf16).bf16.f32", "4w:4w2w4w"),
    ROW("mma.sync.aligned(.m16n8k16).row.col(.f16)(.f16).f16.f16", "2w:4w2w2w"),
    ROW("mma.sync.aligned(.m16n8k8).row.col(.f32)(.f16).f16.f32", "4w:2w1w4w"),
    ROW("mma.sync.aligned(.m16n8k8).row.col(.f32)(.bf16).bf16.f32", "4w:2w1w4w"),
    ROW("mma.sync.aligned(.m16n8k8).row.col(.f32)(.f16).f16.f32", "4w:2ww4w"),
    ROW("mma.sync.aligned(.m16n8k8).row.col(.f32)(.bf16).bf16.f32", "4w:2ww4w"),
    ROW("mma.sync.aligned(.m16n8k8).row.col(.f16)(.f16).f16.f16", "2w:2w1w2w"),
    ROW("mma.sync.aligned(.m16n8k32).row.col(.f32)(.e4m3).e4m3.f32", "4w:4w2w4w"),
    ROW("mma.sync.aligned(.m16n8k32).row.col(.f32)(.e5m2).e5m2.f32", "4w:4w2w4w"),
};

const struct sim_form_table SIM_TABLE(sim_forms_mma) = SIM_FORM_TABLE(forms);
