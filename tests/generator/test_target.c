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
}

/* Those without a row run PTX that is for every newer device. */
Test(target, of_other_devices_is_the_nearest_older_ptx) {
  static const struct {
    uint32_t major;
    uint32_t minor;
    const char *name; /* NULL: there is none */
  } devices[] = {
      {7, 5, NULL},          {8, 2, "compute_80"},  {8, 7, "compute_86"},  {9, 1, "compute_89"},
      {10, 3, "compute_89"}, {11, 0, "compute_89"}, {12, 1, "compute_89"}, {13, 0, "compute_89"},
  };
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    for (int ptx = 0; ptx < 2; ptx++) {
      const struct target *target = target_of_device(devices[i].major, devices[i].minor, ptx);
      if (devices[i].name)
        cr_expect(target && strcmp(target->name, devices[i].name) == 0, "%s: %s", devices[i].name,
                  target ? target->name : "none");
      else
        cr_expect_null(target);
    }
  }
}

Test(target, leave_one_kilobyte_of_an_sm_to_the_system) {
  const struct target *target;
  for (uint32_t i = 0; (target = target_at(i)); i++)
    cr_expect_eq(target->shared_per_block + 1024, target->shared_per_sm, "%s", target->name);
  cr_assert_eq(target_find("sm_90a")->shared_per_block, 232448);
  cr_assert_eq(target_find("sm_86")->shared_per_block, 101376);
}
