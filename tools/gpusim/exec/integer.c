/* Integer and bit instructions, moves, selections and comparisons. */
#include "exec/lanes.h"

#define INTEGER_TYPES(X) X(u16) X(s16) X(u32) X(s32) X(u64) X(s64)
#define BIT_TYPES(X) X(u16) X(u32) X(u64)

#define DEFINE_ARITHMETIC(T)                                                                                           \
  SIM_BINARY(add_##T, T, T, SIM_UNSIGNED_##T a + SIM_UNSIGNED_##T b)                                                   \
  SIM_BINARY(sub_##T, T, T, SIM_UNSIGNED_##T a - SIM_UNSIGNED_##T b)                                                   \
  SIM_BINARY(mul_lo_##T, T, T, SIM_UNSIGNED_##T a *SIM_UNSIGNED_##T b)                                                 \
  SIM_TERNARY(mad_lo_##T, T, T, SIM_UNSIGNED_##T a *SIM_UNSIGNED_##T b + SIM_UNSIGNED_##T c)                           \
  SIM_BINARY(min_##T, T, T, a < b ? a : b)                                                                             \
  SIM_BINARY(max_##T, T, T, a > b ? a : b)                                                                             \
  SIM_BINARY(div_##T, T, T, b == 0 ? (SIM_VALUE_##T) - 1 : SIM_DIVIDE_##T(a, b))                                       \
  SIM_BINARY(rem_##T, T, T, b == 0 ? a : SIM_REMAINDER_##T(a, b))                                                      \
  SIM_BINARY2(shr_##T, T, T, u32, b >= sizeof(a) * 8 ? (SIM_VALUE_##T)(a < 0 ? -1 : 0) : (SIM_VALUE_##T)(a >> b))

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

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtype-limits" /* a < 0 of unsigned types */
INTEGER_TYPES(DEFINE_ARITHMETIC)
#pragma GCC diagnostic pop

#define DEFINE_NEGATION(T, U)                                                                                          \
  SIM_UNARY(neg_##T, T, T, 0 - (SIM_VALUE_##U)a)                                                                       \
  SIM_UNARY(abs_##T, T, T, a < 0 ? (SIM_VALUE_##T)(0 - (SIM_VALUE_##U)a) : a)
DEFINE_NEGATION(s16, u32)
DEFINE_NEGATION(s32, u32)
DEFINE_NEGATION(s64, u64)

#define DEFINE_BITS(T)                                                                                                 \
  SIM_BINARY(and_##T, T, T, a &b)                                                                                      \
  SIM_BINARY(or_##T, T, T, a | b)                                                                                      \
  SIM_BINARY(xor_##T, T, T, a ^ b)                                                                                     \
  SIM_UNARY(not_##T, T, T, ~a)                                                                                         \
  SIM_BINARY2(shl_##T, T, T, u32, b >= sizeof(a) * 8 ? 0 : a << b)                                                     \
  SIM_UNARY(cnot_##T, T, T, a == 0)
BIT_TYPES(DEFINE_BITS)
SIM_UNARY(mov_u32, u32, u32, a)
SIM_UNARY(mov_u64, u64, u64, a)

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
SIM_TERNARY(dp4a_uu, u32, u32, dot4(a, b, c, false, false))
SIM_TERNARY(dp4a_us, u32, u32, dot4(a, b, c, false, true))
SIM_TERNARY(dp4a_su, u32, u32, dot4(a, b, c, true, false))
SIM_TERNARY(dp4a_ss, u32, u32, dot4(a, b, c, true, true))

/* Bit counting and moving. */
static uint64_t reverse_bits(uint64_t value) {
  uint64_t result = 0;
  for (int i = 0; i < 64; i++)
    result |= (value >> i & 1) << (63 - i);
  return result;
}

/* Position of the highest bit that differs from the sign, or all ones. */
static uint32_t find_bit(uint64_t value, int bits, bool is_signed, bool as_shift) {
  if (is_signed && value >> (bits - 1) & 1)
    value = ~value;
  value &= bits == 64 ? UINT64_MAX : UINT32_MAX;
  if (value == 0)
    return UINT32_MAX;
  uint32_t position = 63 - (uint32_t)__builtin_clzll(value);
  return as_shift ? (uint32_t)bits - 1 - position : position;
}

SIM_UNARY(popc_b32, u32, u32, __builtin_popcount(a))
SIM_UNARY(popc_b64, u32, u64, __builtin_popcountll(a))
SIM_UNARY(clz_b32, u32, u32, a ? __builtin_clz(a) : 32)
SIM_UNARY(clz_b64, u32, u64, a ? __builtin_clzll(a) : 64)
SIM_UNARY(brev_b32, u32, u32, reverse_bits(a) >> 32)
SIM_UNARY(brev_b64, u64, u64, reverse_bits(a))
SIM_UNARY(bfind_u32, u32, u32, find_bit(a, 32, false, false))
SIM_UNARY(bfind_s32, u32, u32, find_bit(a, 32, true, false))
SIM_UNARY(bfind_u64, u32, u64, find_bit(a, 64, false, false))
SIM_UNARY(bfind_s64, u32, u64, find_bit(a, 64, true, false))
SIM_UNARY(bfind_shift_u32, u32, u32, find_bit(a, 32, false, true))
SIM_UNARY(bfind_shift_s32, u32, u32, find_bit(a, 32, true, true))
SIM_UNARY(bfind_shift_u64, u32, u64, find_bit(a, 64, false, true))
SIM_UNARY(bfind_shift_s64, u32, u64, find_bit(a, 64, true, true))

/* PTX restricts positions and lengths to 0 to 255. Of others a GPU takes the low byte in the 32-bit forms,
 * and all in the 64-bit forms, which are made of other instructions. */
#define LOW_BYTE(v) ((v)&255)

static uint64_t extract(uint64_t value, uint64_t position, uint64_t length, uint32_t bits, bool is_signed) {
  bool sign = false;
  if (is_signed && length > 0) {
    uint64_t top = position + length - 1 < bits - 1 ? position + length - 1 : bits - 1;
    sign = value >> top & 1;
  }
  uint64_t result = position < bits ? value >> position : 0;
  uint64_t available = position < bits ? bits - position : 0;
  uint64_t kept = length < available ? length : available;
  uint64_t mask = kept >= 64 ? UINT64_MAX : (UINT64_C(1) << kept) - 1;
  return sign ? result | ~mask : result & mask;
}

static uint64_t insert(uint64_t from, uint64_t into, uint32_t position, uint32_t length, uint32_t bits) {
  if (position >= bits || length == 0)
    return into;
  uint64_t mask = (length >= 64 ? UINT64_MAX : (UINT64_C(1) << length) - 1) << position;
  return (into & ~mask) | (from << position & mask);
}

SIM_TERNARY(bfe_u32, u32, u32, extract(a, LOW_BYTE(b), LOW_BYTE(c), 32, false))
SIM_TERNARY(bfe_s32, u32, u32, extract(a, LOW_BYTE(b), LOW_BYTE(c), 32, true))
SIM_TERNARY3(bfe_u64, u64, u64, u32, u32, extract(a, b, c, 64, false))
SIM_TERNARY3(bfe_s64, u64, u64, u32, u32, extract(a, b, c, 64, true))

static void bfi_b32(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  const uint32_t *from = sim_source(warp, inst, 0), *into = sim_source(warp, inst, 1);
  const uint32_t *position = sim_source(warp, inst, 2), *length = sim_source(warp, inst, 3);
  uint32_t out[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++)
    out[i] = (uint32_t)insert(from[i], into[i], LOW_BYTE(position[i]), LOW_BYTE(length[i]), 32);
  sim_commit_word(warp, inst, 0, lanes, out);
}

static void bfi_b64(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  const uint64_t *from = sim_source(warp, inst, 0), *into = sim_source(warp, inst, 1);
  const uint32_t *position = sim_source(warp, inst, 2), *length = sim_source(warp, inst, 3);
  uint64_t out[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++)
    out[i] = insert(from[i], into[i], position[i], length[i], 64);
  sim_commit_wide(warp, inst, 0, lanes, out);
}

SIM_BINARY(bmsk_clamp, u32, u32, a >= 32 ? 0 : (b >= 32 ? UINT32_MAX : (1u << b) - 1) << a)
SIM_BINARY(bmsk_wrap, u32, u32, ((b & 31) == 0 ? 0 : (1u << (b & 31)) - 1) << (a & 31))

/* Funnel shifts of the pair b:a (b is the high word). */
static uint32_t funnel(uint32_t low, uint32_t high, uint32_t shift, bool left) {
  uint64_t pair = (uint64_t)high << 32 | low;
  return left ? (uint32_t)(pair << shift >> 32) : (uint32_t)(pair >> shift);
}
#define CLAMPED(c) ((c) < 32 ? (c) : 32)
SIM_TERNARY(shf_l_wrap, u32, u32, funnel(a, b, c & 31, true))
SIM_TERNARY(shf_r_wrap, u32, u32, funnel(a, b, c & 31, false))
SIM_TERNARY(shf_l_clamp, u32, u32, funnel(a, b, CLAMPED(c), true))
SIM_TERNARY(shf_r_clamp, u32, u32, funnel(a, b, CLAMPED(c), false))

/* Byte permutation: each nibble of the selector picks one of eight bytes; its top bit replicates the sign. */
static uint32_t permute(uint32_t a, uint32_t b, uint32_t selector) {
  uint64_t bytes = (uint64_t)b << 32 | a;
  uint32_t result = 0;
  for (int i = 0; i < 4; i++) {
    uint32_t nibble = selector >> (4 * i) & 15;
    uint32_t byte = (uint32_t)(bytes >> (8 * (nibble & 7))) & 255;
    if (nibble & 8)
      byte = byte & 128 ? 255 : 0;
    result |= byte << (8 * i);
  }
  return result;
}
SIM_TERNARY(prmt_b32, u32, u32, permute(a, b, c))

/* lop3: the truth table in the immediate, one minterm at a time. */
static void lop3_b32(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  const uint32_t *a = sim_source(warp, inst, 0), *b = sim_source(warp, inst, 1), *c = sim_source(warp, inst, 2);
  uint32_t out[SIM_LANES] = {0};
  for (uint32_t minterm = 0; minterm < 8; minterm++) {
    if (!(inst->immediate >> minterm & 1))
      continue;
    uint32_t flip_a = minterm & 4 ? 0 : UINT32_MAX, flip_b = minterm & 2 ? 0 : UINT32_MAX;
    uint32_t flip_c = minterm & 1 ? 0 : UINT32_MAX;
    for (int i = 0; i < SIM_LANES; i++)
      out[i] |= (a[i] ^ flip_a) & (b[i] ^ flip_b) & (c[i] ^ flip_c);
  }
  sim_commit_word(warp, inst, 0, lanes, out);
}

/* Moves between words and wide values and their parts. */
SIM_BINARY2(pack_halves, u32, u32, u32, (a & 0xffff) | b << 16)
SIM_BINARY2(pack_words, u64, u32, u32, (uint64_t)b << 32 | a)

static void unpack_halves(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  const uint32_t *from = sim_source(warp, inst, 0);
  uint32_t low[SIM_LANES], high[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++) {
    low[i] = from[i] & 0xffff;
    high[i] = from[i] >> 16;
  }
  sim_commit_word(warp, inst, 0, lanes, low);
  sim_commit_word(warp, inst, 1, lanes, high);
}

static void unpack_words(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  const uint64_t *from = sim_source(warp, inst, 0);
  uint32_t low[SIM_LANES], high[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++) {
    low[i] = (uint32_t)from[i];
    high[i] = (uint32_t)(from[i] >> 32);
  }
  sim_commit_word(warp, inst, 0, lanes, low);
  sim_commit_word(warp, inst, 1, lanes, high);
}

/* Parts narrower than words: `count` words of `size` bytes each make one value. */
static void pack_parts(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  uint32_t parts = inst->sources, bits = (uint32_t)inst->size * 8;
  uint64_t wide[SIM_LANES] = {0}, mask = (UINT64_C(1) << bits) - 1;
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

static void unpack_parts(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  uint32_t parts = inst->destinations, bits = (uint32_t)inst->size * 8;
  uint64_t wide[SIM_LANES], mask = (UINT64_C(1) << bits) - 1;
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

static bool prepare_bytes(sim_inst *inst, const sim_captures *captures) {
  (void)captures;
  inst->size = 1;
  return true;
}

static bool prepare_halves(sim_inst *inst, const sim_captures *captures) {
  (void)captures;
  inst->size = 2;
  return true;
}

/* A quad is two wide values. */
static void pack_quad(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  uint64_t *to = sim_operand(warp, inst, 0);
  for (uint32_t part = 0; part < 2; part++) {
    const uint64_t *from = sim_source(warp, inst, part);
    SIM_FOR_LANES(lane, lanes)
      to[part * SIM_LANES + lane] = from[lane];
  }
}

static void unpack_quad(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  const uint64_t *from = sim_source(warp, inst, 0);
  sim_commit_wide(warp, inst, 0, lanes, from);
  sim_commit_wide(warp, inst, 1, lanes, from + SIM_LANES);
}

/* Predicates are lane masks. */
#define DEFINE_PREDICATE(name, expression)                                                                             \
  static void name(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {                                             \
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
  static void selp_##T(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {                                         \
    const SIM_STORE_##T *a = sim_source(warp, inst, 0), *b = sim_source(warp, inst, 1);                                \
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
#define ARITHMETIC_ROWS(T, W)                                                                                          \
  ROW("add." #T, W ":" W W, add_##T, NULL), ROW("sub." #T, W ":" W W, sub_##T, NULL),                                  \
      ROW("mul.lo." #T, W ":" W W, mul_lo_##T, NULL), ROW("mad.lo." #T, W ":" W W W, mad_lo_##T, NULL),                \
      ROW("min." #T, W ":" W W, min_##T, NULL), ROW("max." #T, W ":" W W, max_##T, NULL),                              \
      ROW("div." #T, W ":" W W, div_##T, NULL), ROW("rem." #T, W ":" W W, rem_##T, NULL),                              \
      ROW("shr." #T, W ":" W "w", shr_##T, sim_taint_shift_right)
#define BIT_ROWS(T, U, W)                                                                                              \
  ROW("and." #T, W ":" W W, and_##U, sim_taint_and), ROW("or." #T, W ":" W W, or_##U, sim_taint_or),                   \
      ROW("xor." #T, W ":" W W, xor_##U, sim_taint_or), ROW("not." #T, W ":" W, not_##U, sim_taint_copy),              \
      ROW("cnot." #T, W ":" W, cnot_##U, NULL), ROW("shl." #T, W ":" W "w", shl_##U, sim_taint_shift_left),            \
      ROW("shr." #T, W ":" W "w", shr_##U, sim_taint_shift_right)

static const sim_form forms[] = {
    ARITHMETIC_ROWS(u16, "w"),
    ARITHMETIC_ROWS(s16, "w"),
    ARITHMETIC_ROWS(u32, "w"),
    ARITHMETIC_ROWS(s32, "w"),
    ARITHMETIC_ROWS(u64, "x"),
    ARITHMETIC_ROWS(s64, "x"),
    BIT_ROWS(b16, u16, "w"),
    BIT_ROWS(b32, u32, "w"),
    BIT_ROWS(b64, u64, "x"),
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
    ROW("dp4a.u32.u32", "w:www", dp4a_uu, NULL),
    ROW("dp4a.u32.s32", "w:www", dp4a_us, NULL),
    ROW("dp4a.s32.u32", "w:www", dp4a_su, NULL),
    ROW("dp4a.s32.s32", "w:www", dp4a_ss, NULL),
    ROW("popc.b32", "w:w", popc_b32, NULL),
    ROW("popc.b64", "w:x", popc_b64, NULL),
    ROW("clz.b32", "w:w", clz_b32, NULL),
    ROW("clz.b64", "w:x", clz_b64, NULL),
    ROW("brev.b32", "w:w", brev_b32, NULL),
    ROW("brev.b64", "x:x", brev_b64, NULL),
    ROW("bfind.u32", "w:w", bfind_u32, NULL),
    ROW("bfind.s32", "w:w", bfind_s32, NULL),
    ROW("bfind.u64", "w:x", bfind_u64, NULL),
    ROW("bfind.s64", "w:x", bfind_s64, NULL),
    ROW("bfind.shiftamt.u32", "w:w", bfind_shift_u32, NULL),
    ROW("bfind.shiftamt.s32", "w:w", bfind_shift_s32, NULL),
    ROW("bfind.shiftamt.u64", "w:x", bfind_shift_u64, NULL),
    ROW("bfind.shiftamt.s64", "w:x", bfind_shift_s64, NULL),
    ROW("bfe.u32", "w:www", bfe_u32, NULL),
    ROW("bfe.s32", "w:www", bfe_s32, NULL),
    ROW("bfe.u64", "x:xww", bfe_u64, NULL),
    ROW("bfe.s64", "x:xww", bfe_s64, NULL),
    ROW("bfi.b32", "w:wwww", bfi_b32, NULL),
    ROW("bfi.b64", "x:xxww", bfi_b64, NULL),
    ROW("bmsk.clamp.b32", "w:ww", bmsk_clamp, NULL),
    ROW("bmsk.wrap.b32", "w:ww", bmsk_wrap, NULL),
    ROW("shf.l.wrap.b32", "w:www", shf_l_wrap, NULL),
    ROW("shf.r.wrap.b32", "w:www", shf_r_wrap, NULL),
    ROW("shf.l.clamp.b32", "w:www", shf_l_clamp, NULL),
    ROW("shf.r.clamp.b32", "w:www", shf_r_clamp, NULL),
    ROW("prmt.b32", "w:www", prmt_b32, sim_taint_permute),
    ROW("lop3.b32", "w:wwwi", lop3_b32, NULL),
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

const sim_form_table SIM_TABLE(sim_forms_integer) = SIM_FORM_TABLE(forms);
