/* mbarrier: phases, arrivals, bytes, parities and tokens; what goes wrong with them; and registers that warps pass on.
 */
#include "ptx_case.h"

#include <criterion/criterion.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* One object at the start of shared memory, for `count` arrivals; all know it. */
#define INIT(count)                                                                                                    \
  "@%first mbarrier.init.shared::cta.b64 [%m], " #count ";\n"                                                          \
  "@%first fence.mbarrier_init.release.cluster;\nbar.sync 0;\n"
#define WAIT(parity) "{ W: mbarrier.try_wait.parity.shared::cta.b64 %p0, [%m], " parity "; @%p0 bra D; bra W; D: }\n"
#define SPIN(parity) "{ W: mbarrier.test_wait.parity.shared::cta.b64 %p0, [%m], " parity "; @%p0 bra D; bra W; D: }\n"
#define ARRIVE "mbarrier.arrive.shared::cta.b64 _, [%m];\n"

static uint32_t zero(uint32_t thread) {
  (void)thread;
  return 0;
}

static uint32_t one(uint32_t thread) {
  (void)thread;
  return 1;
}

static uint32_t seven(uint32_t thread) {
  (void)thread;
  return 7;
}

static uint32_t neighbour(uint32_t thread) {
  return (thread + 32) % 128 + 1000;
}

static uint32_t ring_sum(uint32_t thread) {
  uint32_t sum = 0;
  for (uint32_t step = 0; step < 9; step++)
    sum += step * 100 + thread % 32;
  return thread < 32 ? 0 : sum;
}

static uint32_t pending_of_lane(uint32_t thread) {
  return 32 - thread % 32;
}

/* Each thread stores a word, and reads that of the next warp after the phase. */
#define EXCHANGE_STORE                                                                                                 \
  "shl.b32 %r1, %t, 2; add.u32 %r1, %r1, %m; add.u32 %r2, %t, 1000; st.shared.u32 [%r1+1024], %r2;\n"
#define EXCHANGE_LOAD                                                                                                  \
  "add.u32 %r3, %t, 32; rem.u32 %r3, %r3, 128; shl.b32 %r3, %r3, 2; add.u32 %r3, %r3, %m; ld.shared.u32 %r0, "         \
  "[%r3+1024];\n"

/* Warp 0 writes two slots in turn, warp 1 reads them: `full` at 0 and 8, `empty` at 16 and 24. */
#define RING_INIT                                                                                                      \
  "@%first mbarrier.init.shared.b64 [%m], 32; @%first mbarrier.init.shared.b64 [%m+8], 32;\n"                          \
  "@%first mbarrier.init.shared.b64 [%m+16], 32; @%first mbarrier.init.shared.b64 [%m+24], 32;\nbar.sync 0;\n"
#define RING(producer_parity, consumer_parity, empty_arrive)                                                           \
  RING_INIT                                                                                                            \
  "mov.u32 %r0, 0; mov.u32 %r10, 0; setp.ne.u32 %p1, %warp, 0;\n"                                                      \
  "L: setp.eq.u32 %p2, %r10, 9; @%p2 bra E;\n"                                                                         \
  "and.b32 %r11, %r10, 1; shl.b32 %r12, %r11, 3; add.u32 %r12, %r12, %m; shr.u32 %r13, %r10, 1; and.b32 %r13, %r13, "  \
  "1;\n"                                                                                                               \
  "shl.b32 %r14, %r11, 7; shl.b32 %r15, %lane, 2; add.u32 %r14, %r14, %r15; add.u32 %r14, %r14, %m;\n"                 \
  "@%p1 bra C;\n"                                                                                                      \
  "xor.b32 %r16, %r13, " producer_parity ";\n"                                                                         \
  "P: mbarrier.try_wait.parity.shared.b64 %p3, [%r12+16], %r16; @!%p3 bra P;\n"                                        \
  "mad.lo.u32 %r17, %r10, 100, %lane; st.shared.u32 [%r14+1024], %r17;\n"                                              \
  "mbarrier.arrive.shared.b64 _, [%r12]; bra N;\n"                                                                     \
  "C: xor.b32 %r16, %r13, " consumer_parity ";\n"                                                                      \
  "Q: mbarrier.try_wait.parity.shared.b64 %p3, [%r12], %r16; @!%p3 bra Q;\n"                                           \
  "ld.shared.u32 %r17, [%r14+1024]; add.u32 %r0, %r0, %r17;\n" empty_arrive "N: add.u32 %r10, %r10, 1; bra L;\n"       \
  "E: bar.sync 0;\n"
#define RING_RELEASE "mbarrier.arrive.shared.b64 _, [%r12+16];\n"

static const struct ptx_case right[] = {
    {"the phase before the first has parity 1", 32, INIT(1) WAIT("1") "mov.u32 %r0, 7;\n", CUDA_SUCCESS, NULL,
     .word = seven},
    {"one arrival of each thread orders", 128, INIT(128) EXCHANGE_STORE ARRIVE WAIT("0") EXCHANGE_LOAD, CUDA_SUCCESS,
     NULL, .word = neighbour},
    {"waiting without blocking", 128, INIT(128) EXCHANGE_STORE ARRIVE SPIN("0") EXCHANGE_LOAD, CUDA_SUCCESS, NULL,
     .word = neighbour},
    {"arrivals of a leader for its warp", 128,
     INIT(4) EXCHANGE_STORE "bar.warp.sync -1; @%leader " ARRIVE WAIT("0") EXCHANGE_LOAD, CUDA_SUCCESS, NULL,
     .word = neighbour},
    {"a count at the arrival", 128,
     INIT(64) EXCHANGE_STORE
     "bar.warp.sync -1; mov.u32 %r9, 16; @%leader mbarrier.arrive.release.cta.shared::cta.b64 _, [%m], %r9;\n" WAIT("0")
         EXCHANGE_LOAD,
     CUDA_SUCCESS, NULL, .word = neighbour},
    {"a token waits for its own phase", 128,
     INIT(128) EXCHANGE_STORE "mbarrier.arrive.shared.b64 %d0, [%m];\n"
                              "W: mbarrier.try_wait.shared.b64 %p0, [%m], %d0, 1000; @!%p0 bra W;\n" EXCHANGE_LOAD,
     CUDA_SUCCESS, NULL, .word = neighbour},
    {"the pending count in a token", 32,
     INIT(32) "mbarrier.arrive.shared.b64 %d0, [%m]; mbarrier.pending_count.b64 %r0, %d0;\n", CUDA_SUCCESS, NULL,
     .word = pending_of_lane},
    {"a phase that has not ended", 32,
     INIT(33) ARRIVE "mbarrier.test_wait.parity.shared.b64 %p0, [%m], 0; selp.u32 %r0, 1, 0, %p0;\n", CUDA_SUCCESS,
     NULL, .word = zero},
    {"try_wait comes back when nothing else can end the phase", 32,
     INIT(33) "mbarrier.arrive.shared.b64 %d0, [%m];\n"
              "mbarrier.try_wait.parity.shared.b64 %p0, [%m], 0; @%p0 bra X;\n"
              "@%first mbarrier.arrive.shared.b64 %d0, [%m];\n" WAIT("0") "mov.u32 %r0, 1; X:\n",
     CUDA_SUCCESS, NULL, .word = one},
    {"bytes that come before they are expected", 32,
     INIT(1) "@!%first bra X; mbarrier.complete_tx.shared.b64 [%m], 64;\n"
             "mbarrier.arrive.expect_tx.shared.b64 _, [%m], 64;\nX:\n" WAIT("0") "mov.u32 %r0, 1;\n",
     CUDA_SUCCESS, NULL, .word = one},
    {"expect_tx apart from the arrival", 32,
     INIT(1) "@!%first bra X; mbarrier.expect_tx.relaxed.cta.shared.b64 [%m], 64; " ARRIVE
             "mbarrier.test_wait.parity.shared.b64 %p1, [%m], 0; @%p1 bra X;\n"
             "mbarrier.complete_tx.shared.b64 [%m], 64;\nX:\n" WAIT("0") "mov.u32 %r0, 1;\n",
     CUDA_SUCCESS, NULL, .word = one},
    {"threads that drop out", 32,
     INIT(32) "setp.lt.u32 %p1, %t, 16; @%p1 mbarrier.arrive_drop.shared.b64 %d0, [%m]; @!%p1 " ARRIVE WAIT(
         "0") "bar.sync 0; @!%p1 " ARRIVE WAIT("1") "mov.u32 %r0, 1;\n",
     CUDA_SUCCESS, NULL, .word = one},
    {"a new object after inval", 32,
     INIT(1) "@%first " ARRIVE WAIT("0") "bar.sync 0; @%first mbarrier.inval.shared.b64 [%m]; bar.sync 0;\n" INIT(32)
         ARRIVE WAIT("0") "mov.u32 %r0, 1;\n",
     CUDA_SUCCESS, NULL, .word = one},
    {"generic addresses", 32,
     "cvt.u64.u32 %d1, %m; cvta.shared.u64 %d1, %d1; @%first mbarrier.init.b64 [%d1], 32; bar.sync 0;\n"
     "mbarrier.arrive.b64 %d0, [%d1];\nW: mbarrier.test_wait.b64 %p0, [%d1], %d0; @!%p0 bra W; mov.u32 %r0, 1;\n",
     CUDA_SUCCESS, NULL, .word = one},
    {"a ring of two slots", 64, RING("1", "0", RING_RELEASE), CUDA_SUCCESS, NULL, .word = ring_sum},
    {"registers that one warpgroup gives to another", 256,
     "setp.ge.u32 %p1, %t, 128; @%p1 bra X; setmaxnreg.dec.sync.aligned.u32 40; bra Y;\n"
     "X: setmaxnreg.inc.sync.aligned.u32 256;\nY: mov.u32 %r0, 1;\n",
     CUDA_SUCCESS, NULL, .word = one},
};

static const struct ptx_case wrong[] = {
    {"no init", 32, ARRIVE, CUDA_ERROR_ASSERT, "there is no mbarrier at shared memory 0", .word = NULL},
    {"no barrier after init", 64, "@%first mbarrier.init.shared.b64 [%m], 64; bar.warp.sync -1;\n" ARRIVE,
     CUDA_ERROR_ASSERT, "mbarrier", .word = NULL},
    {"init of an object in use", 32, INIT(1) "@%first mbarrier.init.shared.b64 [%m], 1;\n", CUDA_ERROR_ASSERT,
     "no mbarrier.inval", .word = NULL},
    {"a misaligned object", 32, "@%first mbarrier.init.shared.b64 [%m+4], 1;\n", CUDA_ERROR_ILLEGAL_ADDRESS,
     "misaligned", .word = NULL},
    {"an object outside of shared memory", 32, "ld.param.u64 %d0, [out]; @%first mbarrier.init.b64 [%d0], 1;\n",
     CUDA_ERROR_ILLEGAL_ADDRESS, "lies in shared memory", .word = NULL},
    {"no arrivals to wait for", 32, "@%first mbarrier.init.shared.b64 [%m], 0;\n", CUDA_ERROR_LAUNCH_FAILED,
     "0 arrivals", .word = NULL},
    {"more arrivals than it expects", 32,
     INIT(31) "mov.u32 %r1, 32; @%first mbarrier.arrive.shared.b64 _, [%m], %r1;\n", CUDA_ERROR_ASSERT,
     "32 arrivals at the mbarrier at shared memory 0, whose phase 0 waits for 31 of 31", .word = NULL},
    {"an arrival that does not come", 64, INIT(65) ARRIVE WAIT("0"), CUDA_ERROR_ASSERT,
     "phase 0, 1 of 65 arrivals missing, 0 bytes expected", .word = NULL},
    {"a spinning wait for what does not come", 64, INIT(65) ARRIVE SPIN("0"), CUDA_ERROR_ASSERT,
     "deadlock: no warp of the block can run", .word = NULL},
    {"bytes that do not come", 64, INIT(1) "@%first mbarrier.arrive.expect_tx.shared.b64 _, [%m], 96;\n" WAIT("0"),
     CUDA_ERROR_ASSERT, "0 of 1 arrivals missing, 96 bytes expected", .word = NULL},
    {"more bytes than an mbarrier counts", 32, INIT(1) "@%first mbarrier.expect_tx.shared.b64 [%m], 1048576;\n",
     CUDA_ERROR_ASSERT, "would wait for 1048576 bytes", .word = NULL},
    {"no wait", 128, INIT(128) EXCHANGE_STORE ARRIVE EXCHANGE_LOAD, CUDA_ERROR_ASSERT, "undefined value", .word = NULL},
    {"the parity of the phase before", 128, INIT(128) EXCHANGE_STORE ARRIVE WAIT("1") EXCHANGE_LOAD, CUDA_ERROR_ASSERT,
     "undefined value", .word = NULL},
    {"a parity of 2", 32, INIT(1) WAIT("2"), CUDA_ERROR_LAUNCH_FAILED, "0 or 1, not 2", .word = NULL},
    {"an arrival before the store", 128, INIT(128) ARRIVE EXCHANGE_STORE WAIT("0") EXCHANGE_LOAD, CUDA_ERROR_ASSERT,
     "data race", .word = NULL},
    {"a relaxed arrival", 128,
     INIT(128) EXCHANGE_STORE "mbarrier.arrive.relaxed.cta.shared.b64 _, [%m];\n" WAIT("0") EXCHANGE_LOAD,
     CUDA_ERROR_ASSERT, "data race: read of shared memory", .word = NULL},
    {"a relaxed wait", 128,
     INIT(128) EXCHANGE_STORE ARRIVE
     "{ W: mbarrier.try_wait.parity.relaxed.cta.shared::cta.b64 %p0, [%m], 0; @%p0 bra D; bra W; D: }\n" EXCHANGE_LOAD,
     CUDA_ERROR_ASSERT, "data race: read of shared memory", .word = NULL},
    {"a store to the object", 32, INIT(1) "@%first st.shared.u32 [%m+4], %t;\n", CUDA_ERROR_ASSERT,
     "which is a part of an mbarrier", .word = NULL},
    {"a load from the object", 32, INIT(1) "@%first ld.shared.u32 %r0, [%m];\n", CUDA_ERROR_ASSERT,
     "which is a part of an mbarrier", .word = NULL},
    {"noComplete at the last arrival", 32,
     INIT(1) "mov.u32 %r1, 1; @%first mbarrier.arrive.noComplete.shared.b64 %d0, [%m], %r1;\n", CUDA_ERROR_ASSERT,
     ".noComplete ends the phase", .word = NULL},
    {"a ring whose producer does not wait", 64, RING("0", "0", RING_RELEASE), CUDA_ERROR_ASSERT, "", .word = NULL},
    {"a ring whose consumer does not wait", 64, RING("1", "1", RING_RELEASE), CUDA_ERROR_ASSERT, "", .word = NULL},
    {"a ring whose slots are not given back", 64, RING("1", "0", ""), CUDA_ERROR_ASSERT,
     "phase 0, 32 of 32 arrivals missing", .word = NULL},
    {"registers that nobody gives up", 256,
     "setp.ge.u32 %p1, %t, 128; @!%p1 bra Y;\n"
     "setmaxnreg.inc.sync.aligned.u32 256; setmaxnreg.inc.sync.aligned.u32 248;\nY: mov.u32 %r0, 1;\n",
     CUDA_ERROR_ASSERT, "256 registers per thread already", .word = NULL},
    {"more registers than are given up", 384,
     "setp.ge.u32 %p1, %t, 128; @%p1 bra X; setmaxnreg.dec.sync.aligned.u32 32; bra Y;\n"
     "X: setmaxnreg.inc.sync.aligned.u32 240;\nY: bar.sync 0; mov.u32 %r0, 1;\n",
     CUDA_ERROR_ASSERT, "deadlock", .word = NULL},
    {"a number of registers that does not exist", 128, "setmaxnreg.dec.sync.aligned.u32 20;\n",
     CUDA_ERROR_LAUNCH_FAILED, "20 registers", .word = NULL},
};

Test(gpusim_mbarrier, right) {
  ptx_cases_run(right, COUNT(right));
}

Test(gpusim_mbarrier, wrong) {
  ptx_cases_run(wrong, COUNT(wrong));
}
