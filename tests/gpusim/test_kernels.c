/* Real kernels from CUDA C++ through NVRTC, in both dialects of its PTX: right results and not one report. */
#include "cuda_sources.h"
#include "fixture.h"
#include "scenarios.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
  const char *name;
  const char *source;
  const char *option;
  scenario run;
  double tolerance;
} kernels[] = {
    {"gemm", cuda_gemm, NULL, run_gemm, 1e-4},
    {"total", cuda_total, NULL, run_total, 1e-3},
    {"total with fences", cuda_total, "-DFENCES=1", run_total, 1e-3},
    {"softmax", cuda_softmax, NULL, run_softmax, 1e-6},
};

static const char *const architectures[] = {"compute_80", "compute_90a", "compute_120a"};

static void expect_clean(size_t index, const char *architecture) {
  char *ptx = compile_cuda(kernels[index].source, architecture, kernels[index].option);
  CUlibrary library;
  char report[2048];
  if (!ptx)
    return;
  sim_become(architecture);
  cr_assert_eq(sim_load(ptx, &library), CUDA_SUCCESS);
  struct outcome result = kernels[index].run(library);
  sim_report_text(report, sizeof report);
  cr_expect_eq(result.launched, CUDA_SUCCESS, "%s for %s: %s", kernels[index].name, architecture, report);
  cr_expect_leq(result.worst_error, kernels[index].tolerance, "%s for %s: error %g", kernels[index].name, architecture,
                result.worst_error);
  cr_expect_eq(sim_report_text(report, sizeof report), 0);
  free(ptx);
}

static void expect_all_clean(void) {
  for (size_t a = 0; a < sizeof architectures / sizeof *architectures; a++)
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
      expect_clean(k, architectures[a]);
}

Test(gpusim_kernels, both_dialects) {
  expect_all_clean();
}

Test(gpusim_kernels, other_warp_orders) {
  static const char *const seeds[] = {"1", "2", "12345"};
  for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
    sim_set("FLASHJIT_SIM_SEED", seeds[i]);
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
      expect_clean(k, "compute_80");
  }
}

Test(gpusim_kernels, without_checks_and_with_many_threads) {
  sim_set("FLASHJIT_SIM_CHECKS", "0");
  sim_set("FLASHJIT_SIM_THREADS", "8");
  for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
    expect_clean(k, "compute_80");
}
