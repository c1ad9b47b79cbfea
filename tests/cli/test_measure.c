/* What passes and what does not. */
#include "tests/measure.h"

#include "flashjit.h"
#include "tests/dtypes.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { SIZE = 64 };

struct row {
  double reference[SIZE];
  uint16_t output[SIZE];
};

/* A row of both signs, and the output that is nearest to it. */
static void fill(struct row *row, uint32_t dtype) {
  for (int i = 0; i < SIZE; i++) {
    row->reference[i] = sin(i + 1.0) / 3;
    dtype_encode(dtype, row->reference[i], row->output, (size_t)i);
  }
}

static bool passes(const struct row *row, uint32_t dtype, uint32_t *first) {
  struct measure measure = {0};
  *first = measure_row(&measure, row->reference, SIZE, dtype, dtype, row->output, 0);
  return measure_passes(&measure, dtype);
}

Test(measure, rounded_output_passes) {
  static const uint32_t dtypes[] = {FI_F16, FI_BF16};
  for (int d = 0; d < 2; d++) {
    struct row row;
    uint32_t first;
    fill(&row, dtypes[d]);
    cr_expect(passes(&row, dtypes[d], &first));
    cr_expect_eq(first, SIZE);
  }
}

Test(measure, tolerance_is_of_the_coarser_type) {
  static const uint32_t rows[][4] = {
      {FI_F16, FI_F16, FI_F16, FI_F16},    {FI_F16, FI_BF16, FI_F32, FI_BF16},   {FI_F16, FI_E4M3, FI_F16, FI_F16},
      {FI_BF16, FI_F16, FI_BF16, FI_BF16}, {FI_BF16, FI_BF16, FI_F32, FI_BF16},  {FI_BF16, FI_E5M2, FI_F32, FI_BF16},
      {FI_E4M3, FI_F16, FI_F16, FI_F16},   {FI_E4M3, FI_E5M2, FI_BF16, FI_BF16},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const fi_spec spec = {.q_dtype = rows[i][0], .kv_dtype = rows[i][1], .o_dtype = rows[i][2]};
    cr_expect_eq(measure_dtype(&spec, NULL), rows[i][3], "row %zu", i);
  }
}

/* Only kernels that round weights to e4m3 have its tolerance. */
Test(measure, tolerance_is_of_the_kernel) {
  static const struct {
    const char *spec;
    const char *target;
    uint32_t dtype;
  } rows[] = {
      {"attention rows=128 q=e4m3", NULL, FI_E4M3},
      {"attention rows=128 q=e4m3", "sm_90a", FI_E4M3},
      {"attention rows=128 q=e4m3 o=f16", "compute_90a", FI_E4M3},
      {"attention rows=128 q=e4m3 o=bf16", "compute_80", FI_BF16},
      {"attention rows=128 q=e4m3 o=f16", "sm_100a", FI_F16},
      {"attention rows=128 q=e4m3 o=f16", "sm_120a", FI_E4M3},
      {"attention rows=64 q=e4m3", "compute_89", FI_E4M3},
      {"attention rows=32 q=e4m3 o=f16", "compute_89", FI_F16},
      {"attention group=4 q=e4m3 o=f16", "sm_89", FI_E4M3},
      {"attention group=4 q=e4m3 o=f16", "sm_90a", FI_E4M3},
      {"attention group=4 q=e4m3 o=f16", "sm_80", FI_F16},
      {"attention rows=64 q=e4m3 o=f16", "sm_90a", FI_F16},
      {"attention rows=128 q=e4m3 kv=f16 o=f16", "sm_90a", FI_F16},
      {"attention rows=128 q=e4m3 v=int4 o=f16", "sm_90a", FI_F16},
      {"attention family=mma rows=128 q=e4m3 o=bf16", "sm_90a", FI_BF16},
      {"attention hd=72 group=4 rows=128 q=e4m3 o=bf16 page=4 lse=1", "sm_90a", FI_BF16},
      {"attention hd=72 rows=128 q=e4m3 o=f16", "sm_90a", FI_F16},
      {"attention rows=128 q=e4m3 o=f16 page=4", "sm_90a", FI_F16},
      {"attention v_dim=256 rows=128 q=e4m3 o=bf16", "sm_90a", FI_BF16},
      {"attention rows=128 q=e4m3 rope=half o=f16", "sm_90a", FI_F16},
      {"attention rows=128 q=e4m3 o=bf16 left=128", "sm_90a", FI_E4M3},
      {"attention family=mma rows=128 q=e4m3 o=bf16 left=128", "sm_90a", FI_BF16},
      {"attention family=wgmma rows=128 q=e4m3 left=128", "sm_90a", FI_E4M3},
      {"append kv=e4m3", "sm_90a", FI_BF16},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    fi_spec spec;
    cr_assert_eq(fi_spec_parse(rows[i].spec, &spec), FI_OK, "%s", fi_last_error());
    cr_expect_eq(measure_dtype(&spec, rows[i].target), rows[i].dtype, "%s on %s", rows[i].spec, rows[i].target);
  }
}

/* What a kernel writes that computes in bf16 and stores f16. */
Test(measure, stored_type_and_tolerance_differ) {
  struct row row;
  for (uint32_t i = 0; i < SIZE; i++) {
    uint16_t rounded;
    row.reference[i] = sin(i + 1.0) / 3;
    dtype_encode(FI_BF16, row.reference[i], &rounded, 0);
    dtype_encode(FI_F16, dtype_decode(FI_BF16, &rounded, 0), row.output, i);
  }
  struct measure measure = {0};
  cr_expect_eq(measure_row(&measure, row.reference, SIZE, FI_BF16, FI_F16, row.output, 0), SIZE);
  cr_expect(measure_passes(&measure, FI_BF16));
  cr_expect_not(measure_passes(&measure, FI_F16));
}

Test(measure, one_wrong_element_fails) {
  struct row row;
  uint32_t first;
  fill(&row, FI_BF16);
  dtype_encode(FI_BF16, row.reference[17] + 0.05, row.output, 17);
  cr_expect_not(passes(&row, FI_BF16, &first));
  cr_expect_eq(first, 17);
}

Test(measure, nan_and_infinity_never_pass) {
  static const double values[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3; i++) {
    struct row row;
    uint32_t first;
    fill(&row, FI_F16);
    dtype_encode(FI_F16, values[i], row.output, 5);
    cr_expect_not(passes(&row, FI_F16, &first));
    cr_expect_eq(first, 5);
  }
}

/* Among many right rows one wrong element is nothing to the norm. */
Test(measure, element_fails_alone) {
  struct row row;
  struct measure measure = {0};
  fill(&row, FI_BF16);
  for (int i = 0; i < 1000; i++)
    measure_row(&measure, row.reference, SIZE, FI_BF16, FI_BF16, row.output, 0);
  cr_expect(measure_passes(&measure, FI_BF16));
  dtype_encode(FI_BF16, row.reference[17] + 0.05, row.output, 17);
  measure_row(&measure, row.reference, SIZE, FI_BF16, FI_BF16, row.output, 0);
  cr_expect_lt(measure_norm(&measure), 3e-3);
  cr_expect_not(measure_passes(&measure, FI_BF16));
}

/* A small element may be as wrong as its row's others, a large one by its own size. */
Test(measure, elements_are_scaled_by_row_and_size) {
  struct row row = {0};
  struct measure measure = {0};
  for (size_t i = 0; i < SIZE; i++)
    row.reference[i] = i % 2 == 0 ? 1e-6 : 1;
  for (size_t i = 0; i < SIZE; i++)
    dtype_encode(FI_BF16, i == 2 ? 0.01 : row.reference[i], row.output, i);
  cr_expect_eq(measure_row(&measure, row.reference, SIZE, FI_BF16, FI_BF16, row.output, 0), SIZE);
  for (size_t i = 0; i < SIZE; i++)
    row.reference[i] = i == 2 ? 1 : 0;
  memset(row.output, 0, sizeof row.output);
  dtype_encode(FI_BF16, 1.02, row.output, 2);
  cr_expect_eq(measure_row(&measure, row.reference, SIZE, FI_BF16, FI_BF16, row.output, 0), SIZE);
}

/* Small errors in every element add up in the norm though no element is beyond its own limit. */
Test(measure, norm_fails_alone) {
  struct row row;
  struct measure measure = {0};
  fill(&row, FI_BF16);
  for (size_t i = 0; i < SIZE; i++)
    dtype_encode(FI_BF16, row.reference[i] * 1.01, row.output, i);
  cr_expect_eq(measure_row(&measure, row.reference, SIZE, FI_BF16, FI_BF16, row.output, 0), SIZE);
  cr_expect_float_eq(measure_norm(&measure), 0.01, 2e-3);
  cr_expect_not(measure_passes(&measure, FI_BF16));
}

Test(measure, a_row_of_zeros_must_be_zeros) {
  struct row row = {0};
  uint32_t first;
  cr_expect(passes(&row, FI_F16, &first));
  row.output[9] = 1; /* the smallest number there is */
  cr_expect_not(passes(&row, FI_F16, &first));
  cr_expect_eq(first, 9);
}

/* What a sink leaves of O, or the type of O rounds to 0, may be 0; no more. */
Test(measure, what_is_next_to_nothing_may_be_0) {
  static const struct {
    double size;
    uint32_t dtype;
    bool passes;
  } rows[] = {
      {8e-37, FI_BF16, true}, {7e-31, FI_BF16, true}, {1e-28, FI_BF16, false},
      {4e-18, FI_F16, true},  {2.9e-8, FI_F16, true}, {3.1e-8, FI_F16, false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct row row = {0};
    uint32_t first;
    for (int d = 0; d < SIZE; d++)
      row.reference[d] = rows[i].size;
    cr_expect_eq(passes(&row, rows[i].dtype, &first), rows[i].passes, "%g", rows[i].size);
    cr_expect_eq(first, rows[i].passes ? SIZE : 0);
  }
}

Test(measure, lse) {
  struct measure measure = {0};
  cr_expect(measure_lse(&measure, -INFINITY, FI_BF16, -INFINITY));
  cr_expect(measure_lse(&measure, 3.0, FI_BF16, 3.01f));
  cr_expect(measure_passes(&measure, FI_BF16));
  cr_expect_not(measure_lse(&measure, 3.0, FI_F16, 3.1f));
  cr_expect_not(measure_passes(&measure, FI_F16));
  cr_expect_not(measure_lse(&measure, -INFINITY, FI_BF16, 0.0f));
  cr_expect_not(measure_lse(&measure, 0.0, FI_BF16, -INFINITY));
  cr_expect_not(measure_lse(&measure, 0.0, FI_BF16, NAN));
}

Test(measure, merging_is_measuring_together) {
  struct row row;
  struct measure together = {0};
  struct measure parts[2] = {0};
  fill(&row, FI_BF16);
  measure_row(&together, row.reference, SIZE, FI_BF16, FI_BF16, row.output, 0);
  measure_row(&together, row.reference, SIZE / 2, FI_BF16, FI_BF16, row.output, 0);
  measure_row(&parts[0], row.reference, SIZE, FI_BF16, FI_BF16, row.output, 0);
  measure_row(&parts[1], row.reference, SIZE / 2, FI_BF16, FI_BF16, row.output, 0);
  measure_merge(&parts[0], &parts[1]);
  cr_expect_eq(parts[0].rows, 2);
  cr_expect_float_eq(measure_norm(&parts[0]), measure_norm(&together), 1e-15);
}
