/* Moves between registers and their parts, selections, and predicates. */
#include "exec/lanes.h"

SIM_UNARY(mov_u32, u32, u32, a)
SIM_UNARY(mov_u64, u64, u64, a)

/* Moves between words and wide values and their parts. */
SIM_BINARY2(pack_halves, u32, u32, u32, (a & 0xffff) | b << 16)
SIM_BINARY2(pack_words, u64, u32, u32, (uint64_t)b << 32 | a)

static void unpack_halves(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint32_t *from = sim_source(warp, inst, 0);
  uint32_t low[SIM_LANES];
  uint32_t high[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++) {
    low[i] = from[i] & 0xffff;
    high[i] = from[i] >> 16;
  }
  sim_commit_word(warp, inst, 0, lanes, low);
  sim_commit_word(warp, inst, 1, lanes, high);
}

static void unpack_words(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint64_t *from = sim_source(warp, inst, 0);
  uint32_t low[SIM_LANES];
  uint32_t high[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++) {
    low[i] = (uint32_t)from[i];
    high[i] = (uint32_t)(from[i] >> 32);
  }
  sim_commit_word(warp, inst, 0, lanes, low);
  sim_commit_word(warp, inst, 1, lanes, high);
}

/* Parts narrower than words: `count` words of `size` bytes each make one value. */
static void pack_parts(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t parts = inst->sources;
  uint32_t bits = (uint32_t)inst->size * 8;
  uint64_t wide[SIM_LANES] = {0};
  uint64_t mask = (UINT64_C(1) << bits) - 1;
  uint32_t words[SIM_LANES];
  for (uint32_t part = 0; part < parts; part++) {
    const uint32_t *from = sim_source(warp, inst, part);
    for (int i = 0; i < SIM_LANES; i++)
      wide[i] |= (from[i] & mask) << (part * bits);
  }
  if (parts * bits == 64) {
    sim_commit_wide(warp, inst, 0, lanes, wide);
    return;
  }
  for (int i = 0; i < SIM_LANES; i++)
    words[i] = (uint32_t)wide[i];
  sim_commit_word(warp, inst, 0, lanes, words);
}

static void unpack_parts(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint32_t parts = inst->destinations;
  uint32_t bits = (uint32_t)inst->size * 8;
  uint64_t wide[SIM_LANES];
  uint64_t mask = (UINT64_C(1) << bits) - 1;
  const uint32_t *words = sim_source(warp, inst, 0);
  const uint64_t *wides = sim_source(warp, inst, 0);
  for (int i = 0; i < SIM_LANES; i++)
    wide[i] = parts * bits == 64 ? wides[i] : words[i];
  for (uint32_t part = 0; part < parts; part++) {
    uint32_t out[SIM_LANES];
    for (int i = 0; i < SIM_LANES; i++)
      out[i] = (uint32_t)(wide[i] >> (part * bits) & mask);
    sim_commit_word(warp, inst, part, lanes, out);
  }
}

static bool prepare_bytes(struct sim_inst *inst, const struct sim_captures *captures) {
  (void)captures;
  inst->size = 1;
  return true;
}

static bool prepare_halves(struct sim_inst *inst, const struct sim_captures *captures) {
  (void)captures;
  inst->size = 2;
  return true;
}

/* A quad is two wide values. */
static void pack_quad(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint64_t *to = sim_operand(warp, inst, 0);
  for (uint32_t part = 0; part < 2; part++) {
    const uint64_t *from = sim_source(warp, inst, part);
    SIM_FOR_LANES(lane, lanes)
      to[part * SIM_LANES + lane] = from[lane];
  }
}

static void unpack_quad(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint64_t *from = sim_source(warp, inst, 0);
  sim_commit_wide(warp, inst, 0, lanes, from);
  sim_commit_wide(warp, inst, 1, lanes, from + SIM_LANES);
}

/* Predicates are lane masks. */
#define DEFINE_PREDICATE(name, expression)                                                                             \
  static void name(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {                               \
    uint32_t a = *(const uint32_t *)sim_source(warp, inst, 0);                                                         \
    uint32_t b = inst->sources > 1 ? *(const uint32_t *)sim_source(warp, inst, 1) : 0;                                 \
    (void)b;                                                                                                           \
    sim_commit_predicate(warp, inst, 0, lanes, expression);                                                            \
  }
DEFINE_PREDICATE(mov_pred, a)
DEFINE_PREDICATE(not_pred, ~a)
DEFINE_PREDICATE(and_pred, a &b)
DEFINE_PREDICATE(or_pred, a | b)
DEFINE_PREDICATE(xor_pred, a ^ b)

#define DEFINE_SELECT(T)                                                                                               \
  static void selp_##T(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {                           \
    const SIM_STORE_##T *a = sim_source(warp, inst, 0);                                                                \
    const SIM_STORE_##T *b = sim_source(warp, inst, 1);                                                                \
    uint32_t chosen = *(const uint32_t *)sim_source(warp, inst, 2);                                                    \
    SIM_STORE_##T out[SIM_LANES];                                                                                      \
    for (int i = 0; i < SIM_LANES; i++)                                                                                \
      out[i] = (chosen >> i & 1) ? a[i] : b[i];                                                                        \
    SIM_COMMIT_##T(warp, inst, 0, lanes, out);                                                                         \
  }
DEFINE_SELECT(u32)
DEFINE_SELECT(u64)

SIM_TERNARY3(slct_u32_s32, u32, u32, u32, s32, c >= 0 ? a : b)
SIM_TERNARY3(slct_u64_s32, u64, u64, u64, s32, c >= 0 ? a : b)
SIM_TERNARY3(slct_u32_f32, u32, u32, u32, f32, c >= 0 ? a : b)
SIM_TERNARY3(slct_ftz_u32_f32, u32, u32, u32, f32, sim_flush(c) >= 0 ? a : b)

#define ROW(pattern, operands, exec, taint)                                                                            \
  { pattern, operands, exec, taint, NULL, SIM_FLOW_NEXT }

static const struct sim_form forms[] = {
    ROW("mov(.b16|.u16|.s16|.f16|.bf16)", "w:w", mov_u32, sim_taint_copy),
    ROW("mov(.b32|.u32|.s32|.f32)", "w:w", mov_u32, sim_taint_copy),
    ROW("mov(.b64|.u64|.s64|.f64)", "x:x", mov_u64, sim_taint_copy),
    ROW("mov.pred", "p:p", mov_pred, sim_taint_copy),
    ROW("mov.b32", "w:2w", pack_halves, sim_taint_halves),
    ROW("mov.b32", "2w:w", unpack_halves, sim_taint_halves),
    ROW("mov.b64", "x:2w", pack_words, sim_taint_pack),
    ROW("mov.b64", "2w:x", unpack_words, sim_taint_unpack),
    {"mov.b64", "x:4w", pack_parts, NULL, prepare_halves, SIM_FLOW_NEXT},
    {"mov.b64", "4w:x", unpack_parts, NULL, prepare_halves, SIM_FLOW_NEXT},
    {"mov.b32", "w:4w", pack_parts, NULL, prepare_bytes, SIM_FLOW_NEXT},
    {"mov.b32", "4w:w", unpack_parts, NULL, prepare_bytes, SIM_FLOW_NEXT},
    {"mov.b16", "w:2w", pack_parts, NULL, prepare_bytes, SIM_FLOW_NEXT},
    {"mov.b16", "2w:w", unpack_parts, NULL, prepare_bytes, SIM_FLOW_NEXT},
    ROW("mov.b128", "q:2x", pack_quad, NULL),
    ROW("mov.b128", "2x:q", unpack_quad, NULL),
    ROW("not.pred", "p:p", not_pred, sim_taint_copy),
    ROW("and.pred", "p:pp", and_pred, NULL),
    ROW("or.pred", "p:pp", or_pred, NULL),
    ROW("xor.pred", "p:pp", xor_pred, NULL),
    ROW("selp(.b16|.u16|.s16|.b32|.u32|.s32|.f32|.f16)", "w:wwp", selp_u32, sim_taint_select),
    ROW("selp(.b64|.u64|.s64|.f64)", "x:xxp", selp_u64, sim_taint_select),
    ROW("slct(.b32|.u32|.s32|.f32).s32", "w:www", slct_u32_s32, NULL),
    ROW("slct(.b64|.u64|.s64|.f64).s32", "x:xxw", slct_u64_s32, NULL),
    ROW("slct(.b32|.u32|.s32|.f32).f32", "w:www", slct_u32_f32, NULL),
    ROW("slct.ftz(.b32|.u32|.s32|.f32).f32", "w:www", slct_ftz_u32_f32, NULL),
};

const struct sim_form_table SIM_TABLE(sim_forms_move) = SIM_FORM_TABLE(forms);
