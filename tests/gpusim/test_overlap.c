/* Launches that may begin before the launch in front of them has ended. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { BLOCKS = 2, THREADS = 32 };

/* %p is the address of the thread's word, %q is true of thread 5, %z of block 0. */
static CUfunction kernel_of(const char *body) {
  char text[1024];
  CUlibrary library;
  snprintf(text, sizeof text,
           ".version 8.5\n.target sm_90\n.address_size 64\n.const .align 4 .u32 seven = 7;\n"
           ".visible .entry k(.param .u64 words)\n{\n"
           ".reg .b32 %%t, %%b; .reg .b64 %%p, %%o; .reg .pred %%q, %%z;\n"
           "ld.param.u64 %%p, [words]; mov.u32 %%t, %%tid.x; setp.eq.u32 %%q, %%t, 5;\n"
           "mov.u32 %%b, %%ctaid.x; setp.eq.u32 %%z, %%b, 0; mad.lo.u32 %%b, %%b, 32, %%t; mul.wide.u32 %%o, %%b, 4;\n"
           "add.s64 %%p, %%p, %%o; %s\nret;\n}\n",
           body);
  cr_assert_eq(sim_load(text, &library), CUDA_SUCCESS, "%s", body);
  return (CUfunction)(void *)sim_kernel(library, "k");
}

static void launch_on(CUdeviceptr words, const char *body, unsigned attributes) {
  __typeof__(cuLaunchKernelEx) *function = (__typeof__(cuLaunchKernelEx) *)sim_function("cuLaunchKernelEx");
  void *parameters[] = {&words};
  CUlaunchAttribute overlap = {.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
                               .value.programmaticStreamSerializationAllowed = 1};
  const CUlaunchConfig config = {.gridDimX = BLOCKS,
                                 .gridDimY = 1,
                                 .gridDimZ = 1,
                                 .blockDimX = THREADS,
                                 .blockDimY = 1,
                                 .blockDimZ = 1,
                                 .attrs = &overlap,
                                 .numAttrs = attributes};
  cr_assert_eq(function(&config, kernel_of(body), parameters, NULL), CUDA_SUCCESS);
}

static void launch(const char *body, unsigned attributes) {
  launch_on(sim_buffer(BLOCKS * THREADS * sizeof(uint32_t)), body, attributes);
}

static void expect(CUresult expected, const char *told, const char *body) {
  __typeof__(cuCtxSynchronize) *synchronize = (__typeof__(cuCtxSynchronize) *)sim_function("cuCtxSynchronize");
  char report[2048];
  cr_expect_eq(synchronize(), expected, "%s", body);
  sim_report_text(report, sizeof report);
  cr_expect(strstr(report, told), "%s: %s", body, report);
}

/* Each must wait, in every thread, before it touches memory or ends. */
Test(gpusim_overlap, launches_wait) {
  static const struct {
    const char *body;
    unsigned attributes;
    CUresult result;
    const char *report;
  } cases[] = {
      {"griddepcontrol.launch_dependents; griddepcontrol.wait; st.global.u32 [%p], 1;", 1, CUDA_SUCCESS, ""},
      {"st.global.u32 [%p], 1; griddepcontrol.wait;", 1, CUDA_ERROR_ASSERT, "before griddepcontrol.wait"},
      {"ld.global.u32 %t, [%p]; griddepcontrol.wait;", 1, CUDA_ERROR_ASSERT, "before griddepcontrol.wait"},
      {"ld.u32 %t, [%p]; griddepcontrol.wait;", 1, CUDA_ERROR_ASSERT, "before griddepcontrol.wait"},
      {"ld.const.u32 %t, [seven]; griddepcontrol.wait; st.global.u32 [%p], %t;", 1, CUDA_SUCCESS, ""},
      {"mov.b64 %o, words; cvta.param.u64 %o, %o; ld.u32 %t, [%o]; ld.param.u32 %b, [words]; "
       "griddepcontrol.wait;",
       1, CUDA_SUCCESS, ""},
      {"@!%q griddepcontrol.wait; st.global.u32 [%p], 1;", 1, CUDA_ERROR_ASSERT, "before griddepcontrol.wait"},
      {"@%q exit; griddepcontrol.wait;", 1, CUDA_ERROR_ASSERT, "exit without griddepcontrol.wait"},
      {"griddepcontrol.launch_dependents;", 1, CUDA_ERROR_ASSERT, "exit without griddepcontrol.wait"},
      {"st.global.u32 [%p], 1;", 0, CUDA_SUCCESS, ""},
  };
  sim_set("FLASHJIT_SIM_QUIET", "1");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    sim_forget_fault();
    launch(cases[i].body, cases[i].attributes);
    expect(cases[i].result, cases[i].report, cases[i].body);
  }
}

#define RELEASES "griddepcontrol.wait; griddepcontrol.launch_dependents;"

/* One that all blocks of the launch in front have let begin, after they waited themselves, need not wait at once; but
 * some thread must, before it ends. */
Test(gpusim_overlap, launches_let_others_begin) {
  static const char works[] = "st.global.u32 [%p], 1; @!%z exit; griddepcontrol.wait;";
  static const struct {
    const char *first;
    const char *second;
    CUresult result;
    const char *report;
  } cases[] = {
      {RELEASES, works, CUDA_SUCCESS, ""},
      {RELEASES " st.global.u32 [%p], 2;", works, CUDA_SUCCESS, ""},
      {RELEASES RELEASES, works, CUDA_SUCCESS, ""},
      {RELEASES, "griddepcontrol.wait; st.global.u32 [%p], 1;", CUDA_SUCCESS, ""},
      {RELEASES, "st.global.u32 [%p], 1;", CUDA_ERROR_ASSERT, "no thread executes griddepcontrol.wait"},
      {"griddepcontrol.wait;", works, CUDA_ERROR_ASSERT, "before griddepcontrol.wait"},
      {"griddepcontrol.launch_dependents; griddepcontrol.wait;", works, CUDA_ERROR_ASSERT,
       "before griddepcontrol.wait"},
      {"griddepcontrol.wait; @!%z exit; griddepcontrol.launch_dependents;", works, CUDA_ERROR_ASSERT,
       "before griddepcontrol.wait"},
  };
  sim_set("FLASHJIT_SIM_QUIET", "1");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    sim_forget_fault();
    launch(cases[i].first, 1);
    launch(cases[i].second, 1);
    expect(cases[i].result, cases[i].report, cases[i].first);
  }
}

/* What two launches that are beside each other have in common is told; not after one has waited for the other. */
Test(gpusim_overlap, launches_beside_each_other_share_nothing) {
  static const char writes[] = "st.global.u32 [%p], 1; griddepcontrol.wait;";
  static const char reads[] = "ld.global.u32 %t, [%p]; griddepcontrol.wait;";
  static const char waits[] = "griddepcontrol.wait; ld.global.u32 %t, [%p]; st.global.u32 [%p], 1;";
  static const char passes[] = "griddepcontrol.launch_dependents; @!%z exit; griddepcontrol.wait;";
  static const char told[] = "written by a launch that may still be beside this one";
  static const struct {
    const char *last;
    CUresult result;
    const char *report;
  } cases[] = {{writes, CUDA_ERROR_ASSERT, told}, {reads, CUDA_ERROR_ASSERT, told}, {waits, CUDA_SUCCESS, ""}};
  sim_set("FLASHJIT_SIM_QUIET", "1");
  for (uint32_t between = 0; between < 2; between++) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      sim_forget_fault();
      const CUdeviceptr words = sim_buffer(BLOCKS * THREADS * sizeof(uint32_t));
      launch_on(words, RELEASES " st.global.u32 [%p], 2;", 1);
      for (uint32_t j = 0; j < between; j++)
        launch_on(words, passes, 1);
      launch_on(words, cases[i].last, 1);
      expect(cases[i].result, cases[i].report, cases[i].last);
    }
  }
}

/* But for what one writes before a strong access that the other reads: as kernels merge what both have partials of. */
Test(gpusim_overlap, strong_accesses_order_launches) {
  static const char told[] = "written by a launch that may still be beside this one";
  static const char unordered[] = RELEASES " st.global.u32 [%p], 2; st.relaxed.gpu.global.u32 [%p+256], 1;";
  static const char releases[] = RELEASES " st.global.u32 [%p], 2; st.release.gpu.global.u32 [%p+256], 1;";
  static const char late[] = RELEASES " st.release.gpu.global.u32 [%p+256], 1; st.global.u32 [%p], 2;";
  static const char acquires[] = "ld.acquire.gpu.global.u32 %t, [%p+256]; ld.global.u32 %t, [%p]; griddepcontrol.wait;";
  static const char relaxed[] = "ld.relaxed.gpu.global.u32 %t, [%p+256]; ld.global.u32 %t, [%p]; griddepcontrol.wait;";
  static const struct {
    const char *first;
    const char *second;
    CUresult result;
    const char *report;
  } cases[] = {{releases, acquires, CUDA_SUCCESS, ""},
               {releases, relaxed, CUDA_ERROR_ASSERT, told},
               {unordered, acquires, CUDA_ERROR_ASSERT, told},
               {late, acquires, CUDA_ERROR_ASSERT, told}};
  sim_set("FLASHJIT_SIM_QUIET", "1");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    sim_forget_fault();
    const CUdeviceptr words = sim_buffer(2 * BLOCKS * THREADS * sizeof(uint32_t));
    launch_on(words, cases[i].first, 1);
    launch_on(words, cases[i].second, 1);
    expect(cases[i].result, cases[i].report, cases[i].second);
  }
}

/* What one of several has passed on reaches the last; one that lets nobody begin ends it. */
Test(gpusim_overlap, launches_are_let_begin_one_by_one) {
  static const char middle[] =
      "griddepcontrol.launch_dependents; st.global.u32 [%p], 1; @!%z exit; griddepcontrol.wait;";
  static const char last[] = "st.global.u32 [%p], 1; @!%z exit; griddepcontrol.wait;";
  sim_set("FLASHJIT_SIM_QUIET", "1");
  sim_forget_fault();
  launch(RELEASES, 1);
  launch(middle, 1);
  launch(last, 1);
  expect(CUDA_SUCCESS, "", "three");
  launch(last, 1);
  expect(CUDA_ERROR_ASSERT, "before griddepcontrol.wait", "a fourth");
}
