/*
 * Products of 8-bit elements: mma.sync as PTX for compute_89 has it, and wgmma with A in registers and in shared
 * memory. Operands of wgmma lie as those of mma.sync do: words 0 to 3 of a lane are its warp's 16 rows of A, word 4 of
 * warps 0 and 1 the two words of B, which all warps share, and words 5 to 8 the accumulator.
 *
 * Results are the same bits. Those of wgmma have terms cut 13 bits below the largest exponent of 32 products and the
 * accumulator, whether A is in registers or in shared memory. For mma.sync of 8 bits an H200 has no unit: its compiler
 * makes two products of f16, of the lower and of the upper halves of all words, which keep 25 bits, and a float sum of
 * them and C. On Ada and Blackwell, where it is one instruction, nothing has been recorded.
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

#define VECTOR(language, threads, operands, code)                                                                      \
  { code, operands, threads, 4, SAME_SINGLE, 0, language }
#define BY_WARP(operands, type) VECTOR(VECTOR_PTX_89, WARPS, operands, MMA(type))
#define BY_WARPGROUP(operands, type)                                                                                   \
  VECTOR(VECTOR_WARPGROUP, GROUPS, operands, FROM_REGISTERS(type)),                                                    \
      VECTOR(VECTOR_WARPGROUP, GROUPS, operands, FROM_SHARED(type))

static const struct vector_case cases[] = {
    BY_WARP("mmmmmmIIII", "e4m3"),     BY_WARP("nnnnnnIIII", "e5m2"),     BY_WARP("MMMMMMFFFF", "e4m3"),
    BY_WARP("NNNNNNFFFF", "e5m2"),     BY_WARPGROUP("mmmmmIIII", "e4m3"), BY_WARPGROUP("nnnnnIIII", "e5m2"),
    BY_WARPGROUP("MMMMMFFFF", "e4m3"), BY_WARPGROUP("MMMMMzzzz", "e4m3"), BY_WARPGROUP("NNNNNFFFF", "e5m2"),
    BY_WARPGROUP("mmmmmFFFF", "e4m3"),
};

const struct vector_list vector_products = {cases, sizeof cases / sizeof *cases};
