/*
 * To append what is stored again gives the same bits: for every quantised type and both types of new rows, where these
 * have what is stored as normal numbers.
 */
#include "flashjit.h"
#include "tests/dtypes.h"
#include "tools/common/device.h"
#include "tools/common/random.h"

#include "tests/cli/command.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Half of the rows are appended as K, the others as V. */
enum { DIM = 64, MAGNITUDES = 0x8000, MOST_ROWS = MAGNITUDES * 16 / DIM };

struct stored_type {
  const char *axes;
  uint32_t dtype;
  uint32_t scale_dtype; /* of the scales that append writes; FI_DTYPE_DEFAULT: it writes none */
  uint32_t group;       /* elements that have one of them */
  uint32_t rows;
  bool is_mixed; /* V is of another type, and not looked at */
};

/* Groups of 16 elements have every magnitude as their largest, and tokens some of all. */
static const struct stored_type types[] = {
    {"kv=e4m3", FI_E4M3, FI_DTYPE_DEFAULT, DIM, 512, false},
    {"kv=e5m2", FI_E5M2, FI_DTYPE_DEFAULT, DIM, 512, false},
    {"kv=e4m3 v=int4", FI_E4M3, FI_DTYPE_DEFAULT, DIM, 512, true},
    {"kv=e5m2 v=nvfp4", FI_E5M2, FI_DTYPE_DEFAULT, DIM, 512, true},
    {"kv=int8", FI_I8, FI_DTYPE_DEFAULT, DIM, 512, false},
    {"kv=int8 scale=token", FI_I8, FI_F32, DIM, 2048, false},
    {"kv=int4 scale_group=16", FI_I4, FI_F16, 16, MOST_ROWS, false},
    {"kv=nvfp4", FI_NVFP4, FI_E4M3, 16, MOST_ROWS, false},
};

enum { TYPES = sizeof types / sizeof *types };

/* New rows, and the cache that they are appended to, row by row. */
struct cache {
  const struct stored_type *type;
  uint32_t q_dtype;
  float scale; /* fi_kv.scale */
  uint16_t rows[MOST_ROWS * DIM];
  int32_t slots[MOST_ROWS / 2];
  unsigned char codes[MOST_ROWS * DIM];
  unsigned char scales[MOST_ROWS * DIM];
};

static size_t elements_of(const struct cache *cache) {
  return (size_t)cache->type->rows * DIM;
}

static size_t code_bytes(const struct cache *cache) {
  return elements_of(cache) * dtype_bits(cache->type->dtype) / 8;
}

static size_t scale_bytes(const struct cache *cache) {
  const uint32_t dtype = cache->type->scale_dtype;
  return dtype == FI_DTYPE_DEFAULT ? 0 : elements_of(cache) / cache->type->group * dtype_bytes(dtype);
}

/* The scale of an element that append wrote. */
static double own_scale(const struct cache *cache, size_t element) {
  const uint32_t dtype = cache->type->scale_dtype;
  return dtype == FI_DTYPE_DEFAULT ? 1 : dtype_decode(dtype, cache->scales, element / cache->type->group);
}

static double element_of(const struct cache *cache, size_t element) {
  return dtype_decode(cache->type->dtype, cache->codes, element);
}

/* ------------------------------------------------------------------------------------------------ appending */

static fi_kernel *get_kernel(fi_ctx *ctx, const struct cache *cache) {
  char text[FI_SPEC_TEXT_SIZE];
  fi_spec spec;
  fi_kernel *kernel;
  snprintf(text, sizeof text, "append slots=int32 hd=%d q=%s %s", DIM, dtype_name(cache->q_dtype), cache->type->axes);
  cr_assert_eq(fi_spec_parse(text, &spec), FI_OK, "%s", fi_last_error());
  cr_assert_eq(fi_get_kernel(ctx, &spec, &kernel), FI_OK, "%s", fi_last_error());
  return kernel;
}

static void *uploaded(struct device *device, const void *data, size_t bytes) {
  void *memory = device_alloc(device, bytes);
  device_upload(device, memory, data, bytes);
  return memory;
}

static void append(struct device *device, fi_kernel *kernel, struct cache *cache) {
  char *codes = uploaded(device, cache->codes, sizeof cache->codes);
  char *scales = uploaded(device, cache->scales, sizeof cache->scales);
  char *rows = uploaded(device, cache->rows, sizeof cache->rows);
  void *slots = uploaded(device, cache->slots, sizeof cache->slots);
  const bool has_scales = scale_bytes(cache) > 0;
  const fi_tensors tensors = {
      .struct_size = sizeof tensors,
      .k = {.data = codes, .scales = has_scales ? scales : NULL, .scale = cache->scale},
      .v = {.data = codes + code_bytes(cache) / 2,
            .scales = has_scales || cache->type->is_mixed ? scales + scale_bytes(cache) / 2 : NULL,
            .scale = cache->scale},
      .k_new.data = rows,
      .v_new.data = rows + elements_of(cache),
      .slots = slots,
      .tokens = cache->type->rows / 2,
      .heads = 1,
  };
  cr_assert_eq(fi_run(kernel, &tensors, NULL, NULL), FI_OK, "%s", fi_last_error());
  device_sync(device, NULL);
  device_download(device, cache->codes, codes, sizeof cache->codes);
  device_download(device, cache->scales, scales, sizeof cache->scales);
  device_free(device, codes);
  device_free(device, scales);
  device_free(device, rows);
  device_free(device, slots);
  cr_assert_not(device_failed(device), "%s", device->error);
}

/* ------------------------------------------------------------------------------------------------ rows */

/* Number `number` of the magnitudes of a type; 0 where that is not finite. */
static double magnitude_of(uint32_t dtype, uint32_t number) {
  const uint16_t code = (uint16_t)number;
  const double value = dtype_decode(dtype, &code, 0);
  return isfinite(value) ? value : 0;
}

/* The largest element of a group, of either sign, and others up to it. */
static void draw_group(struct cache *cache, random_state *random, size_t first, double largest) {
  const uint32_t extreme = random_below(random, cache->type->group);
  for (uint32_t d = 0; d < cache->type->group; d++) {
    const double part = d == extreme ? 1 : (double)random_below(random, 1 << 20) / (1 << 20);
    const double sign = random_below(random, 2) ? -1 : 1;
    dtype_encode(cache->q_dtype, sign * part * largest, cache->rows, first + d);
  }
}

/* Groups whose largest elements are spread evenly over all that are positive. */
static void draw_rows(struct cache *cache) {
  random_state random = 29;
  const uint32_t groups = (uint32_t)elements_of(cache) / cache->type->group;
  const uint32_t step = MAGNITUDES / groups;
  for (uint32_t g = 0; g < groups; g++)
    draw_group(cache, &random, (size_t)g * cache->type->group,
               magnitude_of(cache->q_dtype, g * step + random_below(&random, step)));
  for (uint32_t token = 0; token < cache->type->rows / 2; token++)
    cache->slots[token] = (int32_t)token;
}

static bool is_normal(uint32_t dtype, double value) {
  const double least = dtype_spacing(dtype, 0) / dtype_spacing(dtype, 1);
  return value == 0 || (fabs(value) >= least && fabs(value) <= dtype_largest(dtype));
}

/* Makes a new row of what is stored; false where q_dtype does not have that as normal numbers. */
static bool take_row(struct cache *cache, uint32_t row) {
  const double host = cache->scale > 0 ? (double)cache->scale : 1;
  bool is_taken = true;
  for (size_t i = (size_t)row * DIM; i < (size_t)(row + 1) * DIM; i++) {
    const double value = element_of(cache, i) * own_scale(cache, i) * host;
    is_taken = is_taken && is_normal(cache->q_dtype, value);
    dtype_encode(cache->q_dtype, value, cache->rows, i);
  }
  return is_taken;
}

/* Makes new rows of what is stored, where K and V of a token both can be; the others are left as they are. */
static void take_rows(struct cache *cache) {
  const uint32_t tokens = cache->type->rows / 2;
  uint32_t taken = 0;
  for (uint32_t token = 0; token < tokens; token++) {
    const bool has_key = take_row(cache, token);
    const bool has_value = cache->type->is_mixed || take_row(cache, tokens + token);
    cache->slots[token] = has_key && has_value ? (int32_t)token : -1;
    taken += has_key && has_value;
  }
  cr_assert_gt(taken, tokens / 8, "%s of %s: %u rows", cache->type->axes, dtype_name(cache->q_dtype), taken);
}

static void expect_same(const struct cache *cache, const struct cache *before) {
  const size_t compared = cache->type->is_mixed ? elements_of(cache) / 2 : elements_of(cache);
  for (size_t i = 0; i < compared; i++) {
    cr_assert_eq(own_scale(cache, i), own_scale(before, i), "%s of %s: the scale %g becomes %g", cache->type->axes,
                 dtype_name(cache->q_dtype), own_scale(before, i), own_scale(cache, i));
    cr_assert_eq(element_of(cache, i), element_of(before, i), "%s of %s: element %g of scale %g becomes %g",
                 cache->type->axes, dtype_name(cache->q_dtype), element_of(before, i), own_scale(before, i),
                 element_of(cache, i));
  }
  cr_assert_eq(memcmp(cache->codes, before->codes, compared * dtype_bits(cache->type->dtype) / 8), 0);
  cr_assert_eq(memcmp(cache->scales, before->scales, scale_bytes(cache)), 0);
}

/* Attention rounds element * scale to f16, which is exact for what append writes. */
static void expect_products(const struct cache *cache) {
  for (size_t i = 0; i < elements_of(cache); i++) {
    const double product = element_of(cache, i) * own_scale(cache, i);
    uint16_t rounded;
    dtype_encode(FI_F16, product, &rounded, 0);
    cr_assert_eq(dtype_decode(FI_F16, &rounded, 0), product, "element %g times the scale %g", element_of(cache, i),
                 own_scale(cache, i));
  }
}

static void append_twice(struct device *device, fi_kernel *kernel, struct cache *cache) {
  static struct cache before;
  draw_rows(cache);
  append(device, kernel, cache);
  if (cache->type->dtype == FI_I4)
    expect_products(cache);
  before = *cache;
  take_rows(cache);
  append(device, kernel, cache);
  expect_same(cache, &before);
}

Test(append_again, same_bits, .init = use_simulator) {
  static const uint32_t query_types[] = {FI_F16, FI_BF16};
  static const float scales[] = {0, 0x1.555556p1f}; /* none, and one with all the bits that a float has */
  static struct cache cache;
  struct device device;
  fi_ctx *ctx;
  cr_assert(device_open(&device, NULL), "%s", device.error);
  cr_assert_eq(fi_ctx_create(NULL, &ctx), FI_OK, "%s", fi_last_error());
  for (size_t i = 0; i < TYPES * 4; i++) {
    cache.type = &types[i / 4];
    cache.q_dtype = query_types[i % 2];
    cache.scale = scales[i / 2 % 2];
    append_twice(&device, get_kernel(ctx, &cache), &cache);
  }
  fi_ctx_destroy(ctx);
  device_close(&device);
}
