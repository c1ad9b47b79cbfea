/*
 * Products of 8-bit elements: mma.sync as PTX for compute_89 has it, and wgmma with A in registers and in shared
 * memory. Operands of wgmma lie as those of mma.sync do: words 0 to 3 of a lane are its warp's 16 rows of A, word 4 of
 * warps 0 and 1 the two words of B, which all warps share, and words 5 to 8 the accumulator.
 *
 * The matrix units align the terms of such a sum to the largest and cut them, so that a term is off by about 2^-13 of
 * the largest (Ada, Hopper). An H200 has no unit for mma.sync of 8 bits: its compiler makes two products of f16 of it.
 * In brackets: how far apart the results in data/ and those of the simulator are, in units of the bound. Those with A
 * in registers and in shared memory are the same bits.
 */
#include "vectors.h"

enum { WARPS = 256, GROUPS = 512 };

#define SOURCES "{%a0, %a1, %a2, %a3}"
#define RESULTS "{%r0, %r1, %r2, %r3}"
#define MMA(type)                                                                                                      \
  "mma.sync.aligned.m16n8k32.row.col.f32." type "." type ".f32 " RESULTS ", " SOURCES ", {%a4, %a5}, "                 \
  "{%a6, %a7, %a8, %a9};"

/* B is two cores of 8 columns and 16 bytes, 128 bytes apart, at 2048; A has 8 for each 8 rows, 256 bytes apart. */
#define STORE_B                                                                                                        \
  "shl.b32 %t0, %lane, 2; add.u32 %t0, %t0, %s; setp.lt.u32 %p0, %lane, 64; @%p0 st.shared.b32 [%t0+2048], %a4; "
#define STORE_A                                                                                                        \
  "shr.u32 %t1, %lane, 5; mul.lo.u32 %t1, %t1, 384; add.u32 %t0, %t0, %t1; st.shared.b32 [%t0], %a0; "                 \
  "st.shared.b32 [%t0+256], %a1; st.shared.b32 [%t0+128], %a2; st.shared.b32 [%t0+384], %a3; "
#define DESCRIBE(wide, at)                                                                                             \
  "add.u32 %t2, %s, " #at "; shr.u32 %t2, %t2, 4; cvt.u64.u32 " wide ", %t2; "                                         \
  "or.b64 " wide ", " wide ", 0x1000080000; "
#define BEGIN                                                                                                          \
  "fence.proxy.async.shared::cta; bar.sync 0; mov.b32 %r0, %a5; mov.b32 %r1, %a6; mov.b32 %r2, %a7; "                  \
  "mov.b32 %r3, %a8; setp.eq.u32 %p1, %s, %s; wgmma.fence.sync.aligned; "
#define END " wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;"
#define PRODUCT(type, a)                                                                                               \
  "wgmma.mma_async.sync.aligned.m64n8k32.f32." type "." type " " RESULTS ", " a ", %q1, %p1, 1, 1;"

#define FROM_REGISTERS(type) STORE_B DESCRIBE("%q1", 2048) BEGIN PRODUCT(type, SOURCES) END
#define FROM_SHARED(type) STORE_B STORE_A DESCRIBE("%q0", 0) DESCRIBE("%q1", 2048) BEGIN PRODUCT(type, "%q0") END

#define EXACT(language, threads, operands, code)                                                                       \
  { code, operands, threads, 4, SAME_SINGLE, 0, language }
/* 32 products and the accumulator, each cut or rounded: 2^-23 of the sum of magnitudes of floats, 2^-13 of e4m3. */
#define ROUNDED(language, threads, operands, bound, digits, code)                                                      \
  { code, operands, threads, 4, bound, 34 * digits, language }
#define BOTH(operands, bound, type)                                                                                    \
  ROUNDED(VECTOR_WARPGROUP, GROUPS, operands, bound, 0x1p-13, FROM_REGISTERS(type)),                                   \
      ROUNDED(VECTOR_WARPGROUP, GROUPS, operands, bound, 0x1p-13, FROM_SHARED(type))

static const struct vector_case cases[] = {
    /* 0, 0, 0.07, 0.11 */
    EXACT(VECTOR_PTX_89, WARPS, "mmmmmmIIII", MMA("e4m3")),
    EXACT(VECTOR_PTX_89, WARPS, "nnnnnnIIII", MMA("e5m2")),
    ROUNDED(VECTOR_PTX_89, WARPS, "MMMMMMFFFF", PRODUCT_E4M3, 0x1p-23, MMA("e4m3")),
    ROUNDED(VECTOR_PTX_89, WARPS, "NNNNNNFFFF", PRODUCT_E5M2, 0x1p-23, MMA("e5m2")),
    /* 0 */
    EXACT(VECTOR_WARPGROUP, GROUPS, "mmmmmIIII", FROM_REGISTERS("e4m3")),
    EXACT(VECTOR_WARPGROUP, GROUPS, "mmmmmIIII", FROM_SHARED("e4m3")),
    EXACT(VECTOR_WARPGROUP, GROUPS, "nnnnnIIII", FROM_REGISTERS("e5m2")),
    EXACT(VECTOR_WARPGROUP, GROUPS, "nnnnnIIII", FROM_SHARED("e5m2")),
    /* 0.11, 0.11, 0.07, 0.02 */
    BOTH("MMMMMFFFF", PRODUCT_E4M3, "e4m3"),
    BOTH("MMMMMzzzz", PRODUCT_E4M3, "e4m3"),
    BOTH("NNNNNFFFF", PRODUCT_E5M2, "e5m2"),
    BOTH("mmmmmFFFF", PRODUCT_E4M3, "e4m3"),
};

const struct vector_list vector_products = {cases, sizeof cases / sizeof *cases};
