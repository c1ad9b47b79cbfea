/* Bulk copies: boxes of every shape and swizzle against a computation of where each element lies, stores and
 * reductions, and what goes wrong with copies in flight. */
#include "fixture.h"
#include "ptx_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define U16 CU_TENSOR_MAP_DATA_TYPE_UINT16, 2
#define U8 CU_TENSOR_MAP_DATA_TYPE_UINT8, 1
#define F32 CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 4
#define BF16 CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2
#define S32 CU_TENSOR_MAP_DATA_TYPE_INT32, 4

/* An mbarrier at 8192; copies go to the start of shared memory. */
#define INIT                                                                                                           \
  "@%first mbarrier.init.shared::cta.b64 [%m+8192], 1;\n@%first fence.mbarrier_init.release.cluster;\nbar.sync 0;\n"
#define EXPECT(bytes) "@%first mbarrier.arrive.expect_tx.shared::cta.b64 _, [%m+8192], " #bytes ";\n"
#define WAIT "{ W: mbarrier.try_wait.parity.shared::cta.b64 %p0, [%m+8192], 0; @%p0 bra D; bra W; D: }\n"
#define LOAD "shl.b32 %r1, %t, 2; add.u32 %r1, %r1, %m; ld.shared.u32 %r0, [%r1];\n"
#define STORE "shl.b32 %r1, %t, 2; add.u32 %r1, %r1, %m; add.u32 %r2, %t, 7000; st.shared.u32 [%r1], %r2;\n"
#define BULK(bytes)                                                                                                    \
  "@%first cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%m], [%data], " #bytes ", [%m+8192];\n"
#define TENSOR_1D                                                                                                      \
  "mov.u32 %r10, 0; @%first cp.async.bulk.tensor.1d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%m], "   \
  "[%map, {%r10}], [%m+8192];\n"

struct box_case {
  const char *what;
  struct ptx_map map;
  int at[PTX_MAX_RANK];
};

static const struct box_case boxes[] = {
    {"a row", {U16, 1, .dims = {512}, .box = {128}}, {40}},
    {"a row past the end", {U16, 1, .dims = {512}, .box = {128}}, {448}},
    {"a row before the beginning", {U16, 1, .dims = {512}, .box = {128}}, {-24}},
    {"a row that is all outside", {U16, 1, .dims = {512}, .box = {128}}, {512}},
    {"bytes", {U8, 2, .dims = {64, 40}, .box = {32, 8}}, {8, 3}},
    {"no swizzle", {U16, 2, .dims = {256, 64}, .box = {64, 16}}, {32, 5}},
    {"a swizzle of 32 bytes",
     {U16, 2, .dims = {256, 64}, .box = {16, 24}, .swizzle = CU_TENSOR_MAP_SWIZZLE_32B},
     {8, 7}},
    {"a swizzle of 64 bytes",
     {U16, 2, .dims = {256, 64}, .box = {32, 24}, .swizzle = CU_TENSOR_MAP_SWIZZLE_64B},
     {8, 7}},
    {"a swizzle of 128 bytes",
     {U16, 2, .dims = {256, 64}, .box = {64, 24}, .swizzle = CU_TENSOR_MAP_SWIZZLE_128B},
     {8, 7}},
    {"words with a swizzle",
     {F32, 2, .dims = {64, 64}, .box = {32, 16}, .swizzle = CU_TENSOR_MAP_SWIZZLE_128B},
     {4, 60}},
    {"columns past the end, as of a head of 72",
     {U16, 2, .dims = {72, 64}, .strides = {160}, .box = {64, 16}, .swizzle = CU_TENSOR_MAP_SWIZZLE_128B},
     {64, 2}},
    {"rows before and after the tensor", {U16, 2, .dims = {64, 5}, .box = {64, 16}}, {0, -6}},
    {"NaN outside", {BF16, 2, .dims = {64, 5}, .box = {64, 16}, .nan = true}, {8, -2}},
    {"NaN words outside", {F32, 1, .dims = {100}, .box = {64}, .nan = true}, {72}},
    {"three dimensions", {U16, 3, .dims = {64, 6, 20}, .box = {64, 1, 12}}, {0, 4, 11}},
    {"a stride less than the one before",
     {U16, 4, .dims = {64, 16, 4, 2}, .strides = {512, 128, 8192}, .box = {64, 12, 1, 1},
      .swizzle = CU_TENSOR_MAP_SWIZZLE_128B},
     {0, 3, 2, 1}},
    {"pages: a box of a part of a page",
     {U16, 4, .dims = {64, 4, 16, 8}, .box = {64, 1, 8, 1}, .swizzle = CU_TENSOR_MAP_SWIZZLE_128B},
     {0, 2, 8, 5}},
    {"five dimensions", {U16, 5, .dims = {16, 3, 4, 5, 6}, .box = {16, 2, 2, 2, 3}}, {0, 2, -1, 1, 4}},
    {"every second row", {U16, 2, .dims = {64, 64}, .box = {64, 15}, .steps = {1, 2}}, {0, 9}},
    {"steps in the first dimension do nothing", {U16, 2, .dims = {64, 64}, .box = {64, 8}, .steps = {3, 1}}, {0, 9}},
};

static const struct box_case *current;

static uint32_t rows_of(const struct ptx_map *map) {
  uint32_t rows = 1;
  for (unsigned d = 1; d < map->rank; d++)
    rows *= (map->box[d] + (map->steps[d] ? map->steps[d] : 1) - 1) / (map->steps[d] ? map->steps[d] : 1);
  return rows;
}

/* The byte of the data at a place of the tensor; what is outside is 0 or NaN. */
static uint8_t tensor_byte(const struct ptx_map *map, const int64_t *at, uint32_t byte) {
  static const uint8_t nan_words[] = {0xff, 0xff, 0xff, 0x7f};
  static const uint8_t nan_halves[] = {0xff, 0x7f};
  uint64_t offset = byte;
  uint64_t dense = map->element_bytes;
  for (unsigned d = 0; d < map->rank; d++) {
    uint64_t stride = d == 0 ? dense : map->strides[d - 1] ? map->strides[d - 1] : dense;
    if (at[d] < 0 || (uint64_t)at[d] >= map->dims[d])
      return !map->nan ? 0 : map->element_bytes == 4 ? nan_words[byte] : nan_halves[byte];
    offset += (uint64_t)at[d] * stride;
    dense *= map->dims[d];
  }
  return (uint8_t)((uint32_t)(offset / 4) >> (8 * (offset % 4)));
}

/* The chunk of 16 bytes of a row that lies where chunk `chunk` would without the swizzle. */
static uint32_t swizzled_chunk(const struct ptx_map *map, uint32_t row, uint32_t chunk) {
  switch (map->swizzle) {
  case CU_TENSOR_MAP_SWIZZLE_32B:
    return chunk ^ row / 4 % 2;
  case CU_TENSOR_MAP_SWIZZLE_64B:
    return chunk ^ row / 2 % 4;
  case CU_TENSOR_MAP_SWIZZLE_128B:
    return chunk ^ row % 8;
  default:
    return chunk;
  }
}

static uint32_t box_word(uint32_t thread) {
  const struct ptx_map *map = &current->map;
  uint32_t row_bytes = map->box[0] * map->element_bytes;
  uint32_t word = 0;
  for (uint32_t i = 0; i < 4; i++) {
    uint32_t row = (thread * 4 + i) / row_bytes;
    uint32_t in_row = (thread * 4 + i) % row_bytes;
    in_row = swizzled_chunk(map, row, in_row / 16) * 16 + in_row % 16;
    int64_t at[PTX_MAX_RANK] = {current->at[0] + (int64_t)(in_row / map->element_bytes)};
    uint32_t rest = row;
    for (unsigned d = 1; d < map->rank; d++) {
      uint32_t step = map->steps[d] ? map->steps[d] : 1;
      uint32_t count = (map->box[d] + step - 1) / step;
      at[d] = current->at[d] + (int64_t)(rest % count) * step;
      rest /= count;
    }
    word |= (uint32_t)tensor_byte(map, at, in_row % map->element_bytes) << (8 * i);
  }
  return word;
}

static void coordinates(char *text, size_t bytes, const struct box_case *box) {
  size_t used = 0;
  for (unsigned d = 0; d < box->map.rank; d++)
    used += (size_t)snprintf(text + used, bytes - used, "%s%d", d ? ", " : "", box->at[d]);
}

Test(gpusim_tensor, boxes) {
  for (size_t i = 0; i < COUNT(boxes); i++) {
    char body[1024];
    char at[64];
    current = &boxes[i];
    uint32_t bytes = rows_of(&current->map) * current->map.box[0] * current->map.element_bytes;
    coordinates(at, sizeof at, current);
    snprintf(body, sizeof body,
             "%s@%%first mbarrier.arrive.expect_tx.shared::cta.b64 _, [%%m+8192], %u;\n"
             "@%%first cp.async.bulk.tensor.%ud.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%%m], "
             "[%%map, {%s}], [%%m+8192];\n%s",
             INIT, bytes, current->map.rank, at, WAIT LOAD);
    const struct ptx_case c = {current->what, bytes / 4, body, CUDA_SUCCESS, NULL, box_word, &current->map};
    ptx_cases_run(&c, 1);
  }
}

static uint32_t same(uint32_t thread) {
  return thread;
}

static uint32_t stored(uint32_t thread) {
  return thread + 7000;
}

static uint32_t added(uint32_t thread) {
  return thread < 100 ? thread + thread + 7000 : thread;
}

static uint32_t largest(uint32_t thread) {
  return thread + 7000;
}

static uint32_t added_float(uint32_t thread) {
  (void)thread;
  return 0x40400000; /* 1 + 2 */
}

static uint32_t in_the_box(uint32_t thread) {
  return thread / 16 < 4 ? thread + 7000 : thread;
}

static uint32_t gathered(uint32_t thread) {
  return thread * 4;
}

static const struct ptx_map row_map = {U16, 1, .dims = {2048}, .box = {128}};
static const struct ptx_map word_map = {S32, 1, .dims = {100}, .box = {128}};
static const struct ptx_map store_map = {U16, 2, .dims = {32, 4}, .box = {32, 8}, .swizzle = CU_TENSOR_MAP_SWIZZLE_64B};
static const struct ptx_map wide_map = {U16, 1, .dims = {60000}, .box = {128}};
static const struct ptx_map early_map = {U16, 1, .dims = {2048}, .box = {128}, .early = UINT64_C(1) << 33};
static const struct ptx_map narrow_map = {U16, 2, .dims = {32, 32}, .box = {32, 8},
                                          .swizzle = CU_TENSOR_MAP_SWIZZLE_128B};

#define READ_BACK "shl.b32 %r1, %t, 2; cvt.u64.u32 %d0, %r1; add.u64 %d0, %d0, %data; ld.global.u32 %r0, [%d0];\n"
#define SHARE "fence.proxy.async.shared::cta; bar.sync 0;\n"
#define COMMIT "@%first cp.async.bulk.commit_group;\n"
#define STORE_1D                                                                                                       \
  "mov.u32 %r10, 0; @%first cp.async.bulk.tensor.1d.global.shared::cta.tile.bulk_group [%map, {%r10}], [%m];\n"
#define LATER "@%first fence.acq_rel.gpu; bar.sync 0;\n"

/* The swizzle of 64 bytes, by hand. */
#define STORE_SWIZZLED                                                                                                 \
  "shr.u32 %r3, %t, 4; shr.u32 %r4, %r3, 1; and.b32 %r4, %r4, 3; shr.u32 %r5, %t, 2; and.b32 %r5, %r5, 3; xor.b32 "    \
  "%r5, %r5, %r4; and.b32 %r6, %t, 3; shl.b32 %r1, %r3, 6; shl.b32 %r5, %r5, 4; add.u32 %r1, %r1, %r5; shl.b32 %r6, "  \
  "%r6, 2; add.u32 %r1, %r1, %r6; add.u32 %r1, %r1, %m; add.u32 %r2, %t, 7000; st.shared.u32 [%r1], %r2;\n"

static const struct ptx_case right[] = {
    {"bytes in a row", 64, INIT EXPECT(256) BULK(256) WAIT LOAD, CUDA_SUCCESS, NULL, same, NULL},
    {"two copies of one phase", 64,
     INIT EXPECT(256) BULK(
         128) "@%first cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%m+128], [%data+128], 128, "
              "[%m+8192];\n" WAIT LOAD,
     CUDA_SUCCESS, NULL, same, NULL},
    {"a copy before its bytes are expected", 64, INIT BULK(256) EXPECT(256) WAIT LOAD, CUDA_SUCCESS, NULL, same, NULL},
    {"a store of bytes in a row", 64,
     STORE SHARE "@%first cp.async.bulk.global.shared::cta.bulk_group [%data], [%m], 256;\n" COMMIT
                 "@%first cp.async.bulk.wait_group 0;\n" LATER READ_BACK,
     CUDA_SUCCESS, NULL, stored, NULL},
    {"a store of a box, clipped", 128,
     STORE_SWIZZLED SHARE "mov.u32 %r10, 0; @%first cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%map, "
                          "{%r10, %r10}], [%m];\n" COMMIT "@%first cp.async.bulk.wait_group 0;\n" LATER READ_BACK,
     CUDA_SUCCESS, NULL, in_the_box, &store_map},
    {"a sum into a tensor, clipped", 128,
     STORE SHARE
     "mov.u32 %r10, 0; @%first cp.reduce.async.bulk.tensor.1d.global.shared::cta.add.tile.bulk_group [%map, "
     "{%r10}], [%m];\n" COMMIT "@%first cp.async.bulk.wait_group 0;\n" LATER READ_BACK,
     CUDA_SUCCESS, NULL, added, &word_map},
    {"the larger of words", 64,
     STORE SHARE "@%first cp.reduce.async.bulk.global.shared::cta.bulk_group.max.u32 [%data], [%m], 256;\n" COMMIT
                 "@%first cp.async.bulk.wait_group 0;\n" LATER READ_BACK,
     CUDA_SUCCESS, NULL, largest, NULL},
    {"a sum of floats", 64,
     "mov.b32 %r2, 0f3F800000; shl.b32 %r1, %t, 2; cvt.u64.u32 %d0, %r1; add.u64 %d0, %d0, %data; st.global.u32 [%d0], "
     "%r2; add.u32 %r1, %r1, %m; mov.b32 %r2, 0f40000000; st.shared.u32 [%r1], %r2; fence.proxy.async;\n" SHARE
     "@%first cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%data], [%m], 256;\n" COMMIT
     "@%first cp.async.bulk.wait_group 0;\n" LATER READ_BACK,
     CUDA_SUCCESS, NULL, added_float, NULL},
    {"the source used again after the read", 64,
     STORE SHARE STORE_1D COMMIT "@%first cp.async.bulk.wait_group.read 0;\nbar.sync 0;\n" STORE
                                 "ld.shared.u32 %r0, [%r1];\n",
     CUDA_SUCCESS, NULL, stored, &row_map},
    {"a copy into what was read before", 64,
     INIT STORE "bar.sync 0; ld.shared.u32 %r9, [%r1]; fence.proxy.async; bar.sync 0;\n" EXPECT(256) BULK(256)
         WAIT LOAD,
     CUDA_SUCCESS, NULL, same, NULL},
    {"copies of 4 bytes whose end is an arrival", 64,
     "@%first mbarrier.init.shared::cta.b64 [%m+8192], 64; bar.sync 0;\n"
     "shl.b32 %r1, %t, 2; add.u32 %r1, %r1, %m; mul.wide.u32 %d0, %t, 16; add.u64 %d0, %d0, %data;\n"
     "cp.async.ca.shared.global [%r1], [%d0], 4; cp.async.mbarrier.arrive.noinc.shared.b64 [%m+8192];\n" WAIT
     "xor.b32 %r3, %t, 33; shl.b32 %r1, %r3, 2; add.u32 %r1, %r1, %m; ld.shared.u32 %r0, [%r1];\n"
     "xor.b32 %r4, %t, %r3; shr.u32 %r0, %r0, 2; xor.b32 %r0, %r0, %r4; shl.b32 %r0, %r0, 2;\n",
     CUDA_SUCCESS, NULL, gathered, NULL},
    {"copies of two mbarriers, which end in their order", 64,
     "@%first mbarrier.init.shared::cta.b64 [%m+8192], 64; @%first mbarrier.init.shared::cta.b64 [%m+8200], 64; "
     "bar.sync 0;\n"
     "shl.b32 %r1, %t, 2; add.u32 %r1, %r1, %m; mul.wide.u32 %d0, %t, 16; add.u64 %d0, %d0, %data;\n"
     "cp.async.ca.shared.global [%r1], [%d0], 4; cp.async.mbarrier.arrive.noinc.shared.b64 [%m+8192];\n"
     "cp.async.ca.shared.global [%r1+4096], [%d0], 4; cp.async.mbarrier.arrive.noinc.shared.b64 [%m+8200];\n" WAIT
     "xor.b32 %r3, %t, 33; shl.b32 %r1, %r3, 2; add.u32 %r1, %r1, %m; ld.shared.u32 %r0, [%r1];\n"
     "xor.b32 %r4, %t, %r3; shr.u32 %r0, %r0, 2; xor.b32 %r0, %r0, %r4; shl.b32 %r0, %r0, 2;\n",
     CUDA_SUCCESS, NULL, gathered, NULL},
    {"prefetches", 64,
     "mov.u32 %r10, 0; prefetch.tensormap [%map]; cp.async.bulk.prefetch.tensor.1d.L2.global.tile [%map, {%r10}];\n"
     "cp.async.bulk.prefetch.L2.global [%data], 64; mov.u32 %r0, %t;\n",
     CUDA_SUCCESS, NULL, same, &row_map},
};

static const struct ptx_case wrong[] = {
    {"no wait for a copy", 64, INIT EXPECT(256) BULK(256) LOAD WAIT, CUDA_ERROR_ASSERT, "of shared memory at", NULL,
     NULL},
    {"one warp that does not wait", 64,
     INIT EXPECT(256) BULK(256) "setp.ne.u32 %p1, %warp, 0; @%p1 bra N;\n" WAIT "N: " LOAD "bar.sync 0;\n" WAIT
                                "mov.u32 %r0, 0;\n",
     CUDA_ERROR_ASSERT, "shared memory at", NULL, NULL},
    {"fewer bytes than come", 64, INIT EXPECT(128) BULK(256) WAIT LOAD, CUDA_ERROR_ASSERT, "-128 bytes expected", NULL,
     NULL},
    {"more bytes than come", 64, INIT EXPECT(272) BULK(256) WAIT LOAD, CUDA_ERROR_ASSERT, "16 bytes expected", NULL,
     NULL},
    {"bytes of one copy of two", 64,
     INIT EXPECT(128) BULK(
         128) "@%first cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%m+128], [%data+128], 128, "
              "[%m+8192];\n" WAIT LOAD,
     CUDA_ERROR_ASSERT, "", NULL, NULL},
    {"no fence after init", 64,
     "@%first mbarrier.init.shared::cta.b64 [%m+8192], 1; bar.sync 0;\n" EXPECT(256) BULK(256) WAIT LOAD,
     CUDA_ERROR_ASSERT, "no fence.mbarrier_init or fence.proxy.async", NULL, NULL},
    {"a copy over what others may still read", 64,
     INIT STORE "bar.sync 0; xor.b32 %r3, %r1, 128; ld.shared.u32 %r9, [%r3];\n" EXPECT(256) BULK(256) WAIT LOAD,
     CUDA_ERROR_ASSERT, "of shared memory at", NULL, NULL},
    {"two copies to one place", 64, INIT EXPECT(512) BULK(256) BULK(256) WAIT LOAD, CUDA_ERROR_ASSERT,
     "write of shared memory at 0, which the copy at PTX line", NULL, NULL},
    {"a store to where a copy goes", 64, INIT EXPECT(256) BULK(256) STORE WAIT LOAD, CUDA_ERROR_ASSERT,
     "of shared memory at", NULL, NULL},
    {"no fence between the stores and the copy", 64,
     STORE "bar.sync 0;\n" STORE_1D COMMIT "@%first cp.async.bulk.wait_group 0;\nmov.u32 %r0, 0;\n", CUDA_ERROR_ASSERT,
     "no fence.proxy.async: shared memory at 0", NULL, &row_map},
    {"a fence before the stores", 64,
     "fence.proxy.async;\n" STORE "bar.sync 0;\n" STORE_1D COMMIT
     "@%first cp.async.bulk.wait_group 0;\nmov.u32 %r0, 0;\n",
     CUDA_ERROR_ASSERT, "no fence.proxy.async", NULL, &row_map},
    {"no barrier between the stores and the copy", 64,
     STORE "fence.proxy.async;\n" STORE_1D COMMIT "@%first cp.async.bulk.wait_group 0;\nmov.u32 %r0, 0;\n",
     CUDA_ERROR_ASSERT, "", NULL, &row_map},
    {"the source is overwritten before it is read", 64,
     STORE SHARE STORE_1D COMMIT "bar.sync 0;\n" STORE "@%first cp.async.bulk.wait_group 0;\nmov.u32 %r0, 0;\n",
     CUDA_ERROR_ASSERT, "still reads", NULL, &row_map},
    {"the wait for the read without a barrier", 64,
     STORE SHARE STORE_1D COMMIT "@%first cp.async.bulk.wait_group.read 0;\n" STORE "mov.u32 %r0, 0;\n",
     CUDA_ERROR_ASSERT, "of shared memory at", NULL, &row_map},
    {"a wait for all groups but one", 64,
     STORE SHARE STORE_1D COMMIT "@%first cp.async.bulk.wait_group.read 1;\nbar.sync 0;\n" STORE "mov.u32 %r0, 0;\n",
     CUDA_ERROR_ASSERT, "still reads", NULL, &row_map},
    {"no commit", 64,
     STORE SHARE STORE_1D "@%first cp.async.bulk.wait_group.read 0;\nbar.sync 0;\n" STORE "mov.u32 %r0, 0;\n",
     CUDA_ERROR_ASSERT, "still reads", NULL, &row_map},
    {"the end of the block before the read", 64, STORE SHARE STORE_1D COMMIT "mov.u32 %r0, 0;\n", CUDA_ERROR_ASSERT,
     "the block ends while a bulk copy still reads", NULL, &row_map},
    {"the end of the block before the copy", 64, INIT EXPECT(256) BULK(256) "mov.u32 %r0, 0;\n", CUDA_ERROR_ASSERT,
     "the block ends while a bulk copy still writes", NULL, NULL},
    {"an undefined source", 64,
     "bar.sync 0;\n" STORE_1D COMMIT "@%first cp.async.bulk.wait_group 0;\nmov.u32 %r0, 0;\n", CUDA_ERROR_ASSERT,
     "undefined value", NULL, &row_map},
    {"a tensor beyond its memory", 64,
     INIT EXPECT(256) "mov.u32 %r10, 32700; @%first "
                      "cp.async.bulk.tensor.1d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                      "[%m], [%map, {%r10}], [%m+8192];\n" WAIT LOAD,
     CUDA_ERROR_ILLEGAL_ADDRESS, "out of bounds", NULL, &wide_map},
    {"a box outside of a tensor that begins where no memory is", 64,
     INIT EXPECT(256) "mov.u32 %r10, 2048; @%first "
                      "cp.async.bulk.tensor.1d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                      "[%m], [%map, {%r10}], [%m+8192];\n" WAIT LOAD,
     CUDA_ERROR_ILLEGAL_ADDRESS, "", NULL, &early_map},
    {"bytes beyond shared memory", 64,
     INIT EXPECT(256) "@%first cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%m+16256], [%data], "
                      "256, [%m+8192];\n" WAIT LOAD,
     CUDA_ERROR_ILLEGAL_ADDRESS, "out of bounds", NULL, NULL},
    {"a misaligned box", 64,
     INIT EXPECT(256) "mov.u32 %r10, 0; @%first "
                      "cp.async.bulk.tensor.1d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
                      "[%m+16], [%map, {%r10}], [%m+8192];\n" WAIT LOAD,
     CUDA_ERROR_ILLEGAL_ADDRESS, "needs 128 bytes", NULL, &row_map},
    {"a misaligned source", 64,
     INIT EXPECT(256) "@%first cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%m], [%data+8], 256, "
                      "[%m+8192];\n" WAIT LOAD,
     CUDA_ERROR_ILLEGAL_ADDRESS, "misaligned", NULL, NULL},
    {"a part of a chunk", 64, INIT EXPECT(248) BULK(248) WAIT LOAD, CUDA_ERROR_ILLEGAL_ADDRESS, "248 bytes are copied",
     NULL, NULL},
    {"a rank that is not the map's", 64,
     INIT EXPECT(256) "mov.u32 %r10, 0; @%first "
                      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%m], "
                      "[%map, {%r10, %r10}], [%m+8192];\n" WAIT LOAD,
     CUDA_ERROR_LAUNCH_FAILED, "2 coordinates for a tensor map of rank 1", NULL, &row_map},
    {"no map", 64, INIT EXPECT(256) TENSOR_1D WAIT LOAD, CUDA_ERROR_LAUNCH_FAILED, "there is no tensor map", NULL,
     NULL},
    {"a box narrower than its swizzle", 64,
     INIT EXPECT(512) "mov.u32 %r10, 0; @%first "
                      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%m], "
                      "[%map, {%r10, %r10}], [%m+8192];\n" WAIT LOAD,
     CUDA_ERROR_LAUNCH_FAILED, "narrower boxes are not simulated", NULL, &narrow_map},
    {"an arrival without the copies' end", 64,
     "@%first mbarrier.init.shared::cta.b64 [%m+8192], 64; bar.sync 0;\n"
     "shl.b32 %r1, %t, 2; add.u32 %r1, %r1, %m; mul.wide.u32 %d0, %t, 16; add.u64 %d0, %d0, %data;\n"
     "cp.async.ca.shared.global [%r1], [%d0], 4; mbarrier.arrive.shared.b64 _, [%m+8192];\n" WAIT LOAD,
     CUDA_ERROR_ASSERT, "which a cp.async still has to write", NULL, NULL},
};

Test(gpusim_tensor, right) {
  ptx_cases_run(right, COUNT(right));
}

Test(gpusim_tensor, wrong) {
  ptx_cases_run(wrong, COUNT(wrong));
}

/* What the driver refuses, as changes of a map that it takes. */
static const struct {
  const char *what;
  struct ptx_map map;
  CUdeviceptr shift;
  CUresult result;
} maps[] = {
    {"as it is", {U16, 2, .dims = {64, 64}, .box = {64, 16}}, 0, CUDA_SUCCESS},
    {"rank 0", {U16, 0, .dims = {64, 64}, .box = {64, 16}}, 0, CUDA_ERROR_INVALID_VALUE},
    {"rank 6", {U16, 6, .dims = {64, 64}, .box = {64, 16}}, 0, CUDA_ERROR_INVALID_VALUE},
    {"a dim of 0", {U16, 2, .dims = {64, 0}, .strides = {128}, .box = {64, 16}}, 0, CUDA_ERROR_INVALID_VALUE},
    {"the largest dim", {U16, 2, .dims = {64, UINT64_C(1) << 32}, .strides = {128}, .box = {64, 16}}, 0, CUDA_SUCCESS},
    {"a dim above",
     {U16, 2, .dims = {64, (UINT64_C(1) << 32) + 1}, .strides = {128}, .box = {64, 16}},
     0,
     CUDA_ERROR_INVALID_VALUE},
    {"a stride of 8", {U16, 2, .dims = {64, 64}, .strides = {8}, .box = {64, 16}}, 0, CUDA_ERROR_INVALID_VALUE},
    {"a stride of 2^40",
     {U16, 2, .dims = {64, 64}, .strides = {UINT64_C(1) << 40}, .box = {64, 16}},
     0,
     CUDA_ERROR_INVALID_VALUE},
    {"the largest stride",
     {U16, 2, .dims = {64, 64}, .strides = {(UINT64_C(1) << 40) - 16}, .box = {64, 16}},
     0,
     CUDA_SUCCESS},
    {"a box of 256", {U16, 2, .dims = {64, 64}, .box = {256, 256}}, 0, CUDA_SUCCESS},
    {"a box of 257", {U16, 2, .dims = {64, 64}, .box = {64, 257}}, 0, CUDA_ERROR_INVALID_VALUE},
    {"a box of 0", {U16, 2, .dims = {64, 64}, .box = {64, 0}}, 0, CUDA_ERROR_INVALID_VALUE},
    {"rows of 24 bytes", {U16, 2, .dims = {64, 64}, .box = {12, 8}}, 0, CUDA_ERROR_INVALID_VALUE},
    {"rows as wide as the swizzle",
     {U16, 2, .dims = {64, 64}, .box = {64, 8}, .swizzle = CU_TENSOR_MAP_SWIZZLE_128B},
     0,
     CUDA_SUCCESS},
    {"rows wider than the swizzle",
     {U16, 2, .dims = {64, 64}, .box = {72, 8}, .swizzle = CU_TENSOR_MAP_SWIZZLE_128B},
     0,
     CUDA_ERROR_INVALID_VALUE},
    {"rows wider than a swizzle of 64",
     {U16, 2, .dims = {64, 64}, .box = {64, 8}, .swizzle = CU_TENSOR_MAP_SWIZZLE_64B},
     0,
     CUDA_ERROR_INVALID_VALUE},
    {"rows wider than a swizzle of 32",
     {U16, 2, .dims = {64, 64}, .box = {32, 8}, .swizzle = CU_TENSOR_MAP_SWIZZLE_32B},
     0,
     CUDA_ERROR_INVALID_VALUE},
    {"a step of 8", {U16, 2, .dims = {64, 64}, .box = {64, 16}, .steps = {1, 8}}, 0, CUDA_SUCCESS},
    {"a step of 9", {U16, 2, .dims = {64, 64}, .box = {64, 16}, .steps = {1, 9}}, 0, CUDA_ERROR_INVALID_VALUE},
    {"an address of 8 bytes", {U16, 2, .dims = {64, 64}, .box = {64, 16}}, 8, CUDA_ERROR_INVALID_VALUE},
    {"NaN for integers", {U16, 2, .dims = {64, 64}, .box = {64, 16}, .nan = true}, 0, CUDA_ERROR_INVALID_VALUE},
    {"NaN for floats", {F32, 2, .dims = {64, 64}, .box = {64, 16}, .nan = true}, 0, CUDA_SUCCESS},
};

Test(gpusim_tensor, maps_that_the_driver_refuses) {
  CUtensorMap map[2];
  CUdeviceptr data = sim_buffer(1024);
  for (size_t i = 0; i < COUNT(maps); i++)
    cr_expect_eq(ptx_map_encode(map, &maps[i].map, data + maps[i].shift), maps[i].result, "%s", maps[i].what);
  cr_expect_eq(ptx_map_encode((CUtensorMap *)(void *)((char *)map + 32), &maps[0].map, data), CUDA_ERROR_INVALID_VALUE);
}
