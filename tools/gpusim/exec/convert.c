/* cvt: between integers, floating-point formats and packed pairs. */
#include "exec/half.h"
#include "exec/lanes.h"

#include <limits.h>

/* The hot conversions have loops of their own. */
SIM_UNARY(cvt_u64_u32, u64, u32, a)
SIM_UNARY(cvt_s64_s32, s64, s32, a)
SIM_UNARY(cvt_u32_u64, u32, u64, a)
SIM_UNARY(cvt_u32_u32, u32, u32, a)
SIM_UNARY(cvt_u16_u32, u16, u32, a)
SIM_UNARY(cvt_u32_u16, u32, u16, a)
SIM_UNARY(cvt_s32_s16, s32, s16, a)
SIM_UNARY(cvt_f32_s32, f32, s32, a)
SIM_UNARY(cvt_f32_u32, f32, u32, a)
SIM_UNARY(cvt_f32_f16, f32, u16, sim_half_to_float(a))
SIM_UNARY(cvt_f32_bf16, f32, u16, sim_bf16_to_float(a))
SIM_UNARY(cvt_f16_f32, u32, f32, sim_float_to_half(a))
SIM_UNARY(cvt_bf16_f32, u32, f32, sim_float_to_bf16(a))
SIM_UNARY(cvt_f16_f32_rz, u32, f32, sim_float_to_half_rz(a))
SIM_UNARY(cvt_bf16_f32_rz, u32, f32, sim_float_to_bf16_rz(a))

/* cvt.*x2 d, a, b: a becomes the high half. */
SIM_BINARY(cvt_f16x2_f32, u32, f32, sim_float_to_half(a) << 16 | sim_float_to_half(b))
SIM_BINARY(cvt_bf16x2_f32, u32, f32, sim_float_to_bf16(a) << 16 | sim_float_to_bf16(b))
SIM_BINARY(cvt_f16x2_f32_rz, u32, f32, sim_float_to_half_rz(a) << 16 | sim_float_to_half_rz(b))
SIM_BINARY(cvt_bf16x2_f32_rz, u32, f32, sim_float_to_bf16_rz(a) << 16 | sim_float_to_bf16_rz(b))
SIM_BINARY(cvt_f16x2_f32_relu, u32, f32, sim_float_to_half(sim_relu(a)) << 16 | sim_float_to_half(sim_relu(b)))
SIM_BINARY(cvt_bf16x2_f32_relu, u32, f32, sim_float_to_bf16(sim_relu(a)) << 16 | sim_float_to_bf16(sim_relu(b)))

static uint32_t fp8_pair_to_halves(uint32_t pair, const struct sim_fp8_format *format) {
  return sim_float_to_half(sim_fp8_to_float(pair >> 8 & 255, format)) << 16 |
         sim_float_to_half(sim_fp8_to_float(pair & 255, format));
}

static uint32_t halves_to_fp8_pair(uint32_t halves, const struct sim_fp8_format *format) {
  return sim_float_to_fp8(sim_half_to_float(halves >> 16), format) << 8 |
         sim_float_to_fp8(sim_half_to_float(halves & 0xffff), format);
}

SIM_UNARY(cvt_f16x2_e4m3x2, u32, u16, fp8_pair_to_halves(a, &sim_e4m3))
SIM_UNARY(cvt_f16x2_e5m2x2, u32, u16, fp8_pair_to_halves(a, &sim_e5m2))
SIM_UNARY(cvt_e4m3x2_f16x2, u32, u32, halves_to_fp8_pair(a, &sim_e4m3))
SIM_UNARY(cvt_e5m2x2_f16x2, u32, u32, halves_to_fp8_pair(a, &sim_e5m2))
SIM_BINARY(cvt_e4m3x2_f32, u32, f32, sim_float_to_fp8(a, &sim_e4m3) << 8 | sim_float_to_fp8(b, &sim_e4m3))
SIM_BINARY(cvt_e5m2x2_f32, u32, f32, sim_float_to_fp8(a, &sim_e5m2) << 8 | sim_float_to_fp8(b, &sim_e5m2))

/* Everything else goes through one general conversion, described by the types of both sides. */
enum type_kind { KIND_UNSIGNED, KIND_SIGNED, KIND_FLOAT };

struct scalar_type {
  const char *name;
  enum type_kind kind;
  uint8_t bits;
  bool is_bf16;
};

static const struct scalar_type types[] = {
    {".u8", KIND_UNSIGNED, 8, false},   {".s8", KIND_SIGNED, 8, false},     {".u16", KIND_UNSIGNED, 16, false},
    {".s16", KIND_SIGNED, 16, false},   {".u32", KIND_UNSIGNED, 32, false}, {".s32", KIND_SIGNED, 32, false},
    {".u64", KIND_UNSIGNED, 64, false}, {".s64", KIND_SIGNED, 64, false},   {".f16", KIND_FLOAT, 16, false},
    {".bf16", KIND_FLOAT, 16, true},    {".f32", KIND_FLOAT, 32, false},    {".f64", KIND_FLOAT, 64, false},
};

enum { ROUND_NONE, ROUND_NEAREST, ROUND_ZERO, ROUND_DOWN, ROUND_UP };
enum { GENERAL_FLUSH = 1 << 8, GENERAL_SATURATE = 1 << 9, GENERAL_INTEGRAL = 1 << 10 };

static uint32_t type_index(const struct sim_captures *captures, uint32_t index) {
  uint32_t type = 0;
  while (!sim_capture_is(captures, index, types[type].name))
    type++;
  return type;
}

/* The roundings that PTX has between two types, as bits: none, to a float, to an integral value. */
enum { TAKES_NONE = 1, TAKES_FLOAT = 2, TAKES_INTEGRAL = 4 };

static uint32_t roundings_of(const struct scalar_type *to, const struct scalar_type *from) {
  if (from->kind != KIND_FLOAT)
    return to->kind == KIND_FLOAT ? TAKES_FLOAT : TAKES_NONE;
  if (to->kind != KIND_FLOAT)
    return TAKES_INTEGRAL;
  if (to == from)
    return TAKES_NONE | TAKES_INTEGRAL;
  if (to->bits < from->bits)
    return TAKES_FLOAT;
  return to->is_bf16 || from->is_bf16 ? TAKES_NONE | TAKES_FLOAT : TAKES_NONE;
}

static bool is_single(const struct scalar_type *type) {
  return type->kind == KIND_FLOAT && type->bits == 32;
}

/* .ftz is for f32; bf16 has neither .sat nor conversions from and to bytes. */
static bool exists(const struct scalar_type *to, const struct scalar_type *from, uint32_t code) {
  uint32_t rounding = code & GENERAL_INTEGRAL ? TAKES_INTEGRAL : code & 15 ? TAKES_FLOAT : TAKES_NONE;
  bool has_single = is_single(to) || is_single(from);
  bool has_bf16 = to->is_bf16 || from->is_bf16;
  bool has_byte = to->bits == 8 || from->bits == 8;
  return (roundings_of(to, from) & rounding) && (has_single || !(code & GENERAL_FLUSH)) &&
         !(has_bf16 && (has_byte || (code & GENERAL_SATURATE)));
}

/* immediate: bits 0-3 rounding, 8-10 flags, 16-23 target type, 24-31 source type. `size` picks the operand
 * letter e; a wide side against a word side is told apart by four rows of the table. */
static bool prepare_general(struct sim_inst *inst, const struct sim_captures *captures) {
  static const struct {
    const char *name;
    uint32_t code;
  } roundings[] = {{".rn", ROUND_NEAREST},
                   {".rz", ROUND_ZERO},
                   {".rm", ROUND_DOWN},
                   {".rp", ROUND_UP},
                   {".rni", ROUND_NEAREST | GENERAL_INTEGRAL},
                   {".rzi", ROUND_ZERO | GENERAL_INTEGRAL},
                   {".rmi", ROUND_DOWN | GENERAL_INTEGRAL},
                   {".rpi", ROUND_UP | GENERAL_INTEGRAL}};
  uint32_t code = 0;
  uint32_t to = type_index(captures, 3);
  uint32_t from = type_index(captures, 4);
  for (size_t i = 0; i < sizeof roundings / sizeof *roundings; i++)
    if (sim_capture_is(captures, 0, roundings[i].name))
      code = roundings[i].code;
  code |= sim_capture_is(captures, 1, ".ftz") ? GENERAL_FLUSH : 0;
  code |= sim_capture_is(captures, 2, ".sat") ? GENERAL_SATURATE : 0;
  inst->immediate = code | to << 16 | (uint64_t)from << 24;
  return exists(&types[to], &types[from], code);
}

struct general_value {
  bool is_float;
  bool negative_integer;
  int64_t integer; /* as unsigned when the source is */
  double number;
};

static struct general_value read_general(const struct scalar_type *type, uint64_t bits) {
  struct general_value value = {.is_float = type->kind == KIND_FLOAT};
  if (type->kind != KIND_FLOAT) {
    uint32_t shift = 64u - type->bits;
    value.integer = type->kind == KIND_SIGNED ? (int64_t)(bits << shift) >> shift : (int64_t)(bits << shift >> shift);
    value.negative_integer = type->kind == KIND_SIGNED && value.integer < 0;
  } else if (type->bits == 64) {
    memcpy(&value.number, &bits, sizeof value.number);
  } else if (type->bits == 32) {
    value.number = (double)sim_float((uint32_t)bits);
  } else {
    value.number = (double)(type->is_bf16 ? sim_bf16_to_float(bits & 0xffff) : sim_half_to_float(bits & 0xffff));
  }
  return value;
}

static double round_integral(double number, uint32_t rounding) {
  switch (rounding) {
  case ROUND_ZERO:
    return trunc(number);
  case ROUND_DOWN:
    return floor(number);
  case ROUND_UP:
    return ceil(number);
  default:
    return nearbyint(number);
  }
}

/* Out-of-range values saturate. NaN is 0, but the top bit alone if either side has 64 bits. */
static uint64_t float_to_integer(double number, const struct scalar_type *from, const struct scalar_type *type,
                                 uint32_t rounding) {
  bool is_signed = type->kind == KIND_SIGNED;
  if (number != number)
    return from->bits == 64 || type->bits == 64 ? UINT64_C(1) << (type->bits - 1) : 0;
  number = round_integral(number, rounding);
  double top = ldexp(1.0, type->bits - is_signed);
  double bottom = is_signed ? -top : 0.0;
  uint64_t maximum = is_signed ? (UINT64_C(1) << (type->bits - 1)) - 1 : UINT64_MAX >> (64 - type->bits);
  if (number >= top)
    return maximum;
  if (number <= bottom)
    return is_signed ? 0 - (maximum + 1) : 0;
  return is_signed ? (uint64_t)(int64_t)number : (uint64_t)number;
}

static uint64_t clamp_integer(struct general_value value, const struct scalar_type *to) {
  bool is_signed = to->kind == KIND_SIGNED;
  uint64_t maximum = is_signed ? (UINT64_C(1) << (to->bits - 1)) - 1 : UINT64_MAX >> (64 - to->bits);
  if (value.negative_integer) {
    int64_t minimum = is_signed ? -(int64_t)maximum - 1 : 0;
    return (uint64_t)(value.integer < minimum ? minimum : value.integer);
  }
  return (uint64_t)value.integer > maximum ? maximum : (uint64_t)value.integer;
}

static double to_double(struct general_value value) {
  if (value.is_float)
    return value.number;
  return value.negative_integer ? (double)value.integer : (double)(uint64_t)value.integer;
}

/* The sign of rounded - value. */
static int side(struct general_value value, double rounded) {
  if (value.is_float)
    return (rounded > value.number) - (rounded < value.number);
  __int128 exact = value.negative_integer ? value.integer : (__int128)(uint64_t)value.integer;
  __int128 whole = (__int128)rounded;
  return (whole > exact) - (whole < exact);
}

/* Where directed rounding goes from the nearest number: one step down, none, or one step up. */
static int direction(struct general_value value, double nearest, uint32_t rounding) {
  int wrong = side(value, nearest);
  bool down = rounding == ROUND_DOWN || (rounding == ROUND_ZERO && nearest > 0);
  bool up = rounding == ROUND_UP || (rounding == ROUND_ZERO && nearest < 0);
  return (wrong < 0 && up) - (wrong > 0 && down);
}

/* Integers are rounded once, not by way of a double. */
static float round_single(struct general_value value, uint32_t rounding) {
  float nearest = (float)value.number;
  if (!value.is_float)
    nearest = value.negative_integer ? (float)value.integer : (float)(uint64_t)value.integer;
  int step = direction(value, (double)nearest, rounding);
  return step ? nextafterf(nearest, (float)step * INFINITY) : nearest;
}

static double round_double(struct general_value value, uint32_t rounding) {
  double nearest = to_double(value);
  int step = direction(value, nearest, rounding);
  return step ? nextafter(nearest, (double)step * (double)INFINITY) : nearest;
}

/* As a float rounded to odd, so that a second rounding to a narrower format is right. */
static float round_odd(struct general_value value) {
  float cut = round_single(value, ROUND_ZERO);
  return side(value, (double)cut) ? sim_float(sim_bits(cut) | 1) : cut;
}

/* To f16 or bf16. A code is a sign and a magnitude. */
static uint32_t round_half(struct general_value value, bool is_bf16, uint32_t rounding) {
  float odd = round_odd(value);
  uint32_t nearest = is_bf16 ? sim_float_to_bf16(odd) : sim_float_to_half(odd);
  float number = is_bf16 ? sim_bf16_to_float(nearest) : sim_half_to_float(nearest);
  int step = direction((struct general_value){.is_float = true, .number = (double)odd}, (double)number, rounding);
  return nearest + (uint32_t)(signbit(number) ? -step : step);
}

static uint64_t write_float(struct general_value value, const struct scalar_type *to, uint32_t code) {
  uint32_t rounding = code & 15;
  if (code & GENERAL_INTEGRAL)
    value.number = round_integral(value.number, rounding);
  if (code & GENERAL_SATURATE) {
    double number = to_double(value);
    value = (struct general_value){.is_float = true, .number = number > 0 ? (number < 1 ? number : 1) : 0};
  }
  if (to->bits == 64) {
    double number = round_double(value, rounding);
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
  }
  if (to->bits == 16)
    return round_half(value, to->is_bf16, rounding);
  float single = round_single(value, rounding);
  return sim_bits(code & GENERAL_FLUSH ? sim_flush(single) : single);
}

static uint64_t convert(uint64_t bits, uint64_t description) {
  const struct scalar_type *to = &types[description >> 16 & 255];
  const struct scalar_type *from = &types[description >> 24];
  uint32_t code = (uint32_t)description & 0xffff;
  struct general_value value = read_general(from, bits);
  if ((code & GENERAL_FLUSH) && value.is_float && fabs(value.number) < (double)FLT_MIN && from->bits == 32)
    value.number = copysign(0.0, value.number);
  if (to->kind == KIND_FLOAT)
    return write_float(value, to, code);
  if (value.is_float)
    return float_to_integer(value.number, from, to, code & 15);
  return code & GENERAL_SATURATE ? clamp_integer(value, to) : (uint64_t)value.integer;
}

/* Narrow integer results are extended to the register by the sign of their type. */
static uint64_t extend_result(uint64_t result, uint64_t description) {
  const struct scalar_type *to = &types[description >> 16 & 255];
  uint32_t shift = 64u - to->bits;
  if (to->kind == KIND_SIGNED)
    return (uint64_t)((int64_t)(result << shift) >> shift);
  return result << shift >> shift;
}

#define DEFINE_GENERAL(name, D, S)                                                                                     \
  SIM_UNARY(name, D, S, extend_result(convert((uint64_t)a, inst->immediate), inst->immediate))
DEFINE_GENERAL(general_ww, u32, u32)
DEFINE_GENERAL(general_wx, u32, u64)
DEFINE_GENERAL(general_xw, u64, u32)
DEFINE_GENERAL(general_xx, u64, u64)

#define ROW(pattern, operands, exec, taint)                                                                            \
  { pattern, operands, exec, taint, NULL, SIM_FLOW_NEXT }
#define ROUNDING "[.rn|.rz|.rm|.rp|.rni|.rzi|.rmi|.rpi][.ftz][.sat]"
#define WORD_TYPES "(.u8|.s8|.u16|.s16|.u32|.s32|.f16|.bf16|.f32)"
#define WIDE_TYPES "(.u64|.s64|.f64)"
#define GENERAL(target, source, operands, exec)                                                                        \
  { "cvt" ROUNDING target source, operands, exec, NULL, prepare_general, SIM_FLOW_NEXT }

static const struct sim_form forms[] = {
    ROW("cvt.u64.u32", "x:w", cvt_u64_u32, sim_taint_low_word),
    ROW("cvt.s64.s32", "x:w", cvt_s64_s32, NULL),
    ROW("cvt(.u32|.s32)(.u64|.s64)", "w:x", cvt_u32_u64, sim_taint_low_word),
    ROW("cvt(.u32|.s32)(.u32|.s32)", "w:w", cvt_u32_u32, sim_taint_low_word),
    ROW("cvt(.u16|.s16)(.u32|.s32)", "w:w", cvt_u16_u32, sim_taint_low_half),
    ROW("cvt(.u32|.s32).u16", "w:w", cvt_u32_u16, sim_taint_low_half),
    ROW("cvt(.u32|.s32).s16", "w:w", cvt_s32_s16, NULL),
    ROW("cvt.rn.f32.s32", "w:w", cvt_f32_s32, NULL),
    ROW("cvt.rn.f32.u32", "w:w", cvt_f32_u32, NULL),
    ROW("cvt.f32.f16", "w:w", cvt_f32_f16, NULL),
    ROW("cvt.f32.bf16", "w:w", cvt_f32_bf16, NULL),
    ROW("cvt.rn.f16.f32", "w:w", cvt_f16_f32, NULL),
    ROW("cvt.rn.bf16.f32", "w:w", cvt_bf16_f32, NULL),
    ROW("cvt.rz.f16.f32", "w:w", cvt_f16_f32_rz, NULL),
    ROW("cvt.rz.bf16.f32", "w:w", cvt_bf16_f32_rz, NULL),
    ROW("cvt.rn.f16x2.f32", "w:ww", cvt_f16x2_f32, NULL),
    ROW("cvt.rn.bf16x2.f32", "w:ww", cvt_bf16x2_f32, NULL),
    ROW("cvt.rz.f16x2.f32", "w:ww", cvt_f16x2_f32_rz, NULL),
    ROW("cvt.rz.bf16x2.f32", "w:ww", cvt_bf16x2_f32_rz, NULL),
    ROW("cvt.rn.relu.f16x2.f32", "w:ww", cvt_f16x2_f32_relu, NULL),
    ROW("cvt.rn.relu.bf16x2.f32", "w:ww", cvt_bf16x2_f32_relu, NULL),
    ROW("cvt.rn.f16x2.e4m3x2", "w:w", cvt_f16x2_e4m3x2, NULL),
    ROW("cvt.rn.f16x2.e5m2x2", "w:w", cvt_f16x2_e5m2x2, NULL),
    ROW("cvt.rn.satfinite.e4m3x2.f16x2", "w:w", cvt_e4m3x2_f16x2, NULL),
    ROW("cvt.rn.satfinite.e5m2x2.f16x2", "w:w", cvt_e5m2x2_f16x2, NULL),
    ROW("cvt.rn.satfinite.e4m3x2.f32", "w:ww", cvt_e4m3x2_f32, NULL),
    ROW("cvt.rn.satfinite.e5m2x2.f32", "w:ww", cvt_e5m2x2_f32, NULL),
    GENERAL(WORD_TYPES, WORD_TYPES, "w:w", general_ww),
    GENERAL(WORD_TYPES, WIDE_TYPES, "w:x", general_wx),
    GENERAL(WIDE_TYPES, WORD_TYPES, "x:w", general_xw),
    GENERAL(WIDE_TYPES, WIDE_TYPES, "x:x", general_xx),
    /* Registers may be wider than the types. */
    GENERAL(WIDE_TYPES, WORD_TYPES, "x:x", general_xx),
    GENERAL(WORD_TYPES, WORD_TYPES, "w:x", general_wx),
    GENERAL(WORD_TYPES, WORD_TYPES, "x:w", general_xw),
    GENERAL(WORD_TYPES, WORD_TYPES, "x:x", general_xx),
    GENERAL(WORD_TYPES, WIDE_TYPES, "x:x", general_xx),
};

const struct sim_form_table SIM_TABLE(sim_forms_convert) = SIM_FORM_TABLE(forms);
