/*
 * Tokens of a cache as bytes that were worked out by hand: what append writes of vLLM's 656 bytes ("fp8_ds_mla"), of
 * DeepSeek-V4's 584, and of int4 and nvfp4, where values lie halfway between two codes, too; and what attention reads
 * from them. A plain program on the simulator; exits with 77, which is skipping, without a compiler.
 */
#include "tools/common/device.h"

#include <flashjit.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  PAGE = 64,
  PAGES = 4,
  PAGE_OF_TOKEN = 2,
  TOKEN = 5, /* of the page, and of its request */
  UNTOUCHED = 0xa5,
  MOST_GROUPS = 7,
  MOST_ELEMENTS = 16,
  MOST_DIM = 576,
  WIDE = 64,
  PAGE_BYTES = 64 * 656, /* at most */
  SKIPPED = 77
};

/* A value of a new row, the code that it becomes, and what that is worth with its scale. */
struct element {
  float value;
  unsigned code;
  float worth;
};

/* The first elements of a group; the others are 0. The bytes of a scale as they are in memory. */
struct group {
  unsigned char scale[4];
  struct element of[MOST_ELEMENTS];
};

/* Codes of e4m3 are sign, 4 bits of exponent + 7 and 3 of mantissa. Numbers that are not on the left of a comment
 * below are halfway between two codes, of which the even one is right. */
static const struct group groups_of_float[4] = {
    {{0, 0, 0x80, 0x3f}, /* 448 / 448 */
     {{448, 0x7e, 448},
      {1.0625f, 0x38, 1}, /* between 1 and 1.125 */
      {1.1875f, 0x3a, 1.25f},
      {1.0703125f, 0x39, 1.125f}, /* just above the half */
      {-1.0625f, 0xb8, -1},
      {17, 0x58, 16}, /* between 16 and 18 */
      {19, 0x5a, 20},
      {400, 0x7c, 384},
      {432, 0x7e, 448},
      {0x1p-10f, 0, 0}, /* between 0 and the least subnormal */
      {0x1.8p-9f, 0x02, 0x1p-8f},
      {-0x1p-9f, 0x81, -0x1p-9f}}},
    {{0, 0, 0, 0x3e}, {{56, 0x7e, 56}, {-56, 0xfe, -56}, {0.1328125f, 0x38, 0.125f}}},      /* 56 / 448 = 0.125 */
    {{0xb7, 0x6d, 0xdb, 0x3b}, {{1.5f, 0x76, 1.5f}, {3, 0x7e, 3}, {-0.75f, 0xee, -0.75f}}}, /* 3 / 448, rounded */
    {{0, 0, 0x80, 0}, {{-0.0f, 0x80, 0}}},                                                  /* 2^-126 where all are 0 */
};

/* The least power of two by which all are at most 448, as exponent + 127. */
static const struct group groups_of_e8m0[7] = {
    {{127},
     {{448, 0x7e, 448},
      {1.0625f, 0x38, 1},
      {1.1875f, 0x3a, 1.25f},
      {19, 0x5a, 20},
      {432, 0x7e, 448},
      {0x1p-10f, 0, 0},
      {0x1.8p-9f, 0x02, 0x1p-8f}}},
    {{128}, {{450, 0x76, 448}, {34, 0x58, 32}, {-38, 0xda, -40}}}, /* 225, 17 and -19 times 2 */
    {{117}, {{0.4375f, 0x7e, 0.4375f}}},                           /* 448 * 2^-10 */
    {{127}, {{256, 0x78, 256}}},
    {{128}, {{512, 0x78, 512}, {-896, 0xfe, -896}}},
    {{1}, {{-0.0f, 0x80, 0}}},
    {{127}, {{240, 0x77, 240}, {-232, 0xf6, -224}}}, /* -232 is between -224 and -240 */
};

/* NaN is in no scale, and an infinity in it as the largest float, of which 2^128 / 448 takes 2^120. */
static const struct group groups_of_no_numbers[7] = {
    {{125}, {{NAN, 0x7f, 0}, {112, 0x7e, 0}, {-28, 0xee, 0}}},
    {{247}, {{INFINITY, 0x7e, 0}, {-INFINITY, 0xfe, 0}, {1, 0, 0}}},
    {{1}, {{0, 0, 0}}},
    {{1}, {{0, 0, 0}}},
    {{1}, {{0, 0, 0}}},
    {{1}, {{0, 0, 0}}},
    {{1}, {{0, 0, 0}}},
};

/* Where a token's parts are, in bytes. */
struct token_layout {
  const char *spec; /* all but the op */
  uint32_t dims;    /* with scales */
  uint32_t group_dims;
  uint32_t scale_bytes;
  uint32_t page_bytes;
  uint32_t token_bytes; /* from one token's elements to the next one's */
  uint32_t wide_at;     /* from the elements of a token on */
  uint32_t scales_at;   /* of the first token of a page */
  uint32_t scale_token_bytes;
};

/* A token: 512 e4m3, 4 floats, 64 bf16. */
static const struct token_layout of_656 = {
    "hd=576 v_dim=512 v_source=keys kv=e4m3 scale=groups page=64", 512, 128, 4, 64 * 656, 656, 528, 512, 656};
/* A page: 64 times 448 e4m3 and 64 bf16, then 64 times 7 bytes of scales and one that means nothing; 36,864 + 512
 * bytes, filled up to 65 * 576. */
static const struct token_layout of_584 = {
    "hd=512 v_dim=512 v_source=keys kv=e4m3 scale=e8m0 page=64", 448, 64, 1, 65 * 576, 576, 448, 64 * 576, 8};

struct scene {
  struct device device;
  fi_ctx *ctx;
  int failures;
};

static void check(struct scene *scene, bool holds, const char *what) {
  if (!holds)
    printf("FAILED %s: %s %s\n", what, fi_last_error(), scene->device.error);
  scene->failures += !holds;
}

static fi_kernel *kernel_of(struct scene *scene, const char *op, const char *spec_text, const char *more) {
  char text[FI_SPEC_TEXT_SIZE];
  fi_spec spec;
  fi_kernel *kernel;
  snprintf(text, sizeof text, "%s %s %s", op, spec_text, more);
  fi_status status = fi_spec_parse(text, &spec);
  if (!status)
    status = fi_get_kernel(scene->ctx, &spec, &kernel);
  if (!status)
    return kernel;
  printf("%s: %s\n", text, fi_last_error());
  exit(status == FI_ERROR_NO_COMPILER ? SKIPPED : EXIT_FAILURE);
}

static void *uploaded(struct scene *scene, const void *content, size_t bytes) {
  void *memory = device_alloc(&scene->device, bytes);
  device_upload(&scene->device, memory, content, bytes);
  return memory;
}

/* -------------------------------------------------------------------------------- wide tokens */

static uint16_t bf16_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return (uint16_t)(bits >> 16); /* all values here have no more */
}

static float float_of(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

/* Wide dims are any numbers, which are copied. */
static uint16_t wide_bits(uint32_t dim) {
  return (uint16_t)(0x3f80 + dim);
}

static void put_row(const struct token_layout *layout, const struct group *groups, uint16_t row[MOST_DIM]) {
  memset(row, 0, MOST_DIM * sizeof *row);
  for (uint32_t dim = 0; dim < layout->dims; dim++) {
    const uint32_t i = dim % layout->group_dims;
    if (i < MOST_ELEMENTS)
      row[dim] = bf16_of(groups[dim / layout->group_dims].of[i].value);
  }
  for (uint32_t i = 0; i < WIDE; i++)
    row[layout->dims + i] = wide_bits(i);
}

/* The token in a page: nothing else of it is written. */
static void put_token(const struct token_layout *layout, const struct group *groups, unsigned char *page) {
  unsigned char *codes = page + TOKEN * layout->token_bytes;
  unsigned char *scales = page + layout->scales_at + TOKEN * layout->scale_token_bytes;
  memset(codes, 0, layout->dims);
  for (uint32_t g = 0; g < layout->dims / layout->group_dims; g++) {
    for (uint32_t i = 0; i < MOST_ELEMENTS; i++)
      codes[g * layout->group_dims + i] = (unsigned char)groups[g].of[i].code;
    memcpy(scales + g * layout->scale_bytes, groups[g].scale, layout->scale_bytes);
  }
  for (uint32_t i = 0; i < WIDE; i++) {
    codes[layout->wide_at + 2 * i] = (unsigned char)wide_bits(i);
    codes[layout->wide_at + 2 * i + 1] = (unsigned char)(wide_bits(i) >> 8);
  }
}

static fi_tensors cache_of(const struct token_layout *layout, unsigned char *pages) {
  return (fi_tensors){.struct_size = sizeof(fi_tensors),
                      .k = {.data = pages,
                            .page_stride = layout->page_bytes,
                            .token_stride = layout->token_bytes,
                            .scales = pages + layout->scales_at,
                            .scale_page_stride = layout->page_bytes / layout->scale_bytes,
                            .scale_token_stride = layout->scale_token_bytes / layout->scale_bytes},
                      .v = {.data = pages + layout->wide_at,
                            .page_stride = layout->page_bytes / 2,
                            .token_stride = layout->token_bytes / 2}};
}

/* Appends the row to the pages, which hold `before` everywhere, and compares all of their bytes. */
static void check_append(struct scene *scene, const struct token_layout *layout, const struct group *groups,
                         const char *what) {
  static unsigned char expected[PAGES * PAGE_BYTES], found[sizeof expected];
  const size_t bytes = (size_t)PAGES * layout->page_bytes;
  const int32_t slot = PAGE_OF_TOKEN * PAGE + TOKEN;
  uint16_t row[MOST_DIM];
  put_row(layout, groups, row);
  uint16_t *new_row = uploaded(scene, row, sizeof row);
  unsigned char *pages = device_alloc(&scene->device, bytes);
  device_fill(&scene->device, pages, UNTOUCHED, bytes);
  fi_tensors tensors = cache_of(layout, pages);
  tensors.k_new = (fi_kv){.data = new_row, .token_stride = MOST_DIM};
  tensors.v_new = (fi_kv){.data = new_row + layout->dims, .token_stride = MOST_DIM};
  tensors.slots = uploaded(scene, &slot, sizeof slot);
  tensors.tokens = 1;
  tensors.heads = 1;
  fi_kernel *append = kernel_of(scene, "append", layout->spec, "slots=int32");
  check(scene, fi_run(append, &tensors, NULL, NULL) == FI_OK, what);
  device_sync(&scene->device, NULL);
  device_download(&scene->device, found, pages, bytes);

  memset(expected, UNTOUCHED, bytes);
  put_token(layout, groups, expected + PAGE_OF_TOKEN * layout->page_bytes);
  size_t at = 0;
  while (at < bytes && found[at] == expected[at])
    at++;
  if (at < bytes)
    printf("byte %zu of page %zu is 0x%02x, it should be 0x%02x\n", at % layout->page_bytes, at / layout->page_bytes,
           found[at], expected[at]);
  check(scene, at == bytes, what);
  device_free(&scene->device, pages);
}

/* A query token whose window is its own token: O is V, and so what the elements of K are worth. */
static void check_attention(struct scene *scene, const struct token_layout *layout, const struct group *groups) {
  enum { V_DIM = 512 };
  const int32_t kv_len = TOKEN + 1, page_table = PAGE_OF_TOKEN;
  unsigned char *pages = calloc(PAGES, layout->page_bytes);
  uint16_t row[MOST_DIM] = {0}, o[V_DIM];
  put_token(layout, groups, pages + PAGE_OF_TOKEN * layout->page_bytes);
  fi_kernel *attention = kernel_of(scene, "attention", layout->spec, "left=1");
  fi_workspace workspace = {
      .struct_size = sizeof workspace, .max_requests = 1, .max_tokens = 1, .max_kv_len = PAGE, .kv_heads = 1};
  check(scene, fi_workspace_size(attention, &workspace) == FI_OK, layout->spec);
  workspace.memory = device_alloc(&scene->device, workspace.bytes);
  workspace.scratch = device_alloc(&scene->device, workspace.scratch_bytes);
  const fi_batch batch = {.struct_size = sizeof batch,
                          .requests = 1,
                          .kv_len = uploaded(scene, &kv_len, sizeof kv_len),
                          .page_table = uploaded(scene, &page_table, sizeof page_table),
                          .page_table_stride = 1};
  check(scene, fi_plan(attention, &batch, &workspace, NULL) == FI_OK, layout->spec);
  fi_tensors tensors = cache_of(layout, uploaded(scene, pages, (size_t)PAGES * layout->page_bytes));
  tensors.q = uploaded(scene, row, sizeof row);
  tensors.o = device_alloc(&scene->device, sizeof o);
  check(scene, fi_run(attention, &tensors, &workspace, NULL) == FI_OK, layout->spec);
  device_sync(&scene->device, NULL);
  device_download(&scene->device, o, tensors.o, sizeof o);
  for (uint32_t dim = 0; dim < V_DIM; dim++) {
    const uint32_t i = dim % layout->group_dims;
    const bool is_wide = dim >= layout->dims;
    const float worth = is_wide             ? float_of(wide_bits(dim - layout->dims))
                        : i < MOST_ELEMENTS ? groups[dim / layout->group_dims].of[i].worth
                                            : 0;
    if (float_of(o[dim]) != worth)
      printf("dim %u of O is %g, it should be %g\n", dim, (double)float_of(o[dim]), (double)worth);
    scene->failures += float_of(o[dim]) != worth;
  }
  free(pages);
}

/* -------------------------------------------------------------------------------- 4 bits */

/* Codes of int4 are two's complement, those of nvfp4 sign, 2 bits of exponent + 1, and one of mantissa. */
static const struct group of_int4[2] = {
    {{0, 0x3c}, /* -8 / -8 = 1, in f16 */
     {{-8, 8, 0},
      {8, 7, 0},
      {0.5f, 0, 0},
      {1.5f, 2, 0},
      {2.5f, 2, 0},
      {-0.5f, 0, 0},
      {-1.5f, 14, 0},
      {-2.5f, 14, 0},
      {6.5f, 6, 0},
      {7.5f, 7, 0},
      {NAN, 0, 0}}},
    {{0x10, 0xbc}, {{8.0625f, 8, 0}, {0, 0, 0}}}, /* -1.0078125 is halfway between two of 7 bits: -1.015625 */
};
static const struct group of_nvfp4[2] = {
    {{0x38}, /* 6 / 6 = 1 */
     {{6, 7, 0},
      {0.25f, 0, 0},
      {0.75f, 2, 0},
      {1.25f, 2, 0},
      {1.75f, 4, 0},
      {2.5f, 4, 0},
      {3.5f, 6, 0},
      {5, 6, 0},
      {-0.25f, 8, 0},
      {-0.75f, 10, 0},
      {-5, 14, 0},
      {NAN, 0, 0}}},
    {{0x38}, {{6.375f, 7, 0}, {-3, 13, 0}}}, /* 1.0625 is halfway between 1 and 1.125 */
};

struct nibbles {
  const char *spec;
  uint32_t group_dims;
  uint32_t scale_bytes;
  const struct group *groups; /* for the first dims of a row; the others are 0 */
  unsigned char scale_of_zeros[2];
};

static const struct nibbles nibbles[] = {
    {"hd=64 kv=int4", 32, 2, of_int4, {0, 0x04}},     /* 2^-14 */
    {"hd=64 kv=nvfp4", 16, 1, of_nvfp4, {0x08, 0x00}} /* 2^-6 */
};

static void put_nibbles(const struct nibbles *kind, uint16_t row[64], unsigned char codes[32], unsigned char *scales) {
  memset(row, 0, 64 * sizeof *row);
  memset(codes, 0, 32);
  for (uint32_t g = 0; g < 64 / kind->group_dims; g++) {
    const struct group *group = g < 2 ? &kind->groups[g] : NULL;
    memcpy(scales + g * kind->scale_bytes, group ? group->scale : kind->scale_of_zeros, kind->scale_bytes);
    for (uint32_t i = 0; group && i < MOST_ELEMENTS; i++) {
      const uint32_t dim = g * kind->group_dims + i;
      row[dim] = bf16_of(group->of[i].value);
      codes[dim / 2] |= (unsigned char)(group->of[i].code << dim % 2 * 4);
    }
  }
}

/* K and V of one token, in row 0 of a cache without pages. */
static void check_nibbles(struct scene *scene, const struct nibbles *kind) {
  enum { ROW = 32, SCALES = 4 };
  const int32_t slot = 0;
  uint16_t row[64];
  unsigned char codes[ROW], scales[SCALES], found_codes[ROW], found_scales[SCALES];
  put_nibbles(kind, row, codes, scales);
  fi_tensors tensors = {.struct_size = sizeof tensors,
                        .k = {.data = device_alloc(&scene->device, ROW), .scales = device_alloc(&scene->device, 16)},
                        .v = {.data = device_alloc(&scene->device, ROW), .scales = device_alloc(&scene->device, 16)},
                        .k_new.data = uploaded(scene, row, sizeof row),
                        .slots = uploaded(scene, &slot, sizeof slot),
                        .tokens = 1,
                        .heads = 1};
  tensors.v_new.data = tensors.k_new.data;
  fi_kernel *append = kernel_of(scene, "append", kind->spec, "slots=int32");
  check(scene, fi_run(append, &tensors, NULL, NULL) == FI_OK, kind->spec);
  device_sync(&scene->device, NULL);
  const fi_kv *sides[] = {&tensors.k, &tensors.v};
  for (int i = 0; i < 2; i++) {
    device_download(&scene->device, found_codes, sides[i]->data, ROW);
    device_download(&scene->device, found_scales, sides[i]->scales, SCALES);
    for (int b = 0; b < ROW; b++) {
      if (found_codes[b] != codes[b])
        printf("%s: byte %d is 0x%02x, it should be 0x%02x\n", kind->spec, b, found_codes[b], codes[b]);
    }
    check(scene, memcmp(found_codes, codes, ROW) == 0, kind->spec);
    check(scene, memcmp(found_scales, scales, 64 / kind->group_dims * kind->scale_bytes) == 0, "scales of groups");
  }
}

int main(void) {
  static struct scene scene;
  const fi_options options = {.struct_size = sizeof options, .driver = "sim", .nvrtc = TEST_NVRTC, .cache_dir = ""};
  check(&scene, device_open(&scene.device, "sim") && fi_ctx_create(&options, &scene.ctx) == FI_OK, "the simulator");
  check_append(&scene, &of_656, groups_of_float, "tokens of 656 bytes");
  check_append(&scene, &of_584, groups_of_e8m0, "tokens of 584 bytes");
  check_append(&scene, &of_584, groups_of_no_numbers, "NaN and infinities");
  check_attention(&scene, &of_656, groups_of_float);
  check_attention(&scene, &of_584, groups_of_e8m0);
  for (size_t i = 0; i < sizeof nibbles / sizeof *nibbles; i++)
    check_nibbles(&scene, &nibbles[i]);
  check(&scene, !device_failed(&scene.device), "the device");
  fi_ctx_destroy(scene.ctx);
  printf("bytes of tokens: %s\n", scene.failures ? "FAILED" : "passed");
  return scene.failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
