/* Fault injection: kernels with one thing broken, and what has to notice it. A mutant that nobody notices
 * fails. */
#include "cuda_sources.h"
#include "fixture.h"
#include "scenarios.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mutant {
  const char *fault;
  int number;
  CUresult error;     /* CUDA_SUCCESS: only the results are wrong */
  const char *report; /* part of the report */
};

static const struct mutant gemm_mutants[] = {
    {"no barrier after the wait", 1, CUDA_ERROR_ASSERT, "data race within the warp: read of shared memory"},
    {"no wait_group", 2, CUDA_ERROR_ASSERT, "cp.async still has to write"},
    {"wait_group too large", 3, CUDA_ERROR_ASSERT, "cp.async still has to write"},
    {"no barrier at the end of the loop", 4, CUDA_ERROR_ASSERT, "shared memory"},
    {"row bound off by one", 5, CUDA_ERROR_ILLEGAL_ADDRESS, "out of bounds"},
    {"swizzle missing on one side", 6, CUDA_SUCCESS, NULL},
    {"tail not filled with zeros", 7, CUDA_SUCCESS, NULL},
    {"misaligned copy", 8, CUDA_ERROR_ILLEGAL_ADDRESS, "misaligned"},
    {"no commit_group", 9, CUDA_ERROR_ASSERT, "cp.async still has to write"},
    {"one step too few", 10, CUDA_SUCCESS, NULL},
    {"store bound off by one", 11, CUDA_ERROR_ILLEGAL_ADDRESS, "out of bounds"},
    {"one buffer for two stages", 12, CUDA_ERROR_ASSERT, "shared memory"},
    {"no column guard at the store", 13, CUDA_ERROR_ASSERT, "data race: write of global memory"},
};

static const struct mutant total_mutants[] = {
    {"relaxed atomic without fence", 1, CUDA_ERROR_ASSERT, "data race: read of global memory"},
    {"release without acquire", 2, CUDA_ERROR_ASSERT, "data race: read of global memory"},
    {"acquire without release", 3, CUDA_ERROR_ASSERT, "data race: read of global memory"},
    {"scope too small", 4, CUDA_ERROR_ASSERT, "data race: read of global memory"},
    {"counter without atomic", 5, CUDA_ERROR_ASSERT, "data race"},
    {"bound off by one", 6, CUDA_ERROR_ILLEGAL_ADDRESS, "out of bounds"},
    {"one sum never written", 7, CUDA_ERROR_ASSERT, "undefined value"},
    {"no barrier before the sums are read", 8, CUDA_ERROR_ASSERT, "data race: read of shared memory"},
    {"all blocks write one partial", 9, CUDA_ERROR_ASSERT, "data race: write of global memory"},
    {"partials overlap", 10, CUDA_ERROR_ASSERT, "data race: write of global memory"},
    {"no barrier before the arrival", 11, CUDA_ERROR_ASSERT, "data race: read of global memory"},
    {"no barrier after the flag", 12, CUDA_ERROR_ASSERT, "condition depends on an undefined value"},
    {"one partial too many", 13, CUDA_ERROR_ASSERT, "undefined value"},
};

static const struct mutant softmax_mutants[] = {
    {"exit before a barrier", 1, CUDA_ERROR_ASSERT, "64 threads have exited"},
    {"shuffle in a divergent branch", 2, CUDA_ERROR_ASSERT, "divergent"},
    {"reduction over half a warp", 3, CUDA_SUCCESS, NULL},
    {"one lane does not write", 4, CUDA_ERROR_ASSERT, "undefined value"},
    {"misaligned vector store", 5, CUDA_ERROR_ILLEGAL_ADDRESS, "misaligned"},
    {"store beyond the array", 6, CUDA_ERROR_ILLEGAL_ADDRESS, "shared address"},
    {"no __syncwarp", 7, CUDA_ERROR_ASSERT, "data race within the warp"},
    {"barrier in a divergent branch", 8, CUDA_ERROR_ASSERT, "96 threads have exited"},
    {"barrier that half the block reaches", 9, CUDA_ERROR_ASSERT, "deadlock"},
    {"barrier with two counts", 10, CUDA_ERROR_ASSERT, "barrier 1 is used with"},
    {"read of another warp's row", 11, CUDA_ERROR_ASSERT, "data race"},
    {"trap", 12, CUDA_ERROR_LAUNCH_FAILED, "trap"},
    {"endless loop", 13, CUDA_ERROR_LAUNCH_FAILED, "does not seem to end"},
    {"local array overflow", 14, CUDA_ERROR_ILLEGAL_ADDRESS, "local address"},
};

static void expect_caught(const char *source, scenario run, const struct mutant *m, double tolerance) {
  char option[32];
  char report[2048];
  CUlibrary library;
  snprintf(option, sizeof option, "-DMUTANT=%d", m->number);
  char *ptx = compile_cuda(source, "compute_80", option);
  if (!ptx)
    return;
  cr_assert_eq(sim_load(ptx, &library), CUDA_SUCCESS, "%s", m->fault);
  sim_forget_fault();
  struct outcome result = run(library);
  sim_report_text(report, sizeof report);
  cr_expect_eq(result.launched, m->error, "%s: error %d, expected %d: %s", m->fault, result.launched, m->error, report);
  if (m->report)
    cr_expect(strstr(report, m->report), "%s: the report is: %s", m->fault, report);
  else
    cr_expect_not(result.worst_error <= tolerance, "%s: results are right", m->fault);
  free(ptx);
}

#define EXPECT_ALL(source, run, mutants, tolerance)                                                                    \
  for (size_t i = 0; i < sizeof mutants / sizeof *mutants; i++)                                                        \
  expect_caught(source, run, &mutants[i], tolerance)

/* One thread, so that of several faults the same one is found first. */
static void one_report(void) {
  sim_set("FLASHJIT_SIM_QUIET", "1");
  sim_set("FLASHJIT_SIM_THREADS", "1");
}

Test(gpusim_faults, gemm) {
  one_report();
  EXPECT_ALL(cuda_gemm, run_gemm, gemm_mutants, 1e-4);
}

Test(gpusim_faults, total) {
  one_report();
  EXPECT_ALL(cuda_total, run_total, total_mutants, 1e-3);
}

Test(gpusim_faults, softmax) {
  one_report();
  sim_set("FLASHJIT_SIM_LIMIT", "200000");
  EXPECT_ALL(cuda_softmax, run_softmax, softmax_mutants, 1e-6);
}
