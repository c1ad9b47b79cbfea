/* Quantising by the formulas of flashjit.h, and what its errors are. */
#include "tools/bench/bench_row.h"
#include "tools/bench/quality.h"
#include "tools/bench/quantize.h"

#include "flashjit.h"
#include "tests/dtypes.h"
#include "tools/common/device.h"
#include "tools/common/random.h"

#include "tests/cli/command.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 32 };

static void expect_quantized(struct quantizing quantizing, const double *row, const double *expected) {
  double got[DIM] = {0};
  memcpy(got, row, 4 * sizeof *row);
  quantize_row(&quantizing, got, DIM);
  for (int d = 0; d < DIM; d++)
    cr_expect_float_eq(got[d], d < 4 ? expected[d] : 0, 1e-12, "type %u, element %d is %.17g", quantizing.dtype, d,
                       got[d]);
}

Test(quantize, by_the_formulas) {
  const double row[] = {6.5, -8, 0.25, 3.3125};
  /* the token's scale is 8 / 127 */
  expect_quantized((struct quantizing){FI_I8, 0, 0}, row, (double[]){103 * 8. / 127, -8, 4 * 8. / 127, 53 * 8. / 127});
  /* of the group -8 is the extreme one, its scale 1; 6.5 is halfway, and 6 even */
  expect_quantized((struct quantizing){FI_I4, 32, 0}, row, (double[]){6, -8, 0, 3});
  /* 8 / 6 is nearest to 1.375 in e4m3; 6.5 / 1.375 to 4, 8 / 1.375 to 6, 3.3125 / 1.375 to 2 */
  expect_quantized((struct quantizing){FI_NVFP4, 16, 0}, row, (double[]){5.5, -8.25, 0, 2.75});
  expect_quantized((struct quantizing){FI_E4M3, 0, 0}, row, (double[]){6.5, -8, 0.25, 3.25});
  expect_quantized((struct quantizing){FI_E4M3, 0, 2}, row, (double[]){6.5, -8, 0.25, 3.25});
  expect_quantized((struct quantizing){FI_E5M2, 0, 0}, row, (double[]){6, -8, 0.25, 3.5});
}

/* The scale of int4 has the extreme element's sign turned, so that it becomes -8, and 7 bits. */
Test(quantize, int4_with_a_positive_extreme) {
  const double row[] = {8.0625, -4, 1, 0};
  /* 8.0625 / -8 = -1.0078125 has 8 bits: halfway between 1 and 1.015625, away from 0 */
  expect_quantized((struct quantizing){FI_I4, 32, 0}, row, (double[]){8.125, -4.0625, 1.015625, 0});
}

Test(quantize, zeros) {
  const double row[] = {0, 0, 0, 0};
  static const uint32_t types[] = {FI_E4M3, FI_E5M2, FI_I8, FI_I4, FI_NVFP4};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    expect_quantized((struct quantizing){types[i], 16, 0}, row, row);
}

/* ------------------------------------------------------------------------------------------------ append */

enum { TOKENS = 24, ROW = 128 };

/* What one kernel of append makes of rows, each element with its scale. */
struct appended {
  uint16_t rows[TOKENS * ROW]; /* bf16 */
  unsigned char codes[TOKENS * ROW];
  unsigned char scales[TOKENS * ROW * 4];
  uint32_t slots[TOKENS];
};

static void *uploaded(struct device *device, const void *data, size_t bytes) {
  void *memory = device_alloc(device, bytes);
  device_upload(device, memory, data, bytes);
  return memory;
}

static void append(struct device *device, const char *text, struct appended *rows) {
  fi_ctx *ctx;
  fi_kernel *kernel;
  fi_spec spec;
  cr_assert_eq(fi_ctx_create(NULL, &ctx), FI_OK, "%s", fi_last_error());
  cr_assert_eq(fi_spec_parse(text, &spec), FI_OK, "%s", fi_last_error());
  cr_assert_eq(fi_get_kernel(ctx, &spec, &kernel), FI_OK, "%s", fi_last_error());
  void *codes[2] = {device_alloc(device, sizeof rows->codes), device_alloc(device, sizeof rows->codes)};
  void *scales[2] = {device_alloc(device, sizeof rows->scales), device_alloc(device, sizeof rows->scales)};
  void *new = uploaded(device, rows->rows, sizeof rows->rows);
  const fi_tensors tensors = {.struct_size = sizeof tensors,
                              .k = {.data = codes[0], .scales = spec.kv_dtype >= FI_I8 ? scales[0] : NULL},
                              .v = {.data = codes[1], .scales = spec.kv_dtype >= FI_I8 ? scales[1] : NULL},
                              .k_new.data = new,
                              .v_new.data = new,
                              .slots = uploaded(device, rows->slots, sizeof rows->slots),
                              .tokens = TOKENS,
                              .heads = 1};
  cr_assert_eq(fi_run(kernel, &tensors, NULL, NULL), FI_OK, "%s: %s", text, fi_last_error());
  device_sync(device, NULL);
  device_download(device, rows->codes, codes[0], sizeof rows->codes);
  device_download(device, rows->scales, scales[0], sizeof rows->scales);
  cr_assert_not(device_failed(device), "%s", device->error);
  fi_ctx_destroy(ctx);
}

static double worth(const struct quantizing *quantizing, const struct appended *rows, size_t element) {
  const double code = dtype_decode(quantizing->dtype, rows->codes, element);
  if (quantizing->dtype == FI_I8)
    return code * dtype_decode(FI_F32, rows->scales, element / ROW);
  if (quantizing->dtype == FI_NVFP4)
    return code * dtype_decode(FI_E4M3, rows->scales, element / quantizing->group);
  if (quantizing->dtype != FI_I4)
    return code;
  uint16_t rounded;
  dtype_encode(FI_F16, code * dtype_decode(FI_F16, rows->scales, element / quantizing->group), &rounded, 0);
  return dtype_decode(FI_F16, &rounded, 0);
}

/* Rows of different sizes, each with an outlier. */
static void draw_rows(struct appended *rows) {
  random_state random = 11;
  random_normal(&random, FI_BF16, rows->rows, TOKENS * ROW);
  for (uint32_t t = 0; t < TOKENS; t++) {
    rows->slots[t] = t;
    for (uint32_t d = 0; d < ROW; d++) {
      const double factor = ldexp(1, (int)t / 2 - 6) * (d == t ? 40 : 1);
      dtype_encode(FI_BF16, factor * dtype_decode(FI_BF16, rows->rows, t * ROW + d), rows->rows, t * ROW + d);
    }
  }
}

/* The error that is printed is that of the cache that the library's own kernel writes. */
Test(quantize, as_append_does) {
  static const struct {
    const char *spec;
    struct quantizing quantizing;
  } types[] = {
      {"append slots=int32 kv=e4m3", {FI_E4M3, 0, 0}},
      {"append slots=int32 kv=e5m2", {FI_E5M2, 0, 0}},
      {"append slots=int32 kv=int8 scale=token", {FI_I8, 0, 0}},
      {"append slots=int32 kv=int4 scale_group=16", {FI_I4, 16, 0}},
      {"append slots=int32 kv=int4", {FI_I4, 32, 0}},
      {"append slots=int32 kv=int4 scale_group=64", {FI_I4, 64, 0}},
      {"append slots=int32 kv=nvfp4", {FI_NVFP4, 16, 0}},
  };
  static struct appended rows;
  struct device device;
  use_simulator();
  cr_assert(device_open(&device, NULL), "%s", device.error);
  draw_rows(&rows);
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    append(&device, types[i].spec, &rows);
    for (size_t t = 0; t < TOKENS; t++) {
      double row[ROW];
      for (size_t d = 0; d < ROW; d++)
        row[d] = dtype_decode(FI_BF16, rows.rows, t * ROW + d);
      quantize_row(&types[i].quantizing, row, ROW);
      for (size_t d = 0; d < ROW; d++) {
        const double stored = worth(&types[i].quantizing, &rows, t * ROW + d);
        cr_assert(fabs(stored - row[d]) <= 1e-6 * fabs(row[d]), "%s: element %zu of row %zu is %.9g, not %.9g",
                  types[i].spec, d, t, stored, row[d]);
      }
    }
  }
  device_close(&device);
}

/* ------------------------------------------------------------------------------------------------ errors */

static double error(const json_t *rows, size_t row, const char *key) {
  return bench_row_number(json_array_get(rows, row), key);
}

/* Rows in the order of the table: e4m3, e4m3 of the head, e5m2, int8, int8/int4, int4 of 16, 32, 64, nvfp4. */
Test(quality, errors_are_what_bits_allow) {
  enum { E4M3, E4M3_HEAD, E5M2, INT8, INT8_INT4, INT4_16, INT4_32, INT4_64, NVFP4, COUNT };
  json_t *rows = quality_rows(3);
  cr_assert_eq(json_array_size(rows), COUNT);
  /* rounding to 3 and 2 bits of mantissa: 2^-4 / sqrt(3) and half of it, less for what is just above a power of 2 */
  cr_expect(error(rows, E4M3, "k_random") > 0.02 && error(rows, E4M3, "k_random") < 0.036);
  cr_expect(error(rows, E5M2, "k_random") > 0.04 && error(rows, E5M2, "k_random") < 0.072);
  cr_expect(error(rows, INT8, "k_random") > 0.004 && error(rows, INT8, "k_random") < 0.01);
  cr_expect_lt(error(rows, INT4_16, "k_random"), error(rows, INT4_32, "k_random"));
  cr_expect_lt(error(rows, INT4_32, "k_random"), error(rows, INT4_64, "k_random"));
  for (size_t i = 0; i < COUNT; i++) {
    cr_expect(error(rows, i, "o_random") > 0 && error(rows, i, "o_random") < 0.3);
    const char *kv = bench_row_text(json_array_get(rows, i), "kv");
    const double loss = error(rows, i, "plain_outliers") / error(rows, i, "k_random");
    if (i <= E5M2)
      cr_expect(loss > 0.9 && loss < 1.1, "%s: floating point does not mind outliers: %g", kv, loss);
    else
      cr_expect_gt(loss, 4, "%s: a scale shared with an outlier costs the others their bits: %g", kv, loss);
  }
  json_decref(rows);
}

static struct output output;

Test(quality, by_the_command) {
  command(&output, "bench --quality -o json");
  expect_code(&output, 0);
  json_t *whole = json_loads(output.out, 0, NULL);
  cr_expect_str_eq(bench_row_text(whole, "schema"), "flashjit.bench.quality");
  cr_expect_eq(json_array_size(json_object_get(whole, "rows")), 9);
  json_decref(whole);
  command(&output, "bench --quality");
  expect_code(&output, 0);
  expect_text(output.out, "| nvfp4 ");
  command(&output, "bench --quality attention");
  expect_code(&output, 2);
  expect_text(output.err, "--quality goes with -o, --out and --seed alone");
}
