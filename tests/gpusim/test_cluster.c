/* Clusters: ranks, their barrier, shared memory of other blocks, remote arrivals, and copies to several blocks. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { THREADS = 64, BLOCKS = 8, CLUSTER = 4, SEEDS = 4, INPUT_WORDS = 1024 };

struct cluster_case {
  const char *what;
  const char *body; /* as those of ptx_case.h; %rank is the block's rank, %block its number */
  CUresult error;
  const char *report;
  uint32_t (*word)(uint32_t block, uint32_t thread);
};

static const char head[] =
    ".version 8.5\n.target sm_90a\n.address_size 64\n.entry k(.param .u64 out, .param .u64 input)\n.maxntid 64, 1, "
    "1\n{\n"
    ".reg .pred %p<8>, %first; .reg .b32 %r<32>, %t, %rank, %block, %m, %warp; .reg .b16 %h<2>; .reg .b64 %d<8>, "
    "%data;\n"
    ".shared .align 128 .b8 memory[2048];\n"
    "mov.u32 %t, %tid.x; mov.u32 %rank, %cluster_ctarank; mov.u32 %block, %ctaid.x; mov.u32 %m, memory;\n"
    "shr.u32 %warp, %t, 5; setp.eq.u32 %first, %t, 0; ld.param.u64 %data, [input];\n";
static const char tail[] = "\nld.param.u64 %d6, [out]; mad.lo.u32 %r31, %block, 64, %t; mul.wide.u32 %d7, %r31, 4;\n"
                           "add.u64 %d6, %d6, %d7; st.global.u32 [%d6], %r0; ret;\n}\n";

#define SYNC "barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;\n"
#define NEXT "add.u32 %r9, %rank, 1; and.b32 %r9, %r9, 3;\n"
#define STORE "shl.b32 %r1, %t, 2; add.u32 %r1, %r1, %m; mad.lo.u32 %r2, %block, 1000, %t; st.shared.u32 [%r1], %r2;\n"
#define MAP "mapa.shared::cluster.u32 %r3, %r1, %r9;\n"
#define READ_NEXT NEXT "shl.b32 %r1, %t, 2; add.u32 %r1, %r1, %m;\n" MAP "ld.shared::cluster.u32 %r0, [%r3];\n"
#define WRITE_NEXT                                                                                                     \
  NEXT "shl.b32 %r1, %t, 2; add.u32 %r1, %r1, %m;\n" MAP                                                               \
       "mad.lo.u32 %r2, %block, 1000, %t; st.shared::cluster.u32 [%r3], %r2;\n"
#define READ_OWN "shl.b32 %r1, %t, 2; add.u32 %r1, %r1, %m; ld.shared.u32 %r0, [%r1];\n"
#define INIT(count)                                                                                                    \
  "@%first mbarrier.init.shared::cta.b64 [%m+1024], " #count ";\n@%first fence.mbarrier_init.release.cluster;\n" SYNC
#define ARRIVE_NEXT                                                                                                    \
  "add.u32 %r4, %m, 1024; mapa.shared::cluster.u32 %r4, %r4, %r9; "                                                    \
  "mbarrier.arrive.release.cluster.shared::cluster.b64 _, "                                                            \
  "[%r4];\n"
#define WAIT "W: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p0, [%m+1024], 0; @!%p0 bra W;\n"
#define EXPECT(bytes) "@%first mbarrier.arrive.expect_tx.shared::cta.b64 _, [%m+1024], " #bytes ";\n"
#define MULTICAST(mask)                                                                                                \
  "setp.eq.and.u32 %p1, %rank, 0, %first; mov.u16 %h0, " #mask ";\n"                                                   \
  "@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%m], [%data], 256, "     \
  "[%m+1024], %h0;\n"

static uint32_t ranks(uint32_t block, uint32_t thread) {
  (void)thread;
  return block % CLUSTER + 10 * (block / CLUSTER) + 100 * CLUSTER;
}

static uint32_t of_next(uint32_t block, uint32_t thread) {
  return (block / CLUSTER * CLUSTER + (block + 1) % CLUSTER) * 1000 + thread;
}

static uint32_t of_last(uint32_t block, uint32_t thread) {
  return (block / CLUSTER * CLUSTER + (block + CLUSTER - 1) % CLUSTER) * 1000 + thread;
}

static uint32_t of_thread(uint32_t block, uint32_t thread) {
  (void)block;
  return thread;
}

static uint32_t of_counts(uint32_t block, uint32_t thread) {
  (void)block;
  (void)thread;
  return CLUSTER * THREADS;
}

static const struct cluster_case cases[] = {
    {"ranks",
     "mov.u32 %r1, %clusterid.x; mad.lo.u32 %r0, %r1, 10, %rank; mov.u32 %r1, %cluster_nctarank; mad.lo.u32 %r0, %r1, "
     "100, %r0;\n",
     CUDA_SUCCESS, NULL, ranks},
    {"reads of another block's memory", STORE SYNC READ_NEXT SYNC, CUDA_SUCCESS, NULL, of_next},
    {"writes to another block's memory", SYNC WRITE_NEXT SYNC READ_OWN, CUDA_SUCCESS, NULL, of_last},
    {"generic addresses of another block",
     STORE SYNC NEXT
     "cvt.u64.u32 %d0, %r1; cvta.shared.u64 %d0, %d0; mapa.u64 %d1, %d0, %r9; ld.u32 %r0, [%d1];\n" SYNC,
     CUDA_SUCCESS, NULL, of_next},
    {"arrivals at another block's mbarrier", INIT(64) WRITE_NEXT ARRIVE_NEXT WAIT READ_OWN SYNC, CUDA_SUCCESS, NULL,
     of_last},
    {"a counter in the first block",
     "@%first st.shared.u32 [%m], 0;\n" SYNC
     "mov.u32 %r9, 0; mapa.shared::cluster.u32 %r3, %m, %r9; atom.shared::cluster.add.u32 %r4, [%r3], 1;\n" SYNC
     "ld.shared::cluster.u32 %r0, [%r3];\n" SYNC,
     CUDA_SUCCESS, NULL, of_counts},
    {"a copy to all blocks", INIT(1) EXPECT(256) MULTICAST(15) WAIT READ_OWN SYNC, CUDA_SUCCESS, NULL, of_thread},
    {"a reading block without the barrier", STORE READ_NEXT SYNC, CUDA_ERROR_ASSERT, "", NULL},
    {"a barrier that does not release",
     STORE "barrier.cluster.arrive.relaxed.aligned; barrier.cluster.wait.aligned;\n" READ_NEXT SYNC, CUDA_ERROR_ASSERT,
     "data race: read of shared memory", NULL},
    {"a block that ends while another reads its memory",
     STORE SYNC "setp.eq.u32 %p2, %rank, 1; mov.u32 %r0, 0; @%p2 bra E; bar.sync 0; bar.sync 0;\n" READ_NEXT "E:\n",
     CUDA_ERROR_ASSERT, "the block whose shared memory this is has ended", NULL},
    {"writes that are not waited for", SYNC WRITE_NEXT READ_OWN SYNC, CUDA_ERROR_ASSERT, "", NULL},
    {"relaxed arrivals",
     INIT(64) WRITE_NEXT "add.u32 %r4, %m, 1024; mapa.shared::cluster.u32 %r4, %r4, %r9; "
                         "mbarrier.arrive.relaxed.cluster.shared::cluster.b64 "
                         "_, [%r4];\n" WAIT READ_OWN SYNC,
     CUDA_ERROR_ASSERT, "other blocks of the cluster", NULL},
    {"an arrival that one block leaves out",
     INIT(64) NEXT "setp.eq.u32 %p2, %rank, 2; @%p2 bra N;\n" ARRIVE_NEXT "N: " WAIT "mov.u32 %r0, 0;\n" SYNC,
     CUDA_ERROR_ASSERT, "deadlock", NULL},
    {"a wait at another block's mbarrier",
     INIT(64) NEXT
     "add.u32 %r4, %m, 1024; mapa.shared::cluster.u32 %r4, %r4, %r9; cvt.u64.u32 %d0, %r4; cvta.shared.u64 "
     "%d0, %d0; mbarrier.test_wait.parity.b64 %p0, [%d0], 0; mov.u32 %r0, 0;\n" SYNC,
     CUDA_ERROR_ASSERT, "only arrivals may be remote", NULL},
    {"a block that is not in the cluster", "mov.u32 %r9, 4;\n" STORE MAP "mov.u32 %r0, 0;\n", CUDA_ERROR_LAUNCH_FAILED,
     "there is no block 4", NULL},
    {"a copy to a block that is not in the cluster", INIT(1) EXPECT(256) MULTICAST(31) WAIT READ_OWN SYNC,
     CUDA_ERROR_LAUNCH_FAILED, "of a cluster of 4", NULL},
    {"a copy of which one block expects too little",
     INIT(1) "setp.eq.u32 %p3, %rank, 3; selp.u32 %r5, 128, 256, %p3;\n"
             "@%first mbarrier.arrive.expect_tx.shared::cta.b64 _, [%m+1024], %r5;\n" MULTICAST(15) WAIT READ_OWN SYNC,
     CUDA_ERROR_ASSERT, "-128 bytes expected", NULL},
    {"an arrival at the cluster's barrier too many", "barrier.cluster.arrive;\n" SYNC "mov.u32 %r0, 0;\n",
     CUDA_ERROR_ASSERT, "without barrier.cluster.wait", NULL},
    {"a wait without an arrival", "barrier.cluster.wait; mov.u32 %r0, 0;\n", CUDA_ERROR_ASSERT,
     "without barrier.cluster.arrive", NULL},
};

static CUresult launch(CUlibrary library, unsigned cluster, CUdeviceptr out, CUdeviceptr input) {
  __typeof__(cuLaunchKernelEx) *run = (__typeof__(cuLaunchKernelEx) *)sim_function("cuLaunchKernelEx");
  __typeof__(cuCtxSynchronize) *synchronize = (__typeof__(cuCtxSynchronize) *)sim_function("cuCtxSynchronize");
  CUlaunchAttribute attribute = {.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION};
  attribute.value.clusterDim.x = cluster;
  attribute.value.clusterDim.y = attribute.value.clusterDim.z = 1;
  const CUlaunchConfig config = {.gridDimX = BLOCKS,
                                 .gridDimY = 1,
                                 .gridDimZ = 1,
                                 .blockDimX = THREADS,
                                 .blockDimY = 1,
                                 .blockDimZ = 1,
                                 .attrs = &attribute,
                                 .numAttrs = 1};
  void *parameters[] = {&out, &input};
  CUresult result = run(&config, (CUfunction)(void *)sim_kernel(library, "k"), parameters, NULL);
  return result == CUDA_SUCCESS ? synchronize() : result;
}

static CUdeviceptr upload_words(void) {
  static uint32_t words[INPUT_WORDS];
  for (uint32_t i = 0; i < INPUT_WORDS; i++)
    words[i] = i;
  return sim_upload(words, sizeof words);
}

static void run_case(const struct cluster_case *c, CUlibrary library) {
  static uint32_t words[BLOCKS * THREADS];
  char report[2048] = "";
  sim_forget_fault();
  CUdeviceptr out = sim_buffer(sizeof words);
  CUresult result = launch(library, CLUSTER, out, upload_words());
  sim_report_text(report, sizeof report);
  cr_expect_eq(result, c->error, "%s: error %d, expected %d: %s", c->what, result, c->error, report);
  if (c->report) {
    cr_expect(strstr(report, c->report), "%s: the report is: %s", c->what, report);
    return;
  }
  sim_download(words, out, sizeof words);
  for (uint32_t i = 0; result == CUDA_SUCCESS && i < BLOCKS * THREADS; i++)
    cr_expect_eq(words[i], c->word(i / THREADS, i % THREADS), "%s: block %u, thread %u has %u, expected %u", c->what,
                 i / THREADS, i % THREADS, words[i], c->word(i / THREADS, i % THREADS));
}

static CUlibrary load(const char *body) {
  static char text[16384];
  CUlibrary library;
  snprintf(text, sizeof text, "%s%s%s", head, body, tail);
  cr_assert_eq(sim_load(text, &library), CUDA_SUCCESS, "%s", text);
  return library;
}

Test(gpusim_cluster, cases) {
  sim_become("compute_90a");
  sim_set("FLASHJIT_SIM_QUIET", "1");
  for (size_t i = 0; i < COUNT(cases); i++) {
    CUlibrary library = load(cases[i].body);
    for (int seed = 0; seed < SEEDS; seed++) {
      char number[16];
      snprintf(number, sizeof number, "%d", seed);
      sim_set("FLASHJIT_SIM_SEED", number);
      run_case(&cases[i], library);
    }
  }
}

Test(gpusim_cluster, sizes) {
  sim_become("compute_90a");
  CUlibrary library = load("mov.u32 %r0, 0;\n");
  CUdeviceptr out = sim_buffer(BLOCKS * THREADS * sizeof(uint32_t));
  cr_expect_eq(launch(library, 1, out, out), CUDA_SUCCESS);
  cr_expect_eq(launch(library, 8, out, out), CUDA_SUCCESS);
  cr_expect_eq(launch(library, 3, out, out), CUDA_ERROR_INVALID_VALUE, "a grid of 8 blocks is no clusters of 3");
  cr_expect_eq(launch(library, 16, out, out), CUDA_ERROR_INVALID_VALUE, "a grid of 8 blocks is no clusters of 16");
}
