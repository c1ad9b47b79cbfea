/* Bit instructions: logic, shifts, fields, counts and permutations. */
#include "exec/lanes.h"

#define BIT_TYPES(X) X(u16) X(u32) X(u64)

#define DEFINE_BITS(T)                                                                                                 \
  SIM_BINARY(and_##T, T, T, a &b)                                                                                      \
  SIM_BINARY(or_##T, T, T, a | b)                                                                                      \
  SIM_BINARY(xor_##T, T, T, a ^ b)                                                                                     \
  SIM_UNARY(not_##T, T, T, ~a)                                                                                         \
  SIM_BINARY2(shl_##T, T, T, u32, b >= sizeof(a) * 8 ? 0 : a << b)                                                     \
  SIM_UNARY(cnot_##T, T, T, a == 0)
BIT_TYPES(DEFINE_BITS)

#define INTEGER_TYPES(X) X(u16) X(s16) X(u32) X(s32) X(u64) X(s64)
#define DEFINE_SHIFT(T)                                                                                                \
  SIM_BINARY2(shr_##T, T, T, u32, b >= sizeof(a) * 8 ? (SIM_VALUE_##T)(a < 0 ? -1 : 0) : (SIM_VALUE_##T)(a >> b))
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtype-limits" /* a < 0 of unsigned types */
INTEGER_TYPES(DEFINE_SHIFT)
#pragma GCC diagnostic pop

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

static void bfi_b32(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint32_t *from = sim_source(warp, inst, 0);
  const uint32_t *into = sim_source(warp, inst, 1);
  const uint32_t *position = sim_source(warp, inst, 2);
  const uint32_t *length = sim_source(warp, inst, 3);
  uint32_t out[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++)
    out[i] = (uint32_t)insert(from[i], into[i], LOW_BYTE(position[i]), LOW_BYTE(length[i]), 32);
  sim_commit_word(warp, inst, 0, lanes, out);
}

static void bfi_b64(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint64_t *from = sim_source(warp, inst, 0);
  const uint64_t *into = sim_source(warp, inst, 1);
  const uint32_t *position = sim_source(warp, inst, 2);
  const uint32_t *length = sim_source(warp, inst, 3);
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
static void lop3_b32(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint32_t *a = sim_source(warp, inst, 0);
  const uint32_t *b = sim_source(warp, inst, 1);
  const uint32_t *c = sim_source(warp, inst, 2);
  uint32_t out[SIM_LANES] = {0};
  for (uint32_t minterm = 0; minterm < 8; minterm++) {
    if (!(inst->immediate >> minterm & 1))
      continue;
    uint32_t flip_a = minterm & 4 ? 0 : UINT32_MAX;
    uint32_t flip_b = minterm & 2 ? 0 : UINT32_MAX;
    uint32_t flip_c = minterm & 1 ? 0 : UINT32_MAX;
    for (int i = 0; i < SIM_LANES; i++)
      out[i] |= (a[i] ^ flip_a) & (b[i] ^ flip_b) & (c[i] ^ flip_c);
  }
  sim_commit_word(warp, inst, 0, lanes, out);
}

#define ROW(pattern, operands, exec, taint)                                                                            \
  { pattern, operands, exec, taint, NULL, SIM_FLOW_NEXT }
#define BIT_ROWS(T, U, W)                                                                                              \
  ROW("and." #T, W ":" W W, and_##U, sim_taint_and), ROW("or." #T, W ":" W W, or_##U, sim_taint_or),                   \
      ROW("xor." #T, W ":" W W, xor_##U, sim_taint_or), ROW("not." #T, W ":" W, not_##U, sim_taint_copy),              \
      ROW("cnot." #T, W ":" W, cnot_##U, NULL), ROW("shl." #T, W ":" W "w", shl_##U, sim_taint_shift_left),            \
      ROW("shr." #T, W ":" W "w", shr_##U, sim_taint_shift_right)

static const struct sim_form forms[] = {
    BIT_ROWS(b16, u16, "w"),
    BIT_ROWS(b32, u32, "w"),
    BIT_ROWS(b64, u64, "x"),
    ROW("shr.u16", "w:ww", shr_u16, sim_taint_shift_right),
    ROW("shr.s16", "w:ww", shr_s16, sim_taint_shift_right),
    ROW("shr.u32", "w:ww", shr_u32, sim_taint_shift_right),
    ROW("shr.s32", "w:ww", shr_s32, sim_taint_shift_right),
    ROW("shr.u64", "x:xw", shr_u64, sim_taint_shift_right),
    ROW("shr.s64", "x:xw", shr_s64, sim_taint_shift_right),
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
};

const struct sim_form_table SIM_TABLE(sim_forms_bits) = SIM_FORM_TABLE(forms);
