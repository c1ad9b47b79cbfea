/* The compiler: opening it, and, where the build knows a libnvrtc, what it makes of small sources. */
#include "runtime/compiler.h"
#include "runtime/ptxas_log.h"

#include "cache/image.h"
#include "cache/paths.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kernel[] = "extern \"C\" __global__ void k(float *o) { o[threadIdx.x] *= 2; }\n";

static struct compiler *open_real(void) {
  struct compiler *compiler;
  const char *path = getenv("FLASHJIT_NVRTC");
  if (!path)
    path = TEST_NVRTC;
  if (!*path)
    cr_skip_test("no libnvrtc");
  uint32_t next = 0;
  cr_assert_eq(nvrtc_open(path, &next, &compiler), FI_OK, "%s", fi_last_error());
  return compiler;
}

static fi_status compile(const char *source, const char *target, uint32_t deadline_ms, bool keep_ptx,
                         struct compile_output *output) {
  struct compiler *compiler = open_real();
  const struct compile_job job = {
      .source = source, .target = target_find(target), .deadline_ms = deadline_ms, .keep_ptx = keep_ptx};
  const fi_status status = compiler->compile(compiler, &job, output);
  compiler->close(compiler);
  return status;
}

Test(nvrtc, libraries_that_are_none) {
  static const char *const cases[][2] = {
      {"/no/such/libnvrtc.so", "FLASHJIT_NVRTC"},
      {"/dev/null", "/dev/null"},
      {FAKE_CUDA, "lacks nvrtcVersion"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct compiler *compiler;
    uint32_t next = 0;
    cr_expect_eq(nvrtc_open(cases[i][0], &next, &compiler), FI_ERROR_NO_COMPILER, "%s", cases[i][0]);
    cr_expect(strstr(fi_last_error(), cases[i][1]), "%s", fi_last_error());
  }
}

/* What the loader then finds by the library's name. */
static void install(const char *path) {
  cr_assert(dlopen(path, RTLD_NOW | RTLD_LOCAL), "%s", dlerror());
}

static void expect_next(uint32_t *next, const char *toolchain) {
  struct compiler *compiler;
  cr_assert_eq(nvrtc_open(NULL, next, &compiler), FI_OK, "%s", fi_last_error());
  cr_expect_eq(strncmp(compiler->toolchain, toolchain, strlen(toolchain)), 0, "%s", compiler->toolchain);
  compiler->close(compiler);
}

static void expect_no_other(uint32_t next, const char *reason) {
  struct compiler *compiler;
  for (int again = 0; again < 2; again++) {
    cr_expect_eq(nvrtc_open(NULL, &next, &compiler), FI_ERROR_NO_COMPILER);
    cr_expect(strstr(fi_last_error(), reason), "%s", fi_last_error());
  }
}

Test(nvrtc, the_next_one_is_opened_after_the_first) {
  uint32_t next = 0;
  install(FAKE_NVRTC_13);
  install(FAKE_NVRTC_12);
  expect_next(&next, "nv13.0-");
  expect_next(&next, "nv12.0-");
  expect_no_other(next, "no other of its usual names is left");
}

Test(nvrtc, a_newer_one_that_lacks_a_function_is_passed_over) {
  uint32_t next = 0;
  install(FAKE_NVRTC_13_LACKING);
  install(FAKE_NVRTC_12);
  expect_next(&next, "nv12.0-");
  expect_no_other(next, "no other");
}

Test(nvrtc, all_that_is_wrong_is_told) {
  install(FAKE_NVRTC_13_LACKING);
  install(FAKE_NVRTC_12_LACKING);
  expect_no_other(0, "libnvrtc.so.13 lacks nvrtcGetCUBINSize; libnvrtc.so.12 lacks nvrtcGetCUBINSize");
}

Test(nvrtc, a_path_is_the_only_one) {
  struct compiler *compiler;
  uint32_t next = 0;
  install(FAKE_NVRTC_12);
  cr_assert_eq(nvrtc_open(FAKE_NVRTC_13, &next, &compiler), FI_OK, "%s", fi_last_error());
  compiler->close(compiler);
  cr_expect_eq(nvrtc_open(FAKE_NVRTC_13, &next, &compiler), FI_ERROR_NO_COMPILER);
  cr_expect(strstr(fi_last_error(), "no other path"), "%s", fi_last_error());
}

Test(nvrtc, toolchain_has_version_and_build) {
  struct compiler *compiler = open_real();
  unsigned major;
  unsigned minor;
  unsigned build;
  cr_expect(cache_toolchain_valid(compiler->toolchain), "%s", compiler->toolchain);
  cr_expect_eq(sscanf(compiler->toolchain, "nv%u.%u-%8x", &major, &minor, &build), 3, "%s", compiler->toolchain);
  cr_expect_geq(major, 12);
  cr_expect_neq(build, 0);
  compiler->close(compiler);
}

Test(nvrtc, cubin_for_sm_and_ptx_for_compute) {
  static const char *const targets[] = {"sm_90a", "compute_90a", "sm_80"};
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
    struct compile_output output;
    struct ptxas_facts facts;
    struct cache_reason reason;
    cache_reason_clear(&reason);
    cr_assert_eq(compile(kernel, targets[i], 0, false, &output), FI_OK, "%s", fi_last_error());
    cr_expect(cache_image_check(output.image, output.image_size, targets[i], "k", &reason), "%s", reason.text);
    cr_expect_null(output.ptx);
    ptxas_log_read(output.log ? output.log : "", &facts);
    cr_expect_eq(facts.registers > 0, targets[i][0] == 's', "%s: %s", targets[i], output.log);
    compile_output_free(&output);
  }
}

Test(nvrtc, cubin_and_ptx_of_one_compile) {
  struct compile_output output;
  struct cache_reason reason;
  cache_reason_clear(&reason);
  cr_assert_eq(compile(kernel, "sm_90a", 0, true, &output), FI_OK, "%s", fi_last_error());
  cr_expect(cache_image_check(output.image, output.image_size, "sm_90a", "k", &reason), "%s", reason.text);
  cr_expect(cache_image_check(output.ptx, output.ptx_size, "compute_90a", "k", &reason), "%s", reason.text);
  compile_output_free(&output);
}

Test(nvrtc, same_source_same_bytes) {
  struct compile_output first;
  struct compile_output second;
  cr_assert_eq(compile(kernel, "sm_90a", 0, false, &first), FI_OK);
  cr_assert_eq(compile(kernel, "sm_90a", 0, false, &second), FI_OK);
  cr_assert_eq(first.image_size, second.image_size);
  cr_expect_arr_eq(first.image, second.image, first.image_size);
  compile_output_free(&first);
  compile_output_free(&second);
}

Test(nvrtc, errors_come_with_the_log) {
  struct compile_output output;
  cr_expect_eq(compile("extern \"C\" __global__ void k() { nonsense; }", "sm_90a", 0, false, &output),
               FI_ERROR_COMPILE);
  cr_expect(strstr(fi_last_error(), "\"nonsense\" is undefined"), "%s", fi_last_error());
  cr_expect(strstr(fi_last_error(), "flashjit.cu(1)"), "%s", fi_last_error());
  compile_output_free(&output);
}

Test(nvrtc, warnings_stay_in_the_log) {
  struct compile_output output;
  cr_assert_eq(compile("extern \"C\" __global__ void k() { int unused; }", "sm_90a", 0, false, &output), FI_OK);
  cr_expect(output.log && strstr(output.log, "warning"), "%s", output.log);
  compile_output_free(&output);
}

/* Compile time grows with the number of unrolled steps; this takes far longer than the deadline. */
static char *long_source(void) {
  static const char statement[] = "  x = x * y + o[(int)x & 1023]; y = __sinf(y) + x;\n";
  enum { STATEMENTS = 20000 };
  char *source = malloc(256 + STATEMENTS * sizeof statement);
  strcpy(source, "extern \"C\" __global__ void k(float *o) {\n  float x = o[0], y = o[1];\n");
  char *end = source + strlen(source);
  for (int i = 0; i < STATEMENTS; i++)
    end = stpcpy(end, statement);
  strcpy(end, "  o[2] = x + y;\n}\n");
  return source;
}

Test(nvrtc, deadline) {
  struct compile_output output;
  char *source = long_source();
  cr_expect_eq(compile(source, "sm_90a", 50, false, &output), FI_ERROR_DEADLINE);
  cr_expect(strstr(fi_last_error(), "50 ms"), "%s", fi_last_error());
  compile_output_free(&output);
  free(source);
}
