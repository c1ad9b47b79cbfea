/* The table of targets. */
#include "generator/target.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(target, are_found_by_name) {
  const struct target *target;
  uint32_t count = 0;
  for (; (target = target_at(count)); count++)
    cr_expect_eq(target_find(target->name), target, "%s", target->name);
  cr_assert_eq(count, 12);
  cr_assert_null(target_find("sm_90"));
  cr_assert_null(target_find("sm_70"));
  cr_assert_null(target_find(""));
}

Test(target, are_found_by_compute_capability) {
  static const uint32_t devices[][2] = {{8, 0}, {8, 6}, {8, 9}, {9, 0}, {10, 0}, {12, 0}};
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    const uint32_t major = devices[i][0];
    const uint32_t minor = devices[i][1];
    const struct target *cubin = target_of_device(major, minor, false);
    const struct target *ptx = target_of_device(major, minor, true);
    char name[16];
    snprintf(name, sizeof name, "%u%u%s", major, minor, major >= 9 ? "a" : "");
    cr_assert_not_null(cubin);
    cr_assert_not_null(ptx);
    cr_expect_str_eq(cubin->name + strlen("sm_"), name);
    cr_expect_str_eq(ptx->name + strlen("compute_"), name);
    cr_expect_not(cubin->ptx);
    cr_expect(ptx->ptx);
    cr_expect_eq(cubin->shared_per_block, ptx->shared_per_block);
    cr_expect_eq(cubin->shared_per_sm, ptx->shared_per_sm);
    cr_expect_eq(cubin->fp8_convert, cubin->arch >= 89);
    cr_expect_eq(ptx->fp8_convert, cubin->fp8_convert);
  }
  cr_assert_null(target_of_device(7, 5, false));
  cr_assert_null(target_of_device(9, 1, false));
}

Test(target, leave_one_kilobyte_of_an_sm_to_the_system) {
  const struct target *target;
  for (uint32_t i = 0; (target = target_at(i)); i++)
    cr_expect_eq(target->shared_per_block + 1024, target->shared_per_sm, "%s", target->name);
  cr_assert_eq(target_find("sm_90a")->shared_per_block, 232448);
  cr_assert_eq(target_find("sm_86")->shared_per_block, 101376);
}
