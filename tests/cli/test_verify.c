/* That verification finds what is wrong, and where: the outputs are the reference's own, then damaged. */
#include "tools/flashjit/verify.h"

#include "tests/dtypes.h"
#include "tests/measure.h"
#include "tools/common/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { DIM = 32, KV_HEADS = 2, GROUP = 3, HEADS = KV_HEADS * GROUP, PAGE = 4, PAGES = 6, REQUESTS = 2, TOKENS = 7 };

/* Two requests, of 5 and 2 queries on 9 and 2 tokens of KV; K and V in bf16. */
struct scene {
  struct verify_step step;
  uint16_t q[TOKENS * HEADS * DIM];
  uint16_t o[TOKENS * HEADS * DIM];
  uint16_t k_new[TOKENS * KV_HEADS * DIM];
  uint16_t v_new[TOKENS * KV_HEADS * DIM];
  uint16_t k_cache[PAGES * PAGE * KV_HEADS * DIM];
  uint16_t v_cache[PAGES * PAGE * KV_HEADS * DIM];
};

static const int32_t page_table[] = {4, 0, 2, 5, -1, -1};
static const int32_t q_indptr[] = {0, 5, 7};
static const int32_t kv_len[] = {9, 2};

static void encode_row(uint16_t *data, int64_t offset, const double *row) {
  for (size_t d = 0; d < DIM; d++)
    dtype_encode(FI_BF16, row[d], data, (size_t)offset + d);
}

static void store_request(struct scene *scene, const struct reference *reference, uint32_t request) {
  double k[DIM];
  double v[DIM];
  uint32_t query_len = reference_query_len(reference, request);
  for (uint32_t i = 0; i < query_len; i++) {
    for (uint32_t h = 0; h < KV_HEADS; h++) {
      uint32_t token = reference_kv_len(reference, request) - query_len + i;
      int64_t offset = reference_cache_offset(reference, request, token, h);
      reference_append(reference, request, i, h, k, v);
      encode_row(scene->k_cache, offset, k);
      encode_row(scene->v_cache, offset, v);
    }
  }
}

static void attend_request(struct scene *scene, const struct reference *reference, uint32_t request) {
  struct reference_head loaded;
  double o[DIM];
  double lse;
  for (uint32_t h = 0; h < HEADS; h++) {
    cr_assert(reference_head_load(reference, request, h / GROUP, &loaded));
    for (uint32_t i = 0; i < reference_query_len(reference, request); i++) {
      reference_attend(reference, &loaded, request, i, h, o, &lse);
      encode_row(scene->o, reference_o_offset(reference, reference_query_begin(reference, request) + i, h), o);
    }
    reference_head_free(&loaded);
  }
}

static void make(struct scene *scene) {
  static const uint64_t rope_table[DIM / 2] = {UINT64_C(0x28be60db93910000), UINT64_C(1) << 52};
  random_state random = 3;
  struct reference reference = {.kv_heads = KV_HEADS};
  memset(scene, 0xff, sizeof *scene);
  random_normal(&random, FI_BF16, scene->q, sizeof scene->q / 2);
  random_normal(&random, FI_BF16, scene->k_new, sizeof scene->k_new / 2);
  random_normal(&random, FI_BF16, scene->v_new, sizeof scene->v_new / 2);
  fi_spec_init(&reference.spec);
  reference.spec.head_dim = DIM;
  reference.spec.v_dim = DIM;
  reference.spec.group = GROUP;
  reference.spec.kv_dtype = FI_BF16;
  reference.spec.v_dtype = FI_BF16;
  reference.spec.page_size = PAGE;
  reference.spec.rope = FI_ROPE_HALF;
  reference.spec.rope_dim = DIM;
  reference.spec.rope_axes = 1;
  reference.batch = (fi_batch){
      .requests = REQUESTS, .q_indptr = q_indptr, .kv_len = kv_len, .page_table = page_table, .page_table_stride = 3};
  reference.tensors = (fi_tensors){.q = scene->q,
                                   .o = scene->o,
                                   .k_new.data = scene->k_new,
                                   .v_new.data = scene->v_new,
                                   .k.data = scene->k_cache,
                                   .v.data = scene->v_cache,
                                   .rope_table = rope_table};
  for (uint32_t t = 0; t < 4; t++) { /* request 0's older tokens */
    size_t row = (size_t)reference_cache_offset(&reference, 0, t, 0);
    random_normal(&random, FI_BF16, scene->k_cache + row, KV_HEADS * DIM);
    random_normal(&random, FI_BF16, scene->v_cache + row, KV_HEADS * DIM);
  }
  for (uint32_t request = 0; request < REQUESTS; request++) {
    store_request(scene, &reference, request);
    attend_request(scene, &reference, request);
  }
  scene->step = (struct verify_step){.append = reference,
                                     .attention = reference,
                                     .attends = true,
                                     .dtype = measure_dtype(&reference.spec, NULL),
                                     .budget = 1e9,
                                     .seed = 1};
}

static struct verify_result verify(const struct scene *scene) {
  struct verify_result result;
  cr_assert(verify_step(&scene->step, &result));
  return result;
}

static void expect_mismatch(const struct mismatch *found, const char *tensor, uint32_t request, uint32_t token,
                            uint32_t head, uint32_t dim) {
  cr_assert(found->tensor, "nothing was found");
  cr_expect_str_eq(found->tensor, tensor);
  cr_expect(found->request == request && found->token == token && found->head == head && found->dim == dim,
            "found request %u, token %u, head %u, dim %u", found->request, found->token, found->head, found->dim);
}

Test(verify, right_results_pass) {
  struct scene scene;
  make(&scene);
  struct verify_result result = verify(&scene);
  cr_expect(measure_passes(&result.attention.measure, FI_BF16));
  cr_expect_leq(result.append.steps, 0.5);
  cr_expect_gt(result.append.steps, 0.1);
  cr_expect_null(result.attention.first.tensor);
  cr_expect_null(result.append.first.tensor);
  cr_expect_eq(result.attention.rows, TOKENS * HEADS);
  cr_expect_eq(result.attention.measure.rows, TOKENS * HEADS);
  cr_expect_eq(result.append.rows, TOKENS * KV_HEADS);
}

/* The first in the order of requests, KV heads, tokens, query heads and dims is reported. */
Test(verify, names_the_wrong_output) {
  struct scene scene;
  make(&scene);
  scene.o[reference_o_offset(&scene.step.attention, 6, 5) + 9] ^= 0x4000;
  struct verify_result result = verify(&scene);
  expect_mismatch(&result.attention.first, "O", 1, 1, 5, 9);
  scene.o[reference_o_offset(&scene.step.attention, 5, 4) + 20] ^= 0x4000; /* earlier, of the same KV head */
  result = verify(&scene);
  expect_mismatch(&result.attention.first, "O", 1, 0, 4, 20);
  cr_expect_not(measure_passes(&result.attention.measure, FI_BF16));
  size_t element = (size_t)reference_o_offset(&scene.step.attention, 2, 4) + 31;
  dtype_encode(FI_BF16, NAN, scene.o, element);
  result = verify(&scene);
  expect_mismatch(&result.attention.first, "O", 0, 6, 4, 31);
  cr_expect(isnan(result.attention.first.got));
}

Test(verify, names_the_wrong_cache_element) {
  struct scene scene;
  make(&scene);
  int64_t offset = reference_cache_offset(&scene.step.append, 1, 0, 1);
  scene.v_cache[offset + 3] += 2; /* two steps */
  struct verify_result result = verify(&scene);
  expect_mismatch(&result.append.first, "V", 1, 0, 1, 3);
  cr_expect_gt(result.append.steps, 1);
  scene.v_cache[offset + 3] -= 2;
  scene.k_cache[offset] = 0xffff;
  result = verify(&scene);
  expect_mismatch(&result.append.first, "K", 1, 0, 1, 0);
  cr_expect_eq(result.append.steps, INFINITY);
}

/*
 * With no budget only the first and last query token of one request and KV head are checked; with one that is enough
 * for these of all, no fewer; with more, a part of the others.
 */
Test(verify, samples_what_it_cannot_afford) {
  struct scene scene;
  make(&scene);
  scene.step.budget = 0;
  struct verify_result result = verify(&scene);
  cr_expect_eq(result.attention.measure.rows, 2 * GROUP);
  cr_expect_eq(result.attention.rows, TOKENS * HEADS);
  cr_expect_eq(result.append.measure.rows, 4 * KV_HEADS);
  scene.step.budget = (2 * 9 + 2 * 2) * HEADS * 2 * DIM;
  result = verify(&scene);
  cr_expect_geq(result.attention.measure.rows, 4 * HEADS);
  scene.step.budget = 1e4;
  result = verify(&scene);
  cr_expect_gt(result.attention.measure.rows, 4 * HEADS);
  cr_expect_lt(result.attention.measure.rows, TOKENS * HEADS);
}

/* Without attention O is not looked at. */
Test(verify, append_alone) {
  struct scene scene;
  make(&scene);
  memset(scene.o, 0xff, sizeof scene.o);
  scene.step.attends = false;
  struct verify_result result = verify(&scene);
  cr_expect_eq(result.attention.rows, 0);
  cr_expect_null(result.attention.first.tensor);
  cr_expect_eq(result.append.measure.rows, TOKENS * KV_HEADS);
}
