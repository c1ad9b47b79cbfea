/* setp and set: comparisons of every type, combined with a predicate if asked. */
#include "exec/half.h"
#include "exec/lanes.h"

/* A comparison is the set of outcomes for which it holds. */
enum { LESS = 1, EQUAL = 2, GREATER = 4, UNORDERED = 8 };
enum { COMBINE_NONE, COMBINE_AND, COMBINE_OR, COMBINE_XOR };

static const struct {
  const char *name;
  uint8_t outcomes;
} comparisons[] = {
    {".eq", EQUAL},
    {".ne", LESS | GREATER},
    {".lt", LESS},
    {".le", LESS | EQUAL},
    {".gt", GREATER},
    {".ge", GREATER | EQUAL},
    {".lo", LESS},
    {".ls", LESS | EQUAL},
    {".hi", GREATER},
    {".hs", GREATER | EQUAL},
    {".equ", EQUAL | UNORDERED},
    {".neu", LESS | GREATER | UNORDERED},
    {".ltu", LESS | UNORDERED},
    {".leu", LESS | EQUAL | UNORDERED},
    {".gtu", GREATER | UNORDERED},
    {".geu", GREATER | EQUAL | UNORDERED},
    {".num", LESS | EQUAL | GREATER},
    {".nan", UNORDERED},
};

/* The mode holds the outcomes, and the combination above them. */
static bool prepare_compare(struct sim_inst *inst, const struct sim_captures *captures) {
  uint32_t comparison = 0;
  while (!sim_capture_is(captures, 0, comparisons[comparison].name))
    comparison++;
  inst->mode = comparisons[comparison].outcomes;
  return true;
}

static bool prepare_combined(struct sim_inst *inst, const struct sim_captures *captures) {
  static const char *const combinations[] = {[COMBINE_AND] = ".and", [COMBINE_OR] = ".or", [COMBINE_XOR] = ".xor"};
  uint32_t combination = COMBINE_AND;
  while (!sim_capture_is(captures, 1, combinations[combination]))
    combination++;
  prepare_compare(inst, captures);
  inst->mode |= (uint8_t)(combination << 4);
  return true;
}

/* With the third operand, a predicate. */
static uint32_t combine(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t result) {
  uint32_t combination = inst->mode >> 4;
  if (combination == COMBINE_NONE)
    return result;
  uint32_t other = *(const uint32_t *)sim_source(warp, inst, 2);
  switch (combination) {
  case COMBINE_AND:
    return result & other;
  case COMBINE_OR:
    return result | other;
  default:
    return result ^ other;
  }
}

/* p is the comparison, q its inverse. */
static void set_predicates(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint32_t less,
                           uint32_t equal, uint32_t greater) {
  uint32_t result = 0;
  result |= inst->mode & LESS ? less : 0;
  result |= inst->mode & EQUAL ? equal : 0;
  result |= inst->mode & GREATER ? greater : 0;
  result |= inst->mode & UNORDERED ? ~(less | equal | greater) : 0;
  uint32_t p = combine(warp, inst, result);
  uint32_t q = combine(warp, inst, ~result);
  sim_commit_predicate(warp, inst, 0, lanes, p);
  sim_commit_predicate(warp, inst, 1, lanes, q);
}

#define DEFINE_SETP(T, GET)                                                                                            \
  static void setp_##T(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {                           \
    const SIM_STORE_##T *pa = sim_source(warp, inst, 0);                                                               \
    const SIM_STORE_##T *pb = sim_source(warp, inst, 1);                                                               \
    uint32_t less = 0;                                                                                                 \
    uint32_t equal = 0;                                                                                                \
    uint32_t greater = 0;                                                                                              \
    for (int i = 0; i < SIM_LANES; i++)                                                                                \
      less |= (uint32_t)(GET(pa[i]) < GET(pb[i])) << i;                                                                \
    for (int i = 0; i < SIM_LANES; i++)                                                                                \
      equal |= (uint32_t)(GET(pa[i]) == GET(pb[i])) << i;                                                              \
    for (int i = 0; i < SIM_LANES; i++)                                                                                \
      greater |= (uint32_t)(GET(pa[i]) > GET(pb[i])) << i;                                                             \
    set_predicates(warp, inst, lanes, less, equal, greater);                                                           \
  }
#define SIM_STORE_f16 uint32_t
#define SIM_STORE_ftz_f16 uint32_t
#define SIM_STORE_bf16 uint32_t
#define SIM_STORE_ftz_f32 float
#define GET_F16(v) sim_half_to_float((v)&0xffff)
#define GET_FTZ_F16(v) sim_flushed_half_to_float((v)&0xffff)
#define GET_BF16(v) sim_bf16_to_float((v)&0xffff)
DEFINE_SETP(u16, (uint16_t))
DEFINE_SETP(s16, (int16_t))
DEFINE_SETP(u32, (uint32_t))
DEFINE_SETP(s32, (int32_t))
DEFINE_SETP(u64, (uint64_t))
DEFINE_SETP(s64, (int64_t))
DEFINE_SETP(f32, (float))
DEFINE_SETP(ftz_f32, sim_flush)
DEFINE_SETP(f64, (double))
DEFINE_SETP(f16, GET_F16)
DEFINE_SETP(ftz_f16, GET_FTZ_F16)
DEFINE_SETP(bf16, GET_BF16)

/* Both halves of a word; p is of the low one, q of the high one. */
#define DEFINE_SETP_PAIR(name, GET)                                                                                    \
  static uint32_t name##_half(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t shift) {              \
    const uint32_t *pa = sim_source(warp, inst, 0);                                                                    \
    const uint32_t *pb = sim_source(warp, inst, 1);                                                                    \
    uint32_t result = 0;                                                                                               \
    for (int i = 0; i < SIM_LANES; i++) {                                                                              \
      float a = GET(pa[i] >> shift);                                                                                   \
      float b = GET(pb[i] >> shift);                                                                                   \
      uint32_t outcome = a < b ? LESS : a == b ? EQUAL : a > b ? GREATER : UNORDERED;                                  \
      result |= (uint32_t)((inst->mode & outcome) != 0) << i;                                                          \
    }                                                                                                                  \
    return combine(warp, inst, result);                                                                                \
  }                                                                                                                    \
  static void name(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {                               \
    uint32_t p = name##_half(warp, inst, 0);                                                                           \
    uint32_t q = name##_half(warp, inst, 16);                                                                          \
    sim_commit_predicate(warp, inst, 0, lanes, p);                                                                     \
    sim_commit_predicate(warp, inst, 1, lanes, q);                                                                     \
  }
DEFINE_SETP_PAIR(setp_f16x2, GET_F16)
DEFINE_SETP_PAIR(setp_ftz_f16x2, GET_FTZ_F16)

#define COMPARISONS "(.eq|.ne|.lt|.le|.gt|.ge|.lo|.ls|.hi|.hs|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan)"
#define COMBINATIONS "(.and|.or|.xor)"
#define ROWS(type, letter, exec)                                                                                       \
  {"setp" COMPARISONS type, "po:" letter letter, exec, NULL, prepare_compare, SIM_FLOW_NEXT}, {                        \
    "setp" COMPARISONS COMBINATIONS type, "po:" letter letter "p", exec, NULL, prepare_combined, SIM_FLOW_NEXT         \
  }

static const struct sim_form forms[] = {
    ROWS("(.u16|.b16)", "w", setp_u16),  ROWS(".s16", "w", setp_s16),
    ROWS("(.u32|.b32)", "w", setp_u32),  ROWS(".s32", "w", setp_s32),
    ROWS("(.u64|.b64)", "x", setp_u64),  ROWS(".s64", "x", setp_s64),
    ROWS(".f32", "w", setp_f32),         ROWS(".ftz.f32", "w", setp_ftz_f32),
    ROWS(".f64", "x", setp_f64),         ROWS(".f16", "w", setp_f16),
    ROWS(".ftz.f16", "w", setp_ftz_f16), ROWS(".bf16", "w", setp_bf16),
    ROWS(".f16x2", "w", setp_f16x2),     ROWS(".ftz.f16x2", "w", setp_ftz_f16x2),
};

const struct sim_form_table SIM_TABLE(sim_forms_compare) = SIM_FORM_TABLE(forms);
