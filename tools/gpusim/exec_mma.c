/* mma.sync m16n8k*: D = A B + C on fragments spread over the warp. With g = lane / 4, t = lane % 4 and e
 * elements in a word: word r of A holds row g + 8 (r % 2), columns e t + 4 e (r / 2) and on; word r of B
 * holds column g, rows e t + 4 e r and on; C and D hold rows g and g + 8, columns 2 t and 2 t + 1. */
#include "exec.h"
#include "half.h"

enum { ROWS = 16, COLUMNS = 8, MAX_DEPTH = 32 };
enum { MODE_F16, MODE_BF16, MODE_E4M3, MODE_E5M2, MODE_HALF_RESULT = 16 };

static float element(uint32_t word, uint32_t index, uint32_t format) {
  switch (format) {
  case MODE_F16:
    return sim_half_to_float(word >> (16 * index) & 0xffff);
  case MODE_BF16:
    return sim_bf16_to_float(word >> (16 * index) & 0xffff);
  case MODE_E4M3:
    return sim_fp8_to_float(word >> (8 * index) & 255, &sim_e4m3);
  default:
    return sim_fp8_to_float(word >> (8 * index) & 255, &sim_e5m2);
  }
}

/* Words of 32 lanes to numbers, in loops the compiler can vectorise. */
static void unpack_word(const uint32_t *words, uint32_t index, uint32_t format, float *out) {
  switch (format) {
  case MODE_F16:
    for (int i = 0; i < SIM_LANES; i++)
      out[i] = sim_half_to_float(words[i] >> (16 * index) & 0xffff);
    break;
  case MODE_BF16:
    for (int i = 0; i < SIM_LANES; i++)
      out[i] = sim_bf16_to_float(words[i] >> (16 * index) & 0xffff);
    break;
  default:
    for (int i = 0; i < SIM_LANES; i++)
      out[i] = element(words[i], index, format);
  }
}

static uint32_t per_word(const sim_inst *inst) {
  return (inst->mode & 15) <= MODE_BF16 ? 2 : 4;
}

static void read_a(const sim_warp *warp, const sim_inst *inst, uint32_t words, float a[ROWS][MAX_DEPTH]) {
  uint32_t elements = per_word(inst);
  for (uint32_t r = 0; r < words; r++) {
    const uint32_t *from = sim_source(warp, inst, r);
    for (uint32_t e = 0; e < elements; e++) {
      float values[SIM_LANES];
      unpack_word(from, e, inst->mode & 15, values);
      for (uint32_t lane = 0; lane < SIM_LANES; lane++)
        a[lane / 4 + 8 * (r % 2)][elements * (lane % 4) + 4 * elements * (r / 2) + e] = values[lane];
    }
  }
}

static void read_b(const sim_warp *warp, const sim_inst *inst, uint32_t first, uint32_t words,
                   float b[MAX_DEPTH][COLUMNS]) {
  uint32_t elements = per_word(inst);
  for (uint32_t r = 0; r < words; r++) {
    const uint32_t *from = sim_source(warp, inst, first + r);
    for (uint32_t e = 0; e < elements; e++) {
      float values[SIM_LANES];
      unpack_word(from, e, inst->mode & 15, values);
      for (uint32_t lane = 0; lane < SIM_LANES; lane++)
        b[elements * (lane % 4) + 4 * elements * r + e][lane / 4] = values[lane];
    }
  }
}

static void read_c(const sim_warp *warp, const sim_inst *inst, uint32_t first, float c[ROWS][COLUMNS]) {
  bool halves = inst->mode & MODE_HALF_RESULT;
  for (uint32_t r = 0; r < 4; r++) {
    const uint32_t *words = sim_source(warp, inst, first + (halves ? r / 2 : r));
    for (uint32_t lane = 0; lane < SIM_LANES; lane++) {
      float value =
          halves ? sim_half_to_float(words[lane] >> (16 * (r % 2)) & 0xffff) : sim_float(words[lane]);
      c[lane / 4 + 8 * (r / 2)][2 * (lane % 4) + r % 2] = value;
    }
  }
}

static void write_d(sim_warp *warp, const sim_inst *inst, uint32_t lanes, float d[ROWS][COLUMNS]) {
  uint32_t out[4][SIM_LANES];
  for (uint32_t r = 0; r < 4; r++)
    for (uint32_t lane = 0; lane < SIM_LANES; lane++)
      out[r][lane] = sim_bits(d[lane / 4 + 8 * (r / 2)][2 * (lane % 4) + r % 2]);
  if (!(inst->mode & MODE_HALF_RESULT)) {
    for (uint32_t r = 0; r < 4; r++)
      sim_commit_word(warp, inst, r, lanes, out[r]);
    return;
  }
  for (uint32_t r = 0; r < 2; r++) {
    for (int i = 0; i < SIM_LANES; i++)
      out[r][i] =
          sim_float_to_half(sim_float(out[2 * r][i])) | sim_float_to_half(sim_float(out[2 * r + 1][i])) << 16;
    sim_commit_word(warp, inst, r, lanes, out[r]);
  }
}

static void multiply(float d[ROWS][COLUMNS], float a[ROWS][MAX_DEPTH], float b[MAX_DEPTH][COLUMNS],
                     uint32_t depth) {
  for (uint32_t row = 0; row < ROWS; row++) {
    float sum[COLUMNS];
    memcpy(sum, d[row], sizeof sum);
    for (uint32_t k = 0; k < depth; k++)
      for (uint32_t column = 0; column < COLUMNS; column++)
        sum[column] += a[row][k] * b[k][column];
    memcpy(d[row], sum, sizeof sum);
  }
}

/* The number of words of A is twice that of B: 4 and 2, or 2 and 1. */
static void exec_mma(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  float a[ROWS][MAX_DEPTH], b[MAX_DEPTH][COLUMNS], d[ROWS][COLUMNS];
  uint32_t b_words = inst->count, a_words = 2 * b_words;
  if (!sim_converged(warp, lanes, UINT32_MAX))
    return;
  read_a(warp, inst, a_words, a);
  read_b(warp, inst, a_words, b_words, b);
  read_c(warp, inst, a_words + b_words, d);
  multiply(d, a, b, 4 * per_word(inst) * b_words);
  write_d(warp, inst, lanes, d);
}

/* An undefined element of A spoils its row of D, one of B its column, one of C itself. */
static void taint_mma(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  uint32_t b_words = inst->count, a_words = 2 * b_words, outputs = inst->destinations;
  uint8_t rows[ROWS] = {0}, columns[COLUMNS] = {0}, out[4][SIM_LANES];
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
      uint32_t row = lane / 4 + 8 * (halves ? r : r / 2), column = 2 * (lane % 4) + (halves ? 0 : r % 2);
      uint8_t spoiled = rows[row] | columns[column] | (halves ? columns[column + 1] : 0);
      out[r][lane] = spoiled ? UINT8_MAX : sim_taint_of(warp, slots[a_words + b_words + r])[lane];
    }
  SIM_FOR_LANES(lane, lanes) {
    for (uint32_t r = 0; r < outputs; r++)
      sim_set_taint(warp, inst->operands[r], lane, out[r][lane]);
  }
}

static bool prepare_mma(sim_inst *inst, const sim_captures *captures) {
  static const struct {
    const char *name;
    uint8_t format;
  } formats[] = {{".f16", MODE_F16}, {".bf16", MODE_BF16}, {".e4m3", MODE_E4M3}, {".e5m2", MODE_E5M2}};
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    if (sim_capture_is(captures, 2, formats[i].name))
      inst->mode = formats[i].format;
  inst->count = sim_capture_is(captures, 0, ".m16n8k8") ? 1 : 2;
  if (sim_capture_is(captures, 1, ".f16"))
    inst->mode |= MODE_HALF_RESULT;
  return true;
}

#define ROW(pattern, operands)                                                                               \
  { pattern, operands, exec_mma, taint_mma, prepare_mma, SIM_FLOW_NEXT }

static const sim_form forms[] = {
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

const sim_form_table SIM_TABLE(sim_forms_mma) = SIM_FORM_TABLE(forms);
