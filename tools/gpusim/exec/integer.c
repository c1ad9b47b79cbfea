/* Integer arithmetic. */
#include "exec/lanes.h"

#define INTEGER_TYPES(X) X(u16) X(s16) X(u32) X(s32) X(u64) X(s64)

#define DEFINE_ARITHMETIC(T)                                                                                           \
  SIM_BINARY(add_##T, T, T, SIM_UNSIGNED_##T a + SIM_UNSIGNED_##T b)                                                   \
  SIM_BINARY(sub_##T, T, T, SIM_UNSIGNED_##T a - SIM_UNSIGNED_##T b)                                                   \
  SIM_BINARY(mul_lo_##T, T, T, SIM_UNSIGNED_##T a *SIM_UNSIGNED_##T b)                                                 \
  SIM_TERNARY(mad_lo_##T, T, T, SIM_UNSIGNED_##T a *SIM_UNSIGNED_##T b + SIM_UNSIGNED_##T c)                           \
  SIM_BINARY(min_##T, T, T, a < b ? a : b)                                                                             \
  SIM_BINARY(max_##T, T, T, a > b ? a : b)                                                                             \
  SIM_BINARY(div_##T, T, T, b == 0 ? (SIM_VALUE_##T) - 1 : SIM_DIVIDE_##T(a, b))                                       \
  SIM_BINARY(rem_##T, T, T, b == 0 ? a : SIM_REMAINDER_##T(a, b))

/* Wrapping arithmetic is done without sign and, for 16 bits, without promotion to int. */
#define SIM_UNSIGNED_u16 (uint32_t)
#define SIM_UNSIGNED_s16 (uint32_t)
#define SIM_UNSIGNED_u32 (uint32_t)
#define SIM_UNSIGNED_s32 (uint32_t)
#define SIM_UNSIGNED_u64 (uint64_t)
#define SIM_UNSIGNED_s64 (uint64_t)

/* -1 as a divisor would overflow for the most negative dividend. */
#define SIM_DIVIDE_u16(a, b) ((a) / (b))
#define SIM_DIVIDE_s16(a, b) ((a) / (b))
#define SIM_DIVIDE_u32(a, b) ((a) / (b))
#define SIM_DIVIDE_s32(a, b) ((b) == -1 ? (int32_t)(0 - (uint32_t)(a)) : (a) / (b))
#define SIM_DIVIDE_u64(a, b) ((a) / (b))
#define SIM_DIVIDE_s64(a, b) ((b) == -1 ? (int64_t)(0 - (uint64_t)(a)) : (a) / (b))
#define SIM_REMAINDER_u16(a, b) ((a) % (b))
#define SIM_REMAINDER_s16(a, b) ((a) % (b))
#define SIM_REMAINDER_u32(a, b) ((a) % (b))
#define SIM_REMAINDER_s32(a, b) ((b) == -1 ? 0 : (a) % (b))
#define SIM_REMAINDER_u64(a, b) ((a) % (b))
#define SIM_REMAINDER_s64(a, b) ((b) == -1 ? 0 : (a) % (b))

INTEGER_TYPES(DEFINE_ARITHMETIC)

#define DEFINE_NEGATION(T, U)                                                                                          \
  SIM_UNARY(neg_##T, T, T, 0 - (SIM_VALUE_##U)a)                                                                       \
  SIM_UNARY(abs_##T, T, T, a < 0 ? (SIM_VALUE_##T)(0 - (SIM_VALUE_##U)a) : a)
DEFINE_NEGATION(s16, u32)
DEFINE_NEGATION(s32, u32)
DEFINE_NEGATION(s64, u64)

/* High halves and double-width products. */
SIM_BINARY(mul_hi_u16, u16, u16, (uint32_t)a *b >> 16)
SIM_BINARY(mul_hi_s16, s16, s16, (int32_t)a *b >> 16)
SIM_BINARY(mul_hi_u32, u32, u32, (uint64_t)a *b >> 32)
SIM_BINARY(mul_hi_s32, s32, s32, (int64_t)a *b >> 32)
SIM_BINARY(mul_hi_u64, u64, u64, (unsigned __int128)a *b >> 64)
SIM_BINARY(mul_hi_s64, s64, s64, (__int128)a *b >> 64)
SIM_TERNARY(mad_hi_u32, u32, u32, (uint32_t)((uint64_t)a *b >> 32) + c)
SIM_TERNARY(mad_hi_s32, s32, s32, (uint32_t)((int64_t)a *b >> 32) + (uint32_t)c)
SIM_BINARY(mul_wide_u16, u32, u16, (uint32_t)a *b)
SIM_BINARY(mul_wide_s16, s32, s16, (int32_t)a *b)
SIM_BINARY(mul_wide_u32, u64, u32, (uint64_t)a *b)
SIM_BINARY(mul_wide_s32, s64, s32, (int64_t)a *b)
SIM_TERNARY3(mad_wide_u16, u32, u16, u16, u32, (uint32_t)a *b + c)
SIM_TERNARY3(mad_wide_s16, u32, s16, s16, u32, (uint32_t)((int32_t)a *b) + c)
SIM_TERNARY3(mad_wide_u32, u64, u32, u32, u64, (uint64_t)a *b + c)
SIM_TERNARY3(mad_wide_s32, u64, s32, s32, u64, (uint64_t)((int64_t)a *b) + c)
SIM_BINARY(mul24_lo_u32, u32, u32, (a & 0xffffff) * (b & 0xffffff))
SIM_BINARY(mul24_lo_s32, s32, s32,
           (uint32_t)((int32_t)((uint32_t)a << 8) >> 8) * (uint32_t)((int32_t)((uint32_t)b << 8) >> 8))
SIM_TERNARY(sad_u32, u32, u32, (a > b ? a - b : b - a) + c)
SIM_TERNARY(sad_s32, s32, s32, (a > b ? (uint32_t)a - (uint32_t)b : (uint32_t)b - (uint32_t)a) + (uint32_t)c)

static int32_t dot4(uint32_t a, uint32_t b, uint32_t c, bool a_signed, bool b_signed) {
  uint32_t sum = c;
  for (int i = 0; i < 32; i += 8) {
    int32_t x = a_signed ? (int8_t)(a >> i) : (uint8_t)(a >> i);
    int32_t y = b_signed ? (int8_t)(b >> i) : (uint8_t)(b >> i);
    sum += (uint32_t)(x * y);
  }
  return (int32_t)sum;
}
/* Two 16-bit elements of a by two bytes of b, from its byte `first` on. */
static int32_t dot2(uint32_t a, uint32_t b, uint32_t c, int first, bool a_signed, bool b_signed) {
  uint32_t sum = c;
  for (int i = 0; i < 2; i++) {
    const uint16_t half = (uint16_t)(a >> 16 * i);
    const uint8_t byte = (uint8_t)(b >> 8 * (first + i));
    const int32_t x = a_signed ? (int16_t)half : half;
    const int32_t y = b_signed ? (int8_t)byte : byte;
    sum += (uint32_t)(x * y);
  }
  return (int32_t)sum;
}
SIM_TERNARY(dp2a_lo_uu, u32, u32, dot2(a, b, c, 0, false, false))
SIM_TERNARY(dp2a_lo_us, u32, u32, dot2(a, b, c, 0, false, true))
SIM_TERNARY(dp2a_lo_su, u32, u32, dot2(a, b, c, 0, true, false))
SIM_TERNARY(dp2a_lo_ss, u32, u32, dot2(a, b, c, 0, true, true))
SIM_TERNARY(dp2a_hi_uu, u32, u32, dot2(a, b, c, 2, false, false))
SIM_TERNARY(dp2a_hi_us, u32, u32, dot2(a, b, c, 2, false, true))
SIM_TERNARY(dp2a_hi_su, u32, u32, dot2(a, b, c, 2, true, false))
SIM_TERNARY(dp2a_hi_ss, u32, u32, dot2(a, b, c, 2, true, true))
SIM_TERNARY(dp4a_uu, u32, u32, dot4(a, b, c, false, false))
SIM_TERNARY(dp4a_us, u32, u32, dot4(a, b, c, false, true))
SIM_TERNARY(dp4a_su, u32, u32, dot4(a, b, c, true, false))
SIM_TERNARY(dp4a_ss, u32, u32, dot4(a, b, c, true, true))

#define ROW(pattern, operands, exec, taint)                                                                            \
  { pattern, operands, exec, taint, NULL, SIM_FLOW_NEXT }
#define ARITHMETIC_ROWS(T, W)                                                                                          \
  ROW("add." #T, W ":" W W, add_##T, NULL), ROW("sub." #T, W ":" W W, sub_##T, NULL),                                  \
      ROW("mul.lo." #T, W ":" W W, mul_lo_##T, NULL), ROW("mad.lo." #T, W ":" W W W, mad_lo_##T, NULL),                \
      ROW("min." #T, W ":" W W, min_##T, NULL), ROW("max." #T, W ":" W W, max_##T, NULL),                              \
      ROW("div." #T, W ":" W W, div_##T, NULL), ROW("rem." #T, W ":" W W, rem_##T, NULL)

static const struct sim_form forms[] = {
    ARITHMETIC_ROWS(u16, "w"),
    ARITHMETIC_ROWS(s16, "w"),
    ARITHMETIC_ROWS(u32, "w"),
    ARITHMETIC_ROWS(s32, "w"),
    ARITHMETIC_ROWS(u64, "x"),
    ARITHMETIC_ROWS(s64, "x"),
    ROW("neg.s16", "w:w", neg_s16, NULL),
    ROW("neg.s32", "w:w", neg_s32, NULL),
    ROW("neg.s64", "x:x", neg_s64, NULL),
    ROW("abs.s16", "w:w", abs_s16, NULL),
    ROW("abs.s32", "w:w", abs_s32, NULL),
    ROW("abs.s64", "x:x", abs_s64, NULL),
    ROW("mul.hi.u16", "w:ww", mul_hi_u16, NULL),
    ROW("mul.hi.s16", "w:ww", mul_hi_s16, NULL),
    ROW("mul.hi.u32", "w:ww", mul_hi_u32, NULL),
    ROW("mul.hi.s32", "w:ww", mul_hi_s32, NULL),
    ROW("mul.hi.u64", "x:xx", mul_hi_u64, NULL),
    ROW("mul.hi.s64", "x:xx", mul_hi_s64, NULL),
    ROW("mad.hi.u32", "w:www", mad_hi_u32, NULL),
    ROW("mad.hi.s32", "w:www", mad_hi_s32, NULL),
    ROW("mul.wide.u16", "w:ww", mul_wide_u16, NULL),
    ROW("mul.wide.s16", "w:ww", mul_wide_s16, NULL),
    ROW("mul.wide.u32", "x:ww", mul_wide_u32, NULL),
    ROW("mul.wide.s32", "x:ww", mul_wide_s32, NULL),
    ROW("mad.wide.u16", "w:www", mad_wide_u16, NULL),
    ROW("mad.wide.s16", "w:www", mad_wide_s16, NULL),
    ROW("mad.wide.u32", "x:wwx", mad_wide_u32, NULL),
    ROW("mad.wide.s32", "x:wwx", mad_wide_s32, NULL),
    ROW("mul24.lo.u32", "w:ww", mul24_lo_u32, NULL),
    ROW("mul24.lo.s32", "w:ww", mul24_lo_s32, NULL),
    ROW("sad.u32", "w:www", sad_u32, NULL),
    ROW("sad.s32", "w:www", sad_s32, NULL),
    ROW("dp2a.lo.u32.u32", "w:www", dp2a_lo_uu, NULL),
    ROW("dp2a.lo.u32.s32", "w:www", dp2a_lo_us, NULL),
    ROW("dp2a.lo.s32.u32", "w:www", dp2a_lo_su, NULL),
    ROW("dp2a.lo.s32.s32", "w:www", dp2a_lo_ss, NULL),
    ROW("dp2a.hi.u32.u32", "w:www", dp2a_hi_uu, NULL),
    ROW("dp2a.hi.u32.s32", "w:www", dp2a_hi_us, NULL),
    ROW("dp2a.hi.s32.u32", "w:www", dp2a_hi_su, NULL),
    ROW("dp2a.hi.s32.s32", "w:www", dp2a_hi_ss, NULL),
    ROW("dp4a.u32.u32", "w:www", dp4a_uu, NULL),
    ROW("dp4a.u32.s32", "w:www", dp4a_us, NULL),
    ROW("dp4a.s32.u32", "w:www", dp4a_su, NULL),
    ROW("dp4a.s32.s32", "w:www", dp4a_ss, NULL),
};

const struct sim_form_table SIM_TABLE(sim_forms_integer) = SIM_FORM_TABLE(forms);
