/* The rule for public structs, over all of them, and the functions of the generator that take one. */
#include "generator/abi.h"

#include "generator/error.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { MOST_BYTES = 1024 };

static const struct {
  enum abi_struct number;
  const char *name;
  uint32_t size;
  uint32_t reserved;
} structs[] = {
#define ROW(name, size) {ABI_##name, #name, sizeof(fi_##name), offsetof(fi_##name, reserved)},
    ABI_STRUCTS(ROW)
#undef ROW
};

enum { STRUCT_COUNT = sizeof structs / sizeof *structs };

static void set_word(char *record, uint32_t offset, uint32_t value) {
  memcpy(record + offset, &value, sizeof value);
}

static void expect(size_t i, const char *record, fi_status status, const char *beginning) {
  cr_expect_eq(abi_check(structs[i].number, record), status, "%s: %s", beginning, fi_last_error());
  cr_expect_eq(strncmp(fi_last_error(), beginning, strlen(beginning)), 0, "%s: %s", beginning, fi_last_error());
}

Test(abi, what_is_no_reserved_word_may_hold_anything) {
  for (size_t i = 0; i < STRUCT_COUNT; i++) {
    char record[MOST_BYTES];
    memset(record, 0x55, sizeof record);
    set_word(record, 0, structs[i].size);
    memset(record + structs[i].reserved, 0, structs[i].size - structs[i].reserved);
    expect(i, record, FI_OK, "");
  }
}

Test(abi, other_sizes_are_refused) {
  for (size_t i = 0; i < STRUCT_COUNT; i++) {
    const uint32_t size = structs[i].size;
    const uint32_t sizes[] = {0, 4, structs[i].reserved, size - 4, size - 1, size + 1, size + 4, UINT32_MAX};
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
      char record[MOST_BYTES] = {0};
      char beginning[64];
      set_word(record, 0, sizes[n]);
      snprintf(beginning, sizeof beginning, "%s.struct_size is %u; ", structs[i].name, sizes[n]);
      expect(i, record, FI_ERROR_ABI, beginning);
    }
    expect(i, NULL, FI_ERROR_ARGUMENT, structs[i].name);
  }
}

Test(abi, every_reserved_word_must_be_zero) {
  for (size_t i = 0; i < STRUCT_COUNT; i++) {
    for (uint32_t offset = structs[i].reserved; offset < structs[i].size; offset += 4) {
      char record[MOST_BYTES] = {0};
      char beginning[64];
      set_word(record, 0, structs[i].size);
      set_word(record, offset, 7);
      snprintf(beginning, sizeof beginning, "%s.reserved[%u] is 7; ", structs[i].name,
               (offset - structs[i].reserved) / 4);
      expect(i, record, FI_ERROR_ABI, beginning);
    }
  }
}

Test(abi, structs_that_were_not_cleared_are_refused) {
  for (size_t i = 0; i < STRUCT_COUNT; i++) {
    char record[MOST_BYTES];
    char beginning[64];
    memset(record, 0x55, sizeof record);
    set_word(record, 0, structs[i].size);
    snprintf(beginning, sizeof beginning, "%s.reserved[0] is %u; ", structs[i].name, 0x55555555u);
    expect(i, record, FI_ERROR_ABI, beginning);
  }
}

static fi_status call_supported(fi_spec *spec) {
  return fi_spec_supported(spec, NULL);
}

static fi_status call_print(fi_spec *spec) {
  char text[FI_SPEC_TEXT_SIZE];
  return fi_spec_print(spec, text, sizeof text);
}

static fi_status call_source(fi_spec *spec) {
  size_t size = 0;
  return fi_kernel_source(spec, NULL, NULL, &size);
}

Test(abi, functions_refuse_what_is_no_fi_spec) {
  static fi_status (*const calls[])(fi_spec * spec) = {call_supported, call_print, call_source};
  fi_spec good;
  fi_spec_init(&good);
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    fi_spec spec = good;
    cr_expect_eq(calls[i](&spec), FI_OK, "call %zu: %s", i, fi_last_error());
    spec.struct_size = offsetof(fi_spec, reserved);
    cr_expect_eq(calls[i](&spec), FI_ERROR_ABI, "call %zu", i);
    cr_expect_not_null(strstr(fi_last_error(), "it must be sizeof(fi_spec), 368"), "%s", fi_last_error());
    spec = good;
    spec.reserved[sizeof spec.reserved / sizeof *spec.reserved - 1] = 1;
    cr_expect_eq(calls[i](&spec), FI_ERROR_ABI, "call %zu", i);
    cr_expect_not_null(strstr(fi_last_error(), "built against a newer header"), "%s", fi_last_error());
    cr_expect_eq(calls[i](NULL), FI_ERROR_ARGUMENT, "call %zu", i);
    cr_expect_str_eq(fi_last_error(), "spec is NULL");
  }
}

Test(abi, a_spec_is_written_whole_whatever_it_held) {
  fi_spec spec;
  fi_spec expected = {0};
  fi_spec_init(&expected);
  memset(&spec, 0x55, sizeof spec);
  fi_spec_init(&spec);
  cr_expect_arr_eq(&spec, &expected, sizeof spec);
  cr_expect_eq(spec.reserved[23], 0);
  memset(&spec, 0x55, sizeof spec);
  cr_expect_eq(fi_spec_parse("attention", &spec), FI_OK);
  cr_expect_arr_eq(&spec, &expected, sizeof spec);
}
