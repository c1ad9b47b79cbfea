/* The kernel table by itself, filled to its limits, where many specs share slots. */
#include "runtime/table.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* Kernels are only pointers to the table. */
static fi_kernel *kernel_at(uint32_t number) {
  return (fi_kernel *)(uintptr_t)(16 + 16 * (uintptr_t)number);
}

static fi_spec spec_at(uint32_t number) {
  return (fi_spec){.struct_size = sizeof(fi_spec), .rope_dim = number};
}

static uint32_t visited;

static void count_visit(fi_kernel *kernel) {
  cr_expect_not_null(kernel);
  visited++;
}

Test(table, every_spec_finds_its_own_kernel) {
  const uint32_t total = TABLE_MOST_KERNELS + TABLE_MOST_SPELLINGS;
  struct table *table = calloc(1, sizeof *table);
  for (uint32_t i = 0; i < total; i++) {
    const fi_spec spec = spec_at(i);
    cr_assert_null(table_find(table, &spec));
    cr_assert(table_add(table, &spec, kernel_at(i), i < TABLE_MOST_KERNELS), "%u", i);
  }
  for (uint32_t i = 0; i < total; i++) {
    const fi_spec spec = spec_at(i);
    cr_assert_eq(table_find(table, &spec), kernel_at(i), "%u", i);
  }
  const fi_spec other = spec_at(total);
  cr_expect_null(table_find(table, &other));
  cr_expect_not(table_add(table, &other, kernel_at(0), true), "full");
  cr_expect_not(table_add(table, &other, kernel_at(0), false), "full");
  table_visit(table, count_visit);
  cr_expect_eq(visited, TABLE_MOST_KERNELS, "other spellings are no kernels");
  table_free(table);
  free(table);
}
