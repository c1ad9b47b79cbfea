/* Image sanity, on the output of real compilers. */
#include "support.h"

#include "cache/bytes.h"
#include "cache/image.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct image_file {
  const char *path, *target;
} images[] = {
    {TEST_DATA "/nvrtc12.8-sm_90a.cubin", "sm_90a"},   {TEST_DATA "/nvrtc12.8-sm_100a.cubin", "sm_100a"},
    {TEST_DATA "/nvrtc13.0-sm_80.cubin", "sm_80"},     {TEST_DATA "/nvrtc13.0-sm_89.cubin", "sm_89"},
    {TEST_DATA "/nvrtc13.0-sm_90a.cubin", "sm_90a"},   {TEST_DATA "/nvrtc13.0-sm_100a.cubin", "sm_100a"},
    {TEST_DATA "/nvrtc13.0-sm_120a.cubin", "sm_120a"}, {TEST_DATA "/nvrtc13.0-compute_90a.ptx", "compute_90a"},
};

enum { IMAGES = sizeof images / sizeof *images };

/* A heap copy of exactly these bytes, so that ASan sees any read beyond them. */
static bool is_sane(const unsigned char *bytes, size_t size, const char *target, const char *symbol,
                    struct cache_reason *reason) {
  unsigned char *copy = malloc(size > 0 ? size : 1);
  cr_assert_not_null(copy);
  memcpy(copy, bytes, size);
  cache_reason_clear(reason);
  bool sane = cache_image_check(copy, size, target, symbol, reason);
  free(copy);
  return sane;
}

static void expect_refused(const unsigned char *bytes, size_t size, const char *target, const char *symbol,
                           const char *expected) {
  struct cache_reason reason;
  cr_expect(!is_sane(bytes, size, target, symbol, &reason), "%s %s", target, symbol);
  cr_expect(strstr(reason.text, expected), "\"%s\" without \"%s\"", reason.text, expected);
}

Test(cache_image, real_images_fit_their_own_target_only) {
  for (size_t i = 0; i < IMAGES; i++) {
    size_t size;
    unsigned char *bytes = file_bytes(images[i].path, &size);
    cr_assert_not_null(bytes, "%s", images[i].path);
    for (size_t j = 0; j < IMAGES; j++) {
      struct cache_reason reason;
      bool expected = strcmp(images[i].target, images[j].target) == 0;
      bool sane = is_sane(bytes, size, images[j].target, "fi_kernel", &reason);
      cr_expect_eq(sane, expected, "%s as %s: %s", images[i].path, images[j].target, reason.text);
    }
    free(bytes);
  }
}

Test(cache_image, only_the_exact_symbol_counts) {
  static const char *const wrong[] = {"fi_kerne", "fi_kernel2", "i_kernel", "kernel", "_Z9fi_kernelPf", ""};
  for (size_t i = 0; i < IMAGES; i++) {
    size_t size;
    unsigned char *bytes = file_bytes(images[i].path, &size);
    cr_assert_not_null(bytes, "%s", images[i].path);
    for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) {
      struct cache_reason reason;
      cr_expect(!is_sane(bytes, size, images[i].target, wrong[j], &reason), "%s: %s", images[i].path, wrong[j]);
    }
    free(bytes);
  }
}

Test(cache_image, truncated_images_are_refused) {
  for (size_t i = 0; i < IMAGES; i++) {
    size_t size;
    unsigned char *bytes = file_bytes(images[i].path, &size);
    cr_assert_not_null(bytes, "%s", images[i].path);
    for (size_t shorter = 0; shorter < size; shorter++) {
      struct cache_reason reason;
      cr_expect(!is_sane(bytes, shorter, images[i].target, "fi_kernel", &reason), "%s: %zu of %zu bytes",
                images[i].path, shorter, size);
    }
    free(bytes);
  }
}

/* Damage is the checksum's to find. Here it only must not lead outside the image. */
Test(cache_image, damaged_images_are_read_inside_their_bounds) {
  static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
  for (size_t i = 0; i < IMAGES; i++) {
    size_t size;
    unsigned char *bytes = file_bytes(images[i].path, &size);
    cr_assert_not_null(bytes, "%s", images[i].path);
    for (size_t at = 0; at < size; at++) {
      unsigned char original = bytes[at];
      for (size_t j = 0; j < sizeof values; j++) {
        struct cache_reason reason;
        bytes[at] = values[j];
        bool sane = is_sane(bytes, size, images[i].target, "fi_kernel", &reason);
        cr_expect(sane || reason.text[0] != '\0');
      }
      bytes[at] = original;
    }
    free(bytes);
  }
}

Test(cache_image, a_compilation_without_kernel_is_refused) {
  size_t size;
  unsigned char *bytes = file_bytes(TEST_DATA "/nvrtc13.0-sm_90a-no-kernel.cubin", &size);
  cr_assert_not_null(bytes);
  expect_refused(bytes, size, "sm_90a", "fi_kernel", "cubin has no code for \"fi_kernel\"");
  free(bytes);
}

Test(cache_image, broken_cubins_are_refused_with_the_reason) {
  enum { CODE_HEADER = 0xb98 + 15 * 64 }; /* section header of .text.fi_kernel in the file below */
  static const struct {
    size_t at, width;
    uint64_t value;
    const char *reason;
  } cases[] = {
      {0, 1, 0, "not an ELF file"},
      {4, 1, 1, "not a little-endian ELF64"},
      {5, 1, 2, "not a little-endian ELF64"},
      {7, 1, 0, "unknown ABI 0 version 8"},
      {8, 1, 9, "unknown ABI 0x41 version 9"},
      {18, 2, 62, "ELF machine 62"},
      {32, 8, UINT64_MAX, "segment table"},
      {40, 8, UINT64_MAX, "section table"},
      {40, 8, UINT64_MAX - 63, "section table"},
      {58, 2, 63, "section table"},
      {60, 2, 0, "section table"},
      {60, 2, 0xffff, "section table"},
      {62, 2, 0xffff, "section table"},
      {62, 2, 0, "section name table"},
      {CODE_HEADER + 24, 8, UINT64_MAX, "code of \"fi_kernel\" is not inside the cubin"},
      {CODE_HEADER + 32, 8, UINT64_MAX, "code of \"fi_kernel\" is not inside the cubin"},
      {CODE_HEADER + 32, 8, 0, "code of \"fi_kernel\" is not inside the cubin"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size;
    unsigned char *bytes = file_bytes(TEST_DATA "/nvrtc13.0-sm_90a.cubin", &size);
    cr_assert_not_null(bytes);
    bytes_put(bytes + cases[i].at, cases[i].width, cases[i].value);
    expect_refused(bytes, size, "sm_90a", "fi_kernel", cases[i].reason);
    free(bytes);
  }
}

Test(cache_image, ptx_is_one_terminated_text) {
  static const char ptx[] = ".version 9.0\n.target sm_90a, debug\n.visible .entry fi_kernel(\n)";
  const unsigned char *bytes = (const unsigned char *)ptx;
  struct cache_reason reason;
  cr_expect(is_sane(bytes, sizeof ptx, "compute_90a", "fi_kernel", &reason), "%s", reason.text);
  expect_refused(bytes, sizeof ptx - 1, "compute_90a", "fi_kernel", "NUL-terminated");
  expect_refused((const unsigned char *)".target sm_90a\0.entry fi_kernel(", 33, "compute_90a", "fi_kernel",
                 "NUL-terminated");
  expect_refused(bytes, sizeof ptx, "compute_90", "fi_kernel", "PTX is not for target sm_90");
  expect_refused(bytes, sizeof ptx, "compute_90a", "fi_kern", "PTX has no entry \"fi_kern\"");
  expect_refused(bytes, sizeof ptx, "sm_90a", "fi_kernel", "not an ELF file");
}

Test(cache_image, malformed_targets_are_refused) {
  static const char *const targets[] = {"",        "sm_",     "sm_a",  "sm90a", "compute_",
                                        "sm_90ab", "sm_9000", "SM_90", "sm_90A"};
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
    expect_refused((const unsigned char *)"", 1, targets[i], "fi_kernel", "is not like sm_90a or compute_90a");
}
