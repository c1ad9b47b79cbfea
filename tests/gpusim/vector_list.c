/*
 * The cases: each instruction of the simulator whose result is more than obvious integer arithmetic. Letters
 * of operands are those of vector_inputs.c.
 *
 * Approximate instructions may differ from the GPU's in the last places. Their bound is the error that the
 * PTX ISA promises of the GPU, plus that of the simulator, which rounds what libm computes: one unit. In
 * brackets: how far apart the results in data/ and those of the simulator are.
 */
#include "vectors.h"

#define SAME(threads, results, operands, code)                                                                         \
  { code, operands, threads, results, SAME_BITS, 0, VECTOR_PTX }
#define SINGLE(threads, operands, code)                                                                                \
  { code, operands, threads, 1, SAME_SINGLE, 0, VECTOR_PTX }
#define DOUBLE(threads, operands, instruction)                                                                         \
  { instruction " mov.b64 {%r0, %r1}, %q0;", operands, threads, 2, SAME_DOUBLE, 0, VECTOR_PTX }
#define HALF(threads, operands, instruction)                                                                           \
  { instruction HALF_OUT, operands, threads, 1, SAME_HALF, 0, VECTOR_PTX }
#define BOUNDED(threads, operands, bound, limit, code)                                                                 \
  { code, operands, threads, 1, bound, limit, VECTOR_PTX }

/* Threads that meet the edges of one operand or every pair of those of two, and some random values. */
enum { ONE = 128, FLOATS = 704, HALVES = 448, WORDS = 448, SHIFTS = 576, WIDES = 192, WIDE_SHIFTS = 352 };
enum { DOUBLES = 512, MANY = 512, ALL_HALVES = 16384, ALL_BYTES = 256, WARPS = 256 };

/* Unary, binary and ternary forms by the type of their registers: words, halves as words, wide values. */
#define A1 " %r0, %a0;"
#define A2 " %r0, %a0, %a1;"
#define A3 " %r0, %a0, %a1, %a2;"
#define L1 " %q0, %l0;"
#define L2 " %q0, %l0, %l1;"
#define L3 " %q0, %l0, %l1, %l2;"
#define HALF_OUT " cvt.u32.u16 %r0, %g0;"
#define WIDE_OUT " mov.b64 {%r0, %r1}, %q0;"

/* ------------------------------------------------------------------------------------------------ compare */

/* One bit of %r0 for each comparison. */
#define TEST_BIT(bit) "selp.b32 %t0, 1, 0, %p0; bfi.b32 %r0, %t0, %r0, " #bit ", 1;"
#define SETP(bit, comparison, type, a, b) "setp." comparison "." type " %p0, " a ", " b "; " TEST_BIT(bit)
#define ORDERED(type, a, b)                                                                                            \
  "mov.b32 %r0, 0; " SETP(0, "eq", type, a, b) SETP(1, "ne", type, a, b) SETP(2, "lt", type, a, b)                     \
      SETP(3, "le", type, a, b) SETP(4, "gt", type, a, b) SETP(5, "ge", type, a, b)
#define UNORDERED(type, a, b)                                                                                          \
  "" SETP(6, "equ", type, a, b) SETP(7, "neu", type, a, b) SETP(8, "ltu", type, a, b) SETP(9, "leu", type, a, b)       \
      SETP(10, "gtu", type, a, b) SETP(11, "geu", type, a, b) SETP(12, "num", type, a, b) SETP(13, "nan", type, a, b)
#define FLOATING(type, a, b) ORDERED(type, a, b) UNORDERED(type, a, b)
#define UNSIGNED_NAMES(type, a, b)                                                                                     \
  "mov.b32 %r0, 0; " SETP(0, "lo", type, a, b) SETP(1, "ls", type, a, b) SETP(2, "hi", type, a, b)                     \
      SETP(3, "hs", type, a, b)
#define COMBINED(combination)                                                                                          \
  "mov.b32 %r0, 0; setp.ne.u32 %p1, %a2, 0; setp.lt." combination ".f32 %p0|%p2, %a0, %a1, %p1; "                      \
  "" TEST_BIT(0) "mov.pred %p0, %p2; " TEST_BIT(1)
#define BOTH_HALVES(comparison)                                                                                        \
  "mov.b32 %r0, 0; setp." comparison ".f16x2 %p0|%p1, %a0, %a1; " TEST_BIT(0) "mov.pred %p0, %p1; " TEST_BIT(1)
#define TESTP(bit, property) "testp." property ".f32 %p0, %a0; " TEST_BIT(bit)

/* ------------------------------------------------------------------------------------------------ convert */

#define TO_HALF(instruction) instruction " %g0, %a0;" HALF_OUT
#define PACK(instruction) instruction " %g0, %a0, %a1;" HALF_OUT
#define TWO_PAIRS(instruction) instruction " %g0, %a0; " instruction " %g1, %a1; mov.b32 %r0, {%g0, %g1};"
#define TO_WORD(rounding)                                                                                              \
  SAME(ONE, 1, "t", "cvt." rounding "i.s32.f32" A1), SAME(ONE, 1, "t", "cvt." rounding "i.u32.f32" A1),                \
      SAME(ONE, 2, "t", "cvt." rounding "i.s64.f32 %q0, %a0;" WIDE_OUT),                                               \
      SAME(ONE, 2, "t", "cvt." rounding "i.u64.f32 %q0, %a0;" WIDE_OUT),                                               \
      SINGLE(ONE, "t", "cvt." rounding "i.f32.f32" A1)
#define FROM_WORD(rounding)                                                                                            \
  SAME(ONE, 1, "u", "cvt." rounding ".f32.s32" A1), SAME(ONE, 1, "u", "cvt." rounding ".f32.u32" A1),                  \
      SAME(ONE, 1, "w", "cvt." rounding ".f32.s64 %r0, %l0;"),                                                         \
      SAME(ONE, 1, "w", "cvt." rounding ".f32.u64 %r0, %l0;"), SINGLE(ONE, "d", "cvt." rounding ".f32.f64 %r0, %l0;")

/* ------------------------------------------------------------------------------------------- warp, memory */

#define CONVERGE "bar.warp.sync 0xffffffff; "
#define SHUFFLE(mode)                                                                                                  \
  SAME(WARPS, 2, "usc", "shfl.sync." mode ".b32 %r0|%p0, %a0, %a1, %a2, 0xffffffff; selp.b32 %r1, 1, 0, %p0;")
#define SOME_LANES "setp.lt.u32 %p1, %lane, 20; mov.b32 %r0, 0; "
#define VOTE(mode)                                                                                                     \
  SAME(WARPS, 1, "v",                                                                                                  \
       "shr.u32 %t0, %thread, 5; and.b32 %t0, %t0, 3; setp.lt.u32 %p0, %a0, %t0; "                                     \
       "vote.sync." mode ".pred %p0, %p0, 0xffffffff; selp.b32 %r0, 1, 0, %p0;")
#define REDUX(form) SAME(WARPS, 1, "u", "redux.sync." form " %r0, %a0, 0xffffffff;")
#define STORE_ROW "st.shared.v4.b32 [%own], {%a0, %a1, %a2, %a3}; " CONVERGE
#define ROW_ADDRESS "mul.lo.u32 %t0, %lane, 80; and.b32 %t0, %t0, 511; add.u32 %t0, %t0, %s; "
#define LOAD_ROW CONVERGE "ld.shared.v4.b32 {%r0, %r1, %r2, %r3}, [%own];"
#define NO_RESULTS "mov.b32 %r0, 0; mov.b32 %r1, 0; mov.b32 %r2, 0; mov.b32 %r3, 0; "
#define LDMATRIX(form, list)                                                                                           \
  SAME(WARPS, 4, "uuuu",                                                                                               \
       NO_RESULTS STORE_ROW ROW_ADDRESS "ldmatrix.sync.aligned.m8n8." form ".shared.b16 " list ", [%t0];")
#define CLEAR_ROW "mov.b32 %t1, -1; st.shared.v4.b32 [%own], {%t1, %t1, %t1, %t1}; " CONVERGE
#define STMATRIX(form, list)                                                                                           \
  SAME(WARPS, 4, "uuuu",                                                                                               \
       CLEAR_ROW ROW_ADDRESS "stmatrix.sync.aligned.m8n8." form ".shared.b16 [%t0], " list "; " LOAD_ROW)

/* The first bytes of a row of 0xff; the thread's operands are the source. */
#define COPY_ASYNC(form, size, sizes, extra)                                                                           \
  SAME(WARPS, 4, "uuuu",                                                                                               \
       CLEAR_ROW "rem.u32 %t0, %thread, " #sizes "; setp.lt.u32 %p0, %t0, 7; cp.async." form                           \
                 " [%own], [%in], " #size extra "; cp.async.wait_all; " LOAD_ROW)

#define ATOM(form, operands)                                                                                           \
  SAME(MANY, 2, "uuu",                                                                                                 \
       "st.shared.b32 [%own], %a0; atom.shared." form " %r0, [%own], " operands "; "                                   \
       "ld.shared.b32 %r1, [%own];")
#define ATOM_WIDE(form, operands)                                                                                      \
  SAME(MANY, 4, "www",                                                                                                 \
       "st.shared.b64 [%own], %l0; atom.shared." form " %q0, [%own], " operands "; "                                   \
       "ld.shared.b64 %q1, [%own]; mov.b64 {%r0, %r1}, %q0; mov.b64 {%r2, %r3}, %q1;")

/* Sums that no order of additions changes, then others: terms are 17 or less with 16 products, and each side
 * rounds or cuts each term and each sum at most 2^-23 below the sum of all magnitudes (a fifth of that, or
 * less). */
#define EXACT_PRODUCT(operands, results, code) SAME(WARPS, results, operands, code)
#define ROUNDED_PRODUCT(operands, results, bound, terms, code)                                                         \
  { code, operands, WARPS, results, bound, (terms)*0x1p-23, VECTOR_PTX }
#define MMA_16(shape)                                                                                                  \
  "mma.sync.aligned." shape ".f32 {%r0, %r1, %r2, %r3}, {%a0, %a1, %a2, %a3}, {%a4, %a5}, {%a6, %a7, %a8, %a9};"
#define MMA_8(shape) "mma.sync.aligned." shape ".f32 {%r0, %r1, %r2, %r3}, {%a0, %a1}, {%a2}, {%a3, %a4, %a5, %a6};"
#define MMA_HALF                                                                                                       \
  "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r0, %r1}, {%a0, %a1, %a2, %a3}, {%a4, %a5}, {%a6, "             \
  "%a7};"

#define F16_16 MMA_16("m16n8k16.row.col.f32.f16.f16")
#define BF16_16 MMA_16("m16n8k16.row.col.f32.bf16.bf16")
#define E4M3_32 MMA_16("m16n8k32.row.col.f32.e4m3.e4m3")
#define E5M2_32 MMA_16("m16n8k32.row.col.f32.e5m2.e5m2")
#define F16_8 MMA_8("m16n8k8.row.col.f32.f16.f16")
#define BF16_8 MMA_8("m16n8k8.row.col.f32.bf16.bf16")

/* Pairs of f16 or bf16. */
#define PACKED_2(name) SAME(HALVES, 1, "hh", name ".f16x2" A2), SAME(HALVES, 1, "bb", name ".bf16x2" A2)
#define PACKED_3(name) SAME(MANY, 1, "hhh", name ".f16x2" A3), SAME(MANY, 1, "bbb", name ".bf16x2" A3)
#define ROUNDED(rounding)                                                                                              \
  SINGLE(FLOATS, "ff", "add." rounding ".f32" A2), SINGLE(FLOATS, "ff", "mul." rounding ".f32" A2),                    \
      SINGLE(FLOATS, "ff", "div." rounding ".f32" A2), SINGLE(MANY, "fff", "fma." rounding ".f32" A3),                 \
      SINGLE(ONE, "f", "rcp." rounding ".f32" A1), SINGLE(ONE, "f", "sqrt." rounding ".f32" A1)

static const struct vector_case cases[] = {
    /* Integers: high halves, wide products, extremes. */
    SAME(WORDS, 1, "uu", "mul.hi.u32" A2),
    SAME(WORDS, 1, "uu", "mul.hi.s32" A2),
    SAME(WIDES, 2, "ww", "mul.hi.u64" L2 WIDE_OUT),
    SAME(WIDES, 2, "ww", "mul.hi.s64" L2 WIDE_OUT),
    SAME(WORDS, 1, "uu", "mul.hi.u16 %g0, %h0, %h1;" HALF_OUT),
    SAME(WORDS, 1, "uu", "mul.hi.s16 %g0, %h0, %h1;" HALF_OUT),
    SAME(WORDS, 1, "uu", "mul.lo.s16 %g0, %h0, %h1;" HALF_OUT),
    SAME(WORDS, 1, "uu", "mul.wide.u16 %r0, %h0, %h1;"),
    SAME(WORDS, 1, "uu", "mul.wide.s16 %r0, %h0, %h1;"),
    SAME(WORDS, 2, "uu", "mul.wide.u32 %q0, %a0, %a1;" WIDE_OUT),
    SAME(WORDS, 2, "uu", "mul.wide.s32 %q0, %a0, %a1;" WIDE_OUT),
    SAME(MANY, 1, "uuu", "mad.lo.s32" A3),
    SAME(MANY, 1, "uuu", "mad.hi.u32" A3),
    SAME(MANY, 1, "uuu", "mad.hi.s32" A3),
    SAME(MANY, 1, "uuu", "mad.wide.u16 %r0, %h0, %h1, %a2;"),
    SAME(MANY, 1, "uuu", "mad.wide.s16 %r0, %h0, %h1, %a2;"),
    SAME(MANY, 2, "uuw", "mad.wide.u32 %q0, %a0, %a1, %l2;" WIDE_OUT),
    SAME(MANY, 2, "uuw", "mad.wide.s32 %q0, %a0, %a1, %l2;" WIDE_OUT),
    SAME(WORDS, 1, "uu", "mul24.lo.u32" A2),
    SAME(WORDS, 1, "uu", "mul24.lo.s32" A2),
    SAME(WORDS, 1, "uu", "max.u32 %t0, %a1, 1; div.u32 %r0, %a0, %t0;"),
    SAME(WORDS, 1, "uu", "max.u32 %t0, %a1, 1; div.s32 %r0, %a0, %t0;"),
    SAME(WORDS, 1, "uu", "max.u32 %t0, %a1, 1; rem.u32 %r0, %a0, %t0;"),
    SAME(WORDS, 1, "uu", "max.u32 %t0, %a1, 1; rem.s32 %r0, %a0, %t0;"),
    SAME(WIDES, 2, "ww", "max.u64 %q1, %l1, 1; div.u64 %q0, %l0, %q1;" WIDE_OUT),
    SAME(WIDES, 2, "ww", "max.u64 %q1, %l1, 1; div.s64 %q0, %l0, %q1;" WIDE_OUT),
    SAME(WIDES, 2, "ww", "max.u64 %q1, %l1, 1; rem.u64 %q0, %l0, %q1;" WIDE_OUT),
    SAME(WIDES, 2, "ww", "max.u64 %q1, %l1, 1; rem.s64 %q0, %l0, %q1;" WIDE_OUT),
    SAME(ONE, 1, "u", "abs.s32" A1),
    SAME(ONE, 1, "u", "neg.s32" A1),
    SAME(ONE, 1, "u", "cnot.b32" A1),
    SAME(MANY, 1, "uuu", "sad.u32" A3),
    SAME(MANY, 1, "uuu", "sad.s32" A3),
    SAME(MANY, 1, "uuu", "dp4a.u32.u32" A3),
    SAME(MANY, 1, "uuu", "dp4a.u32.s32" A3),
    SAME(MANY, 1, "uuu", "dp4a.s32.u32" A3),
    SAME(MANY, 1, "uuu", "dp4a.s32.s32" A3),
    SAME(MANY, 1, "uuu", "slct.b32.s32" A3),
    SAME(MANY, 1, "uuf", "slct.b32.f32" A3),
    SAME(MANY, 1, "uuf", "slct.ftz.b32.f32" A3),

    /* Bits: counts and positions out of range. */
    SAME(SHIFTS, 1, "us", "shl.b32" A2),
    SAME(SHIFTS, 1, "us", "shr.u32" A2),
    SAME(SHIFTS, 1, "us", "shr.s32" A2),
    SAME(SHIFTS, 1, "us", "shl.b16 %g0, %h0, %a1;" HALF_OUT),
    SAME(SHIFTS, 1, "us", "shr.u16 %g0, %h0, %a1;" HALF_OUT),
    SAME(SHIFTS, 1, "us", "shr.s16 %g0, %h0, %a1;" HALF_OUT),
    SAME(WIDE_SHIFTS, 2, "ws", "shl.b64 %q0, %l0, %a1;" WIDE_OUT),
    SAME(WIDE_SHIFTS, 2, "ws", "shr.u64 %q0, %l0, %a1;" WIDE_OUT),
    SAME(WIDE_SHIFTS, 2, "ws", "shr.s64 %q0, %l0, %a1;" WIDE_OUT),
    SAME(MANY, 1, "uus", "shf.l.wrap.b32" A3),
    SAME(MANY, 1, "uus", "shf.r.wrap.b32" A3),
    SAME(MANY, 1, "uus", "shf.l.clamp.b32" A3),
    SAME(MANY, 1, "uus", "shf.r.clamp.b32" A3),
    SAME(MANY, 1, "uss", "bfe.u32" A3),
    SAME(MANY, 1, "uss", "bfe.s32" A3),
    SAME(MANY, 2, "wss", "bfe.u64 %q0, %l0, %a1, %a2;" WIDE_OUT),
    SAME(MANY, 2, "wss", "bfe.s64 %q0, %l0, %a1, %a2;" WIDE_OUT),
    SAME(MANY, 1, "uuss", "bfi.b32 %r0, %a0, %a1, %a2, %a3;"),
    SAME(MANY, 2, "wwss", "bfi.b64 %q0, %l0, %l1, %a2, %a3;" WIDE_OUT),
    SAME(768, 1, "ss", "bmsk.clamp.b32" A2),
    SAME(768, 1, "ss", "bmsk.wrap.b32" A2),
    SAME(MANY, 1, "uuu", "prmt.b32" A3),
    SAME(ONE, 1, "uuu", "lop3.b32 %r0, %a0, %a1, %a2, 0xca;"),
    SAME(ONE, 1, "uuu", "lop3.b32 %r0, %a0, %a1, %a2, 0x96;"),
    SAME(ONE, 1, "u", "popc.b32" A1),
    SAME(ONE, 1, "w", "popc.b64 %r0, %l0;"),
    SAME(ONE, 1, "u", "clz.b32" A1),
    SAME(ONE, 1, "w", "clz.b64 %r0, %l0;"),
    SAME(ONE, 1, "u", "brev.b32" A1),
    SAME(ONE, 2, "w", "brev.b64" L1 WIDE_OUT),
    SAME(ONE, 1, "u", "bfind.u32" A1),
    SAME(ONE, 1, "u", "bfind.s32" A1),
    SAME(ONE, 1, "w", "bfind.u64 %r0, %l0;"),
    SAME(ONE, 1, "w", "bfind.s64 %r0, %l0;"),
    SAME(ONE, 1, "u", "bfind.shiftamt.u32" A1),
    SAME(ONE, 1, "u", "bfind.shiftamt.s32" A1),
    SAME(ONE, 1, "w", "bfind.shiftamt.u64 %r0, %l0;"),
    SAME(ONE, 1, "w", "bfind.shiftamt.s64 %r0, %l0;"),

    /* f32: subnormals, NaN, signed zeros, directed rounding. */
    SINGLE(FLOATS, "ff", "add.f32" A2),
    SINGLE(FLOATS, "ff", "add.ftz.f32" A2),
    SINGLE(FLOATS, "ff", "add.sat.f32" A2),
    SINGLE(FLOATS, "ff", "sub.f32" A2),
    SINGLE(FLOATS, "ff", "mul.f32" A2),
    SINGLE(FLOATS, "ff", "mul.ftz.f32" A2),
    SINGLE(FLOATS, "ff", "mul.ftz.sat.f32" A2),
    SINGLE(MANY, "fff", "fma.rn.f32" A3),
    SINGLE(MANY, "fff", "fma.rn.ftz.f32" A3),
    SINGLE(MANY, "fff", "fma.rn.sat.f32" A3),
    SINGLE(FLOATS, "ff", "div.rn.f32" A2),
    SINGLE(FLOATS, "ff", "div.rn.ftz.f32" A2),
    SINGLE(ONE, "f", "rcp.rn.f32" A1),
    SINGLE(ONE, "f", "rcp.rn.ftz.f32" A1),
    SINGLE(ONE, "f", "sqrt.rn.f32" A1),
    SINGLE(ONE, "f", "sqrt.rn.ftz.f32" A1),
    ROUNDED("rz"),
    ROUNDED("rm"),
    ROUNDED("rp"),
    SINGLE(FLOATS, "ff", "min.f32" A2),
    SINGLE(FLOATS, "ff", "max.f32" A2),
    SINGLE(FLOATS, "ff", "min.ftz.f32" A2),
    SINGLE(FLOATS, "ff", "max.ftz.f32" A2),
    SINGLE(FLOATS, "ff", "min.NaN.f32" A2),
    SINGLE(FLOATS, "ff", "max.NaN.f32" A2),
    SINGLE(ONE, "f", "neg.f32" A1),
    SINGLE(ONE, "f", "neg.ftz.f32" A1),
    SINGLE(ONE, "f", "abs.f32" A1),
    SINGLE(ONE, "f", "abs.ftz.f32" A1),
    SINGLE(FLOATS, "ff", "copysign.f32" A2),
    SAME(ONE, 1, "f",
         "mov.b32 %r0, 0; " TESTP(0, "finite") TESTP(1, "infinite") TESTP(2, "number") TESTP(3, "notanumber")
             TESTP(4, "normal") TESTP(5, "subnormal")),

    /* ex2 2 ulp (2); rcp 1 ulp (1); div.full 2 ulp, div.approx likewise while |b| <= 2^126, exact beyond (1);
     * sqrt and rsqrt 2^-23 and 2^-22.9 of the result, one unit and two (1 and 2). */
    BOUNDED(MANY, "e", ULP_SINGLE, 3, "ex2.approx.f32" A1),
    BOUNDED(MANY, "e", ULP_SINGLE, 3, "ex2.approx.ftz.f32" A1),
    BOUNDED(MANY, "f", ULP_SINGLE, 2, "rcp.approx.f32" A1),
    BOUNDED(MANY, "f", ULP_SINGLE, 2, "rcp.approx.ftz.f32" A1),
    BOUNDED(FLOATS, "ff", ULP_SINGLE, 3, "div.full.f32" A2),
    BOUNDED(FLOATS, "ff", ULP_SINGLE, 3, "div.full.ftz.f32" A2),
    BOUNDED(FLOATS, "ff", ULP_SINGLE, 3, "div.approx.f32" A2),
    BOUNDED(FLOATS, "ff", ULP_SINGLE, 3, "div.approx.ftz.f32" A2),
    BOUNDED(MANY, "f", ULP_SINGLE, 2, "sqrt.approx.f32" A1),
    BOUNDED(MANY, "f", ULP_SINGLE, 2, "sqrt.approx.ftz.f32" A1),
    BOUNDED(MANY, "f", ULP_SINGLE, 3, "rsqrt.approx.f32" A1),
    BOUNDED(MANY, "f", ULP_SINGLE, 3, "rsqrt.approx.ftz.f32" A1),
    /* 2^-22 absolute from 1/2 to 2, relative elsewhere, and half a unit (2^-22.4 and 2^-22.2). */
    BOUNDED(MANY, "l", LOGARITHM, 0x1p-22 + 0x1p-24, "lg2.approx.f32" A1),
    BOUNDED(MANY, "l", LOGARITHM, 0x1p-22 + 0x1p-24, "lg2.approx.ftz.f32" A1),
    BOUNDED(MANY, "f", LOGARITHM, 0x1p-22 + 0x1p-24, "lg2.approx.f32" A1),
    BOUNDED(MANY, "f", LOGARITHM, 0x1p-22 + 0x1p-24, "lg2.approx.ftz.f32" A1),
    /* 2^-20.5 absolute within 2 pi, 2^-14.7 within 100 pi, and half a unit of 1 (2^-20.7 and 2^-15.1). */
    BOUNDED(MANY, "g", ABSOLUTE_SINGLE, 0x1.6a09e6p-21 + 0x1p-24, "sin.approx.f32" A1),
    BOUNDED(MANY, "g", ABSOLUTE_SINGLE, 0x1.6a09e6p-21 + 0x1p-24, "sin.approx.ftz.f32" A1),
    BOUNDED(MANY, "g", ABSOLUTE_SINGLE, 0x1.6a09e6p-21 + 0x1p-24, "cos.approx.f32" A1),
    BOUNDED(MANY, "g", ABSOLUTE_SINGLE, 0x1.6a09e6p-21 + 0x1p-24, "cos.approx.ftz.f32" A1),
    BOUNDED(MANY, "G", ABSOLUTE_SINGLE, 0x1.3b2c48p-15 + 0x1p-24, "sin.approx.ftz.f32" A1),
    BOUNDED(MANY, "G", ABSOLUTE_SINGLE, 0x1.3b2c48p-15 + 0x1p-24, "cos.approx.ftz.f32" A1),
    /* 2^-11 of the result, which is 2^13 units or less (118). */
    BOUNDED(MANY, "e", ULP_SINGLE, 0x1p13 + 1, "tanh.approx.f32" A1),

    /* f64. */
    DOUBLE(DOUBLES, "dd", "add.rn.f64" L2),
    DOUBLE(DOUBLES, "dd", "mul.rn.f64" L2),
    DOUBLE(DOUBLES, "dd", "div.rn.f64" L2),
    DOUBLE(MANY, "ddd", "fma.rn.f64" L3),
    DOUBLE(DOUBLES, "dd", "min.f64" L2),
    DOUBLE(DOUBLES, "dd", "max.f64" L2),
    DOUBLE(ONE, "d", "rcp.rn.f64" L1),
    DOUBLE(ONE, "d", "sqrt.rn.f64" L1),
    DOUBLE(ONE, "d", "neg.f64" L1),
    DOUBLE(ONE, "d", "abs.f64" L1),
    DOUBLE(DOUBLES, "dd", "copysign.f64" L2),

    /* Pairs of f16 and bf16. */
    PACKED_2("add.rn"),
    PACKED_2("sub.rn"),
    PACKED_2("mul.rn"),
    PACKED_3("fma.rn"),
    PACKED_3("fma.rn.relu"),
    PACKED_2("min"),
    PACKED_2("max"),
    PACKED_2("min.NaN"),
    PACKED_2("max.NaN"),
    SAME(HALVES, 1, "hh", "add.rn.ftz.f16x2" A2),
    SAME(HALVES, 1, "hh", "mul.rn.ftz.f16x2" A2),
    SAME(MANY, 1, "hhh", "fma.rn.ftz.f16x2" A3),
    SAME(HALVES, 1, "hh", "min.ftz.f16x2" A2),
    SAME(ONE, 1, "h", "neg.f16x2" A1),
    SAME(ONE, 1, "h", "abs.f16x2" A1),
    SAME(ONE, 1, "b", "neg.bf16x2" A1),
    SAME(ONE, 1, "b", "abs.bf16x2" A1),
    /* 2^-9.9, 2^-7, 2^-10.987 and 2^-8 of the result, and half a unit of the type (all of it but for ex2 of
     * bf16, 2^-7). */
    BOUNDED(MANY, "h", RELATIVE_HALF, 0x1.126p-10 + 0x1p-11, "ex2.approx.f16x2" A1),
    BOUNDED(MANY, "b", RELATIVE_BF16, 0x1p-7 + 0x1p-8, "ex2.approx.ftz.bf16x2" A1),
    BOUNDED(MANY, "h", RELATIVE_HALF, 0x1.026p-11 + 0x1p-11, "tanh.approx.f16x2" A1),
    BOUNDED(MANY, "b", RELATIVE_BF16, 0x1p-8 + 0x1p-8, "tanh.approx.bf16x2" A1),

    /* Comparisons. */
    SAME(FLOATS, 1, "ff", FLOATING("f32", "%a0", "%a1")),
    SAME(FLOATS, 1, "ff", FLOATING("ftz.f32", "%a0", "%a1")),
    SAME(DOUBLES, 1, "dd", FLOATING("f64", "%l0", "%l1")),
    SAME(HALVES, 1, "hh", FLOATING("f16", "%h0", "%h1")),
    SAME(HALVES, 1, "bb", FLOATING("bf16", "%h0", "%h1")),
    SAME(HALVES, 1, "hh", BOTH_HALVES("lt")),
    SAME(HALVES, 1, "hh", BOTH_HALVES("neu")),
    SAME(WORDS, 1, "uu", ORDERED("s32", "%a0", "%a1")),
    SAME(WORDS, 1, "uu", ORDERED("u32", "%a0", "%a1")),
    SAME(WORDS, 1, "uu", UNSIGNED_NAMES("u32", "%a0", "%a1")),
    SAME(WORDS, 1, "uu", ORDERED("s16", "%h0", "%h1")),
    SAME(WORDS, 1, "uu", ORDERED("u16", "%h0", "%h1")),
    SAME(WIDES, 1, "ww", ORDERED("s64", "%l0", "%l1")),
    SAME(WIDES, 1, "ww", ORDERED("u64", "%l0", "%l1")),
    SAME(MANY, 1, "ffp", COMBINED("and")),
    SAME(MANY, 1, "ffp", COMBINED("or")),
    SAME(MANY, 1, "ffp", COMBINED("xor")),
    SAME(MANY, 1, "fff", "setp.gt.f32 %p0, %a0, %a2; selp.f32 %r0, %a0, %a1, %p0;"),

    /* Conversions: ties, overflow, all codes of the 8-bit types, and of f16 to them. */
    SAME(MANY, 1, "t", TO_HALF("cvt.rn.f16.f32")),
    SAME(MANY, 1, "t", TO_HALF("cvt.rz.f16.f32")),
    SAME(MANY, 1, "t", TO_HALF("cvt.rn.bf16.f32")),
    SAME(MANY, 1, "t", TO_HALF("cvt.rz.bf16.f32")),
    SAME(MANY, 1, "f", TO_HALF("cvt.rn.bf16.f32")),
    SAME(1024, 1, "tt", "cvt.rn.f16x2.f32" A2),
    SAME(1024, 1, "tt", "cvt.rn.bf16x2.f32" A2),
    SAME(1024, 1, "tt", "cvt.rz.f16x2.f32" A2),
    SAME(1024, 1, "tt", "cvt.rz.bf16x2.f32" A2),
    SAME(1024, 1, "tt", "cvt.rn.relu.f16x2.f32" A2),
    SAME(1024, 1, "tt", "cvt.rn.relu.bf16x2.f32" A2),
    SAME(1024, 1, "tt", PACK("cvt.rn.satfinite.e4m3x2.f32")),
    SAME(1024, 1, "tt", PACK("cvt.rn.satfinite.e5m2x2.f32")),
    SAME(ALL_HALVES, 1, "HH", TWO_PAIRS("cvt.rn.satfinite.e4m3x2.f16x2")),
    SAME(ALL_HALVES, 1, "HH", TWO_PAIRS("cvt.rn.satfinite.e5m2x2.f16x2")),
    SAME(ALL_BYTES, 1, "Q", "cvt.rn.f16x2.e4m3x2 %r0, %h0;"),
    SAME(ALL_BYTES, 1, "Q", "cvt.rn.f16x2.e5m2x2 %r0, %h0;"),
    SINGLE(MANY, "h", "cvt.f32.f16 %r0, %h0;"),
    SINGLE(MANY, "b", "cvt.f32.bf16 %r0, %h0;"),
    TO_WORD("rn"),
    TO_WORD("rz"),
    TO_WORD("rm"),
    TO_WORD("rp"),
    FROM_WORD("rn"),
    FROM_WORD("rz"),
    FROM_WORD("rm"),
    FROM_WORD("rp"),
    SAME(ONE, 1, "t", "cvt.rzi.s8.f32" A1),
    SAME(ONE, 1, "t", "cvt.rzi.u8.f32" A1),
    SAME(ONE, 1, "t", "cvt.rzi.s16.f32 %g0, %a0;" HALF_OUT),
    SAME(ONE, 1, "t", "cvt.rzi.u16.f32 %g0, %a0;" HALF_OUT),
    SAME(ONE, 1, "t", "cvt.rpi.ftz.s32.f32" A1),
    SAME(ONE, 1, "d", "cvt.rzi.s32.f64 %r0, %l0;"),
    SAME(ONE, 2, "d", "cvt.rzi.s64.f64" L1 WIDE_OUT),
    SAME(ONE, 2, "d", "cvt.rzi.u64.f64" L1 WIDE_OUT),
    SAME(ONE, 1, "h", "cvt.rni.s32.f16 %r0, %h0;"),
    SAME(ONE, 1, "h", "cvt.rzi.u16.f16 %g0, %h0;" HALF_OUT),
    SAME(ONE, 1, "u", TO_HALF("cvt.rn.f16.s32")),
    SAME(ONE, 1, "u", TO_HALF("cvt.rn.f16.u32")),
    SAME(ONE, 1, "u", "cvt.rn.f16.s16 %g0, %h0;" HALF_OUT),
    HALF(ONE, "d", "cvt.rn.f16.f64 %g0, %l0;"),
    DOUBLE(ONE, "f", "cvt.f64.f32 %q0, %a0;"),
    DOUBLE(ONE, "h", "cvt.f64.f16 %q0, %h0;"),
    DOUBLE(ONE, "w", "cvt.rn.f64.s64" L1),
    DOUBLE(ONE, "w", "cvt.rn.f64.u64" L1),
    SINGLE(ONE, "t", "cvt.sat.f32.f32" A1),
    SINGLE(ONE, "t", "cvt.ftz.f32.f32" A1),
    SINGLE(ONE, "t", "cvt.rni.ftz.f32.f32" A1),
    SINGLE(ONE, "d", "cvt.rn.ftz.f32.f64 %r0, %l0;"),
    SAME(ONE, 1, "u", "cvt.s32.s8" A1),
    SAME(ONE, 1, "u", "cvt.u32.u8" A1),
    SAME(ONE, 1, "u", "cvt.sat.s8.s32" A1),
    SAME(ONE, 1, "u", "cvt.sat.u8.s32" A1),
    SAME(ONE, 1, "u", "cvt.sat.u8.u32" A1),
    SAME(ONE, 1, "u", "cvt.sat.s16.s32 %g0, %a0;" HALF_OUT),
    SAME(ONE, 1, "u", "cvt.sat.u32.s32" A1),
    SAME(ONE, 1, "u", "cvt.sat.s32.u32" A1),
    SAME(ONE, 1, "w", "cvt.sat.s32.s64 %r0, %l0;"),
    SAME(ONE, 1, "w", "cvt.sat.u32.u64 %r0, %l0;"),

    /* Warps. */
    SHUFFLE("up"),
    SHUFFLE("down"),
    SHUFFLE("bfly"),
    SHUFFLE("idx"),
    VOTE("all"),
    VOTE("any"),
    VOTE("uni"),
    SAME(WARPS, 1, "p", "setp.ne.u32 %p0, %a0, 0; vote.sync.ballot.b32 %r0, %p0, 0xffffffff;"),
    SAME(WARPS, 1, "p", SOME_LANES "setp.ne.u32 %p0, %a0, 0; @%p1 vote.sync.ballot.b32 %r0, %p0, 0xfffff;"),
    SAME(WARPS, 1, "v", "match.any.sync.b32 %r0, %a0, 0xffffffff;"),
    SAME(WARPS, 1, "v", SOME_LANES "@%p1 match.any.sync.b32 %r0, %a0, 0xfffff;"),
    REDUX("add.u32"),
    REDUX("add.s32"),
    REDUX("min.u32"),
    REDUX("min.s32"),
    REDUX("max.u32"),
    REDUX("max.s32"),
    REDUX("and.b32"),
    REDUX("or.b32"),
    REDUX("xor.b32"),
    SAME(WARPS, 1, "u", SOME_LANES "@%p1 redux.sync.min.s32 %r0, %a0, 0xfffff;"),
    SAME(32, 2, "u", "elect.sync %r0|%p0, 0xffffffff; selp.b32 %r1, 1, 0, %p0;"),
    SAME(32, 2, "u",
         "mov.b32 %r0, 0; mov.b32 %r1, 0; setp.ge.u32 %p1, %lane, 12; @%p1 elect.sync %r0|%p0, 0xfffff000; "
         "@%p1 selp.b32 %r1, 1, 0, %p0;"),
    SAME(WARPS, 1, "p", "setp.ne.u32 %p0, %a0, 0; bar.red.popc.u32 %r0, 0, %p0;"),
    SAME(64, 4, "u", "mov.u32 %r0, %tid.x; mov.u32 %r1, %ntid.x; mov.u32 %r2, %ctaid.x; mov.u32 %r3, %nctaid.x;"),
    SAME(64, 4, "u",
         "mov.u32 %r0, %laneid; mov.u32 %r1, %lanemask_lt; mov.u32 %r2, %lanemask_ge; mov.u32 %r3, WARP_SZ;"),
    SAME(64, 3, "u", "mov.u32 %r0, %lanemask_eq; mov.u32 %r1, %lanemask_le; mov.u32 %r2, %lanemask_gt;"),
    SAME(64, 4, "u", "mov.u32 %r0, %tid.y; mov.u32 %r1, %ntid.z; mov.u32 %r2, %ctaid.y; mov.u32 %r3, %nctaid.z;"),

    /* Matrices. */
    LDMATRIX("x4", "{%r0, %r1, %r2, %r3}"),
    LDMATRIX("x4.trans", "{%r0, %r1, %r2, %r3}"),
    LDMATRIX("x2", "{%r0, %r1}"),
    LDMATRIX("x2.trans", "{%r0, %r1}"),
    LDMATRIX("x1", "{%r0}"),
    LDMATRIX("x1.trans", "{%r0}"),
    STMATRIX("x4", "{%a0, %a1, %a2, %a3}"),
    STMATRIX("x4.trans", "{%a0, %a1, %a2, %a3}"),
    STMATRIX("x2", "{%a0, %a1}"),
    STMATRIX("x1", "{%a0}"),
    SAME(WARPS, 1, "u", "movmatrix.sync.aligned.m8n8.trans.b16" A1),
    EXACT_PRODUCT("iiiiiiIIII", 4, F16_16),
    EXACT_PRODUCT("jjjjjjIIII", 4, BF16_16),
    EXACT_PRODUCT("iiiiiiii", 2, MMA_HALF),
    EXACT_PRODUCT("iiiIIII", 4, F16_8),
    EXACT_PRODUCT("jjjIIII", 4, BF16_8),
    EXACT_PRODUCT("mmmmmmIIII", 4, E4M3_32),
    EXACT_PRODUCT("nnnnnnIIII", 4, E5M2_32),
    EXACT_PRODUCT("XXXXiizzzz", 4, F16_16),
    EXACT_PRODUCT("YYYYjjzzzz", 4, BF16_16),
    ROUNDED_PRODUCT("xxxxxxFFFF", 4, PRODUCT_F16, 18, F16_16),
    ROUNDED_PRODUCT("XXXXxxFFFF", 4, PRODUCT_F16, 18, F16_16),
    ROUNDED_PRODUCT("yyyyyyFFFF", 4, PRODUCT_BF16, 18, BF16_16),
    ROUNDED_PRODUCT("xxxFFFF", 4, PRODUCT_F16, 10, F16_8),
    ROUNDED_PRODUCT("yyyFFFF", 4, PRODUCT_BF16, 10, BF16_8),
    EXACT_PRODUCT("MMMMMMFFFF", 4, E4M3_32),
    EXACT_PRODUCT("NNNNNNFFFF", 4, E5M2_32),
    /* Infinity and NaN among the elements, without a product that is finite but too large. */
    {F16_16, "hhhhhhFFFF", WARPS, 4, PRODUCT_F16, 18 * 0x1p-23, VECTOR_PTX},

    /* Asynchronous copies of less than their size. */
    COPY_ASYNC("ca.shared.global", 4, 5, ", %t0"),
    COPY_ASYNC("ca.shared.global", 8, 9, ", %t0"),
    COPY_ASYNC("ca.shared.global", 16, 17, ", %t0"),
    COPY_ASYNC("cg.shared.global", 16, 17, ", %t0"),
    COPY_ASYNC("cg.shared.global.L2::128B", 16, 17, ", %p0"),
    COPY_ASYNC("ca.shared.global", 4, 5, ""),

    /* Atomics: the old value and the new one. */
    ATOM("add.u32", "%a1"),
    ATOM("min.u32", "%a1"),
    ATOM("max.u32", "%a1"),
    ATOM("min.s32", "%a1"),
    ATOM("max.s32", "%a1"),
    ATOM("inc.u32", "%a1"),
    ATOM("dec.u32", "%a1"),
    ATOM("exch.b32", "%a1"),
    ATOM("and.b32", "%a1"),
    ATOM("or.b32", "%a1"),
    ATOM("xor.b32", "%a1"),
    ATOM("cas.b32", "%a1, %a2"),
    ATOM_WIDE("add.u64", "%l1"),
    ATOM_WIDE("min.s64", "%l1"),
    ATOM_WIDE("max.u64", "%l1"),
    ATOM_WIDE("cas.b64", "%l1, %l2"),
    SAME(MANY, 2, "uu",
         "st.global.b32 [%out], %a0; atom.acq_rel.gpu.global.add.u32 %r0, [%out], %a1; "
         "ld.global.b32 %r1, [%out];"),
    SAME(MANY, 2, "uu", "st.global.b32 [%out], %a0; atom.global.inc.u32 %r0, [%out], %a1; ld.global.b32 %r1, [%out];"),
    SAME(FLOATS, 1, "uu", "st.global.b32 [%out], %a0; red.global.max.s32 [%out], %a1; ld.global.b32 %r0, [%out];"),
    /* In global memory f32 is added with subnormals flushed, in shared memory without. */
    SINGLE(FLOATS, "ff", "st.global.b32 [%out], %a0; red.global.add.f32 [%out], %a1; ld.global.b32 %r0, [%out];"),
    SINGLE(FLOATS, "ff", "st.shared.b32 [%own], %a0; atom.shared.add.f32 %t0, [%own], %a1; ld.shared.b32 %r0, [%own];"),
    DOUBLE(DOUBLES, "dd",
           "st.shared.b64 [%own], %l0; atom.shared.add.f64 %q1, [%own], %l1; ld.shared.b64 %q0, [%own];"),
    SAME(WARPS, 1, "u",
         "mov.b32 %t0, 0; st.shared.b32 [%s], %t0; " CONVERGE "red.shared.add.u32 [%s], %a0; " CONVERGE
         "ld.shared.b32 %r0, [%s];"),
};

const struct vector_list vector_instructions = {cases, sizeof cases / sizeof *cases};
