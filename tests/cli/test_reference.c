/* The reference against small cases done by hand, and against identities that attention must satisfy. */
#include "tests/reference.h"

#include "tests/dtypes.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { DIM = 32, MOST_TOKENS = 64, MOST_HEADS = 4 };

/* One small problem in f16; tests change what they are about. */
struct problem {
  struct reference reference;
  uint16_t q[MOST_TOKENS * MOST_HEADS * DIM];
  uint16_t k[MOST_TOKENS * MOST_HEADS * DIM];
  uint16_t v[MOST_TOKENS * MOST_HEADS * DIM];
  int32_t q_indptr[4];
  int32_t kv_len[4];
  int32_t kv_indptr[4];
  uint64_t rope_table[DIM / 2];
};

static double pseudo_random(uint32_t *state) {
  *state = *state * 1664525 + 1013904223;
  return (double)(*state >> 8) * 0x1p-23 - 1;
}

static void fill(uint16_t *data, size_t count, uint32_t seed) {
  for (size_t i = 0; i < count; i++)
    dtype_encode(FI_F16, pseudo_random(&seed), data, i);
}

/* One request of kv_len tokens, q_len of them queries, in a contiguous cache; random contents. */
static void make(struct problem *problem, int32_t q_len, int32_t kv_len, uint32_t kv_heads, uint32_t group) {
  memset(problem, 0, sizeof *problem);
  fill(problem->q, sizeof problem->q / 2, 1);
  fill(problem->k, sizeof problem->k / 2, 2);
  fill(problem->v, sizeof problem->v / 2, 3);
  problem->q_indptr[1] = q_len;
  problem->kv_len[0] = kv_len;
  struct reference *reference = &problem->reference;
  fi_spec_init(&reference->spec);
  reference->spec.head_dim = DIM;
  reference->spec.v_dim = DIM;
  reference->spec.rope_dim = DIM;
  reference->spec.rope_axes = 1;
  reference->spec.group = group;
  reference->spec.q_dtype = FI_F16;
  reference->spec.o_dtype = FI_F16;
  reference->spec.kv_dtype = FI_F16;
  reference->spec.v_dtype = FI_F16;
  reference->spec.o_dtype = FI_F16;
  reference->kv_heads = kv_heads;
  reference->batch = (fi_batch){.requests = 1, .q_indptr = problem->q_indptr, .kv_len = problem->kv_len};
  reference->tensors =
      (fi_tensors){.q = problem->q, .k.data = problem->k, .v.data = problem->v, .rope_table = problem->rope_table};
  for (uint32_t pair = 0; pair < DIM / 2; pair++)
    problem->rope_table[pair] = UINT64_C(0x28be60db93910000) >> pair; /* 2^-pair radians */
  reference->tensors.k.page_stride = (int64_t)MOST_TOKENS * kv_heads * DIM;
  reference->tensors.v.page_stride = (int64_t)MOST_TOKENS * kv_heads * DIM;
}

static void attend(const struct problem *problem, uint32_t request, uint32_t i, uint32_t head, double *o, double *lse) {
  struct reference_head loaded;
  cr_assert(reference_head_load(&problem->reference, request, head / problem->reference.spec.group, &loaded));
  reference_attend(&problem->reference, &loaded, request, i, head, o, lse);
  reference_head_free(&loaded);
}

static void expect_same(const double *a, const double *b, double tolerance) {
  for (int d = 0; d < DIM; d++)
    cr_expect_float_eq(a[d], b[d], tolerance, "dim %d: %g and %g", d, a[d], b[d]);
}

/* ------------------------------------------------------------------------------------------------ by hand */

Test(reference, one_key_gives_its_value) {
  struct problem problem;
  double o[DIM];
  double lse;
  double dot = 0;
  make(&problem, 1, 1, 1, 1);
  attend(&problem, 0, 0, 0, o, &lse);
  for (size_t d = 0; d < DIM; d++) {
    cr_expect_float_eq(o[d], dtype_decode(FI_F16, problem.v, d), 1e-15);
    dot += dtype_decode(FI_F16, problem.q, d) * dtype_decode(FI_F16, problem.k, d);
  }
  cr_expect_float_eq(lse, dot / sqrt(DIM), 1e-12);
}

/* Logits 0 and 2, by a softmax scale of 1/2: weights 1 / (1 + e^2) and e^2 / (1 + e^2). */
Test(reference, two_keys) {
  struct problem problem;
  double o[DIM];
  double lse;
  make(&problem, 1, 2, 1, 1);
  memset(problem.q, 0, sizeof problem.q);
  dtype_encode(FI_F16, 2, problem.q, 3);
  dtype_encode(FI_F16, 0, problem.k, 3);
  dtype_encode(FI_F16, 2, problem.k, DIM + 3);
  dtype_encode(FI_F16, 10, problem.v, 5);
  dtype_encode(FI_F16, 20, problem.v, DIM + 5);
  problem.reference.tensors.softmax_scale = 0.5f;
  attend(&problem, 0, 0, 0, o, &lse);
  cr_expect_float_eq(o[5], (10 + 20 * exp(2)) / (1 + exp(2)), 1e-12);
  cr_expect_float_eq(lse, log(1 + exp(2)), 1e-12);
}

/* Logits of thousands neither overflow nor vanish; the largest comes first and last. */
Test(reference, large_logits) {
  struct problem problem;
  double o[DIM];
  double lse;
  for (size_t largest = 0; largest < 3; largest += 2) {
    make(&problem, 1, 3, 1, 1);
    memset(problem.q, 0, sizeof problem.q);
    memset(problem.k, 0, sizeof problem.k);
    dtype_encode(FI_F16, 100, problem.q, 0);
    dtype_encode(FI_F16, 100, problem.k, largest * DIM);
    attend(&problem, 0, 0, 0, o, &lse);
    cr_expect_float_eq(o[4], dtype_decode(FI_F16, problem.v, largest * DIM + 4), 1e-12);
    cr_expect_float_eq(lse, 1e4 / sqrt(DIM), 1e-9);
  }
}

Test(reference, equal_keys_average_what_the_mask_leaves) {
  struct problem problem;
  double o[DIM];
  double lse;
  make(&problem, 3, 5, 1, 1);
  memset(problem.k, 0, sizeof problem.k);
  for (uint32_t mask = FI_MASK_CAUSAL; mask <= FI_MASK_NONE; mask++) {
    problem.reference.spec.mask = mask;
    for (uint32_t i = 0; i < 3; i++) {
      int seen = mask == FI_MASK_NONE ? 5 : 3 + (int)i;
      double mean = 0;
      for (int t = 0; t < seen; t++)
        mean += dtype_decode(FI_F16, problem.v, (size_t)t * DIM + 7) / seen;
      attend(&problem, 0, i, 0, o, &lse);
      cr_expect_float_eq(o[7], mean, 1e-12, "mask %u, query %u", mask, i);
      cr_expect_float_eq(lse, log(seen), 1e-12);
    }
  }
}

/* No KV at all, and queries before the first key. */
Test(reference, rows_that_see_nothing) {
  struct problem problem;
  double o[DIM];
  double lse;
  make(&problem, 2, 0, 1, 1);
  attend(&problem, 0, 1, 0, o, &lse);
  cr_expect_eq(lse, -INFINITY);
  cr_expect_eq(o[0], 0);
  make(&problem, 3, 1, 1, 1);
  attend(&problem, 0, 1, 0, o, &lse);
  cr_expect_eq(lse, -INFINITY);
  cr_expect_eq(o[DIM - 1], 0);
  attend(&problem, 0, 2, 0, o, &lse);
  cr_expect(isfinite(lse));
}

/* Pair 0 turns once around, pair 1 by a quarter. */
Test(reference, rotates_pairs) {
  static const uint64_t table[] = {UINT64_C(1) << 62, (UINT64_C(1) << 60) + 2};
  struct reference reference = {
      .spec.rope_dim = 4, .spec.rope_axes = 3, .tensors.rope_table = table, .tensors.rope_magnitude = 2};
  double row[5] = {1, 2, 3, 4, 5};
  reference.spec.rope = FI_ROPE_HALF;
  reference_rotate(&reference, (struct position){{4, 9, 4}}, row);
  const double half[5] = {2, -8, 6, 4, 5};
  for (int d = 0; d < 5; d++)
    cr_expect_float_eq(row[d], half[d], 1e-12, "half, dim %d: %g", d, row[d]);
  double other[7] = {7, 8, 1, 2, 3, 4, 5};
  reference.spec.rope = FI_ROPE_INTERLEAVED;
  reference.spec.rope_first = 2;
  reference_rotate(&reference, (struct position){{4, 9, 4}}, other);
  const double interleaved[7] = {7, 8, 2, 4, -8, 6, 5};
  for (int d = 0; d < 7; d++)
    cr_expect_float_eq(other[d], interleaved[d], 1e-12, "interleaved, dim %d: %g", d, other[d]);
}

/* --------------------------------------------------------------------------------------------- identities */

/* Only differences of positions matter, so that rotating nothing far away changes nothing. */
Test(reference, rope_depends_on_distances) {
  static const uint32_t pairings[] = {FI_ROPE_HALF, FI_ROPE_INTERLEAVED};
  for (int p = 0; p < 2; p++) {
    struct problem problem;
    make(&problem, 1, 1, 1, 1);
    problem.reference.spec.rope = pairings[p];
    double dots[2] = {0, 0};
    for (int far = 0; far < 2; far++) {
      double a[DIM];
      double b[DIM];
      uint32_t seed = 7;
      for (int d = 0; d < DIM; d++) {
        a[d] = pseudo_random(&seed);
        b[d] = pseudo_random(&seed);
      }
      reference_rotate(&problem.reference, (struct position){{5 + 1000 * far}}, a);
      reference_rotate(&problem.reference, (struct position){{2 + 1000 * far}}, b);
      for (int d = 0; d < DIM; d++)
        dots[far] += a[d] * b[d];
    }
    cr_expect_float_eq(dots[0], dots[1], 1e-9);
  }
}

/* Keys that attention rotates give the same result as keys that append has rotated. */
Test(reference, rotated_and_unrotated_keys_agree) {
  struct problem problem;
  double o[2][DIM];
  double lse[2];
  make(&problem, 2, 9, 1, 1);
  problem.reference.spec.rope = FI_ROPE_HALF;
  problem.reference.spec.rope_keys = FI_KEYS_UNROTATED;
  attend(&problem, 0, 1, 0, o[0], &lse[0]);

  struct reference append = problem.reference;
  int32_t all = 9;
  int32_t indptr[] = {0, 9};
  append.spec.rope_keys = FI_KEYS_ROTATED;
  append.batch.q_indptr = indptr;
  append.batch.kv_len = &all;
  append.tensors.k_new.data = problem.k;
  append.tensors.v_new.data = problem.v;
  double rotated[9][DIM];
  double v[DIM];
  for (uint32_t t = 0; t < 9; t++)
    reference_append(&append, 0, t, 0, rotated[t], v);
  struct reference_head loaded;
  cr_assert(reference_head_load(&problem.reference, 0, 0, &loaded));
  memcpy(loaded.k, rotated, sizeof rotated);
  problem.reference.spec.rope_keys = FI_KEYS_ROTATED;
  reference_attend(&problem.reference, &loaded, 0, 1, 0, o[1], &lse[1]);
  reference_head_free(&loaded);
  expect_same(o[0], o[1], 1e-12);
  cr_expect_float_eq(lse[0], lse[1], 1e-12);
}

/* A position array with the usual positions changes nothing; with others it does. */
Test(reference, positions_array) {
  struct problem problem;
  double o[3][DIM];
  double lse[3];
  int32_t positions[] = {0, 7, 8};
  make(&problem, 1, 1, 1, 1);
  problem.reference.batch.requests = 2;
  problem.q_indptr[2] = 3;
  problem.kv_len[1] = 9;
  problem.reference.spec.rope = FI_ROPE_HALF;
  attend(&problem, 1, 1, 0, o[0], &lse[0]);
  problem.reference.spec.rope_positions = FI_POSITIONS_ARRAY;
  problem.reference.tensors.positions = positions;
  attend(&problem, 1, 1, 0, o[1], &lse[1]);
  expect_same(o[0], o[1], 1e-15);
  positions[2] = 3;
  attend(&problem, 1, 1, 0, o[2], &lse[2]);
  cr_expect(fabs(lse[0] - lse[2]) > 1e-6);
}

Test(reference, heads_of_a_group_share_their_kv_head) {
  struct problem problem;
  double o[2][DIM];
  double lse;
  make(&problem, 1, 6, 2, 2);
  memcpy(problem.q + 2 * DIM, problem.q + 3 * DIM, DIM * sizeof *problem.q);
  attend(&problem, 0, 0, 2, o[0], &lse);
  attend(&problem, 0, 0, 3, o[1], &lse);
  expect_same(o[0], o[1], 0);
  attend(&problem, 0, 0, 1, o[0], &lse);
  cr_expect(fabs(o[0][0] - o[1][0]) > 1e-6);
}

/* Copies the contiguous cache of request 0 to where the reference says that the other layout has each row. */
static void lay_out(const struct problem *from, struct reference *to, uint16_t *k, uint16_t *v, uint32_t request) {
  for (uint32_t t = 0; t < (uint32_t)from->kv_len[0]; t++) {
    for (uint32_t h = 0; h < from->reference.kv_heads; h++) {
      int64_t source = reference_cache_offset(&from->reference, 0, t, h);
      int64_t place = reference_cache_offset(to, request, t, h);
      memcpy(k + place, from->k + source, DIM * sizeof *k);
      memcpy(v + place, from->v + source, DIM * sizeof *v);
    }
  }
}

/* Dense and CSR pages in any order, ragged tokens, and head-first pages hold the same KV at places known by
 * hand. */
Test(reference, layouts_agree) {
  static const int32_t dense[] = {9, 9, 9, 3, 0, 2};
  static const int32_t csr[] = {7, 3, 0, 2};
  static const int32_t page_indptr[] = {0, 1, 4};
  static const int32_t token_indptr[] = {0, 4, 14};
  static const int32_t lens[] = {4, 10};
  static const int32_t indptr[] = {0, 1, 2};
  static uint16_t k[40 * 2 * DIM];
  static uint16_t v[40 * 2 * DIM];
  static const struct {
    uint32_t page_size;
    uint32_t index;
    bool head_first;
    int64_t place; /* of token 5 of KV head 1 of request 1, in elements */
  } layouts[] = {
      {4, FI_INDEX_DENSE, false, ((0 * 4 + 1) * 2 + 1) * DIM},  {4, FI_INDEX_CSR, false, ((0 * 4 + 1) * 2 + 1) * DIM},
      {4, FI_INDEX_DENSE, true, (0 * 2 * 4 + 1 * 4 + 1) * DIM}, {0, FI_INDEX_CSR, false, ((4 + 5) * 2 + 1) * DIM},
      {0, FI_INDEX_DENSE, false, ((1 * 20 + 5) * 2 + 1) * DIM},
  };
  struct problem problem;
  double expected[DIM];
  double expected_lse;
  make(&problem, 1, 10, 2, 1);
  attend(&problem, 0, 0, 1, expected, &expected_lse);
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    struct problem other = problem;
    struct reference *reference = &other.reference;
    bool is_dense = layouts[i].index == FI_INDEX_DENSE;
    reference->spec.page_size = layouts[i].page_size;
    reference->spec.index = layouts[i].index;
    reference->batch = (fi_batch){.requests = 2, .q_indptr = indptr, .kv_len = lens, .page_table_stride = 3};
    reference->batch.page_table = is_dense ? dense : csr;
    reference->batch.kv_indptr = is_dense ? NULL : layouts[i].page_size > 0 ? page_indptr : token_indptr;
    reference->tensors = (fi_tensors){.q = other.q, .k.data = k, .v.data = v};
    reference->tensors.k.page_stride = layouts[i].page_size == 0 ? 20 * 2 * DIM : 0;
    reference->tensors.v.page_stride = reference->tensors.k.page_stride;
    if (layouts[i].head_first) {
      reference->tensors.k.token_stride = DIM;
      reference->tensors.v.token_stride = DIM;
      reference->tensors.k.head_stride = 4 * DIM;
      reference->tensors.v.head_stride = 4 * DIM;
      reference->tensors.k.page_stride = 2 * 4 * DIM;
      reference->tensors.v.page_stride = 2 * 4 * DIM;
    }
    memcpy(other.q + 2 * DIM, problem.q, 2 * DIM * sizeof *other.q); /* request 1's query is the second token */
    cr_expect_eq(reference_cache_offset(reference, 1, 5, 1), layouts[i].place, "layout %zu", i);
    lay_out(&problem, reference, k, v, 1);
    double o[DIM];
    double lse;
    attend(&other, 1, 0, 1, o, &lse);
    expect_same(o, expected, 0);
    cr_expect_eq(lse, expected_lse);
  }
}

/* Ragged tokens need no lengths of their own. */
Test(reference, ragged_lengths) {
  static const int32_t indptr[] = {0, 4, 14};
  struct problem problem;
  make(&problem, 1, 1, 1, 1);
  problem.reference.spec.index = FI_INDEX_CSR;
  problem.reference.batch.kv_indptr = indptr;
  problem.reference.batch.kv_len = NULL;
  cr_expect_eq(reference_kv_len(&problem.reference, 1), 10);
  problem.reference.batch.q_indptr = NULL;
  cr_expect_eq(reference_query_len(&problem.reference, 1), 1);
  cr_expect_eq(reference_query_begin(&problem.reference, 1), 1);
}

Test(reference, scales_multiply_what_is_stored) {
  static float k_scales[] = {2.0f, 0.5f};
  static float v_scales[] = {3.0f, 7.0f};
  struct problem problem;
  struct reference_head loaded;
  make(&problem, 1, 3, 2, 1);
  problem.reference.tensors.k.scales = k_scales;
  problem.reference.tensors.v.scales = v_scales;
  for (uint32_t kind = FI_SCALE_TENSOR; kind <= FI_SCALE_HEAD; kind++) {
    problem.reference.spec.kv_scale = kind;
    cr_assert(reference_head_load(&problem.reference, 0, 1, &loaded));
    cr_expect_eq(loaded.k[0], (kind == FI_SCALE_HEAD ? 0.5 : 2) * dtype_decode(FI_F16, problem.k, DIM));
    cr_expect_eq(loaded.v[DIM], (kind == FI_SCALE_HEAD ? 7 : 3) * dtype_decode(FI_F16, problem.v, 3 * DIM));
    reference_head_free(&loaded);
  }
}

/* What append stores, times the scale, is what was given. */
Test(reference, append_divides_by_the_scale) {
  static float k_scale = 0.25f;
  static float v_scale = 0.5f;
  struct problem problem;
  double k[DIM];
  double v[DIM];
  make(&problem, 2, 5, 1, 1);
  problem.reference.spec.kv_scale = FI_SCALE_TENSOR;
  problem.reference.tensors.k_new.data = problem.k;
  problem.reference.tensors.v_new.data = problem.v;
  problem.reference.tensors.k.scales = &k_scale;
  problem.reference.tensors.v.scales = &v_scale;
  reference_append(&problem.reference, 0, 1, 0, k, v);
  cr_expect_eq(k[4], 4 * dtype_decode(FI_F16, problem.k, DIM + 4));
  cr_expect_eq(v[4], 2 * dtype_decode(FI_F16, problem.v, DIM + 4));
}

/* Attention over two halves of the KV, merged, is attention over all of it; an empty half changes nothing. */
Test(reference, merging_halves_gives_the_whole) {
  struct problem problem;
  double whole[DIM];
  double whole_lse;
  double merged[DIM];
  double merged_lse;
  uint16_t parts[3 * DIM] = {0};
  float parts_lse[3] = {0, 0, -INFINITY};
  make(&problem, 1, 12, 1, 1);
  problem.reference.spec.mask = FI_MASK_NONE;
  attend(&problem, 0, 0, 0, whole, &whole_lse);
  problem.kv_len[0] = 6;
  for (int half = 0; half < 2; half++) {
    double o[DIM];
    double lse;
    problem.reference.tensors.k.data = problem.k + 6 * DIM * half;
    problem.reference.tensors.v.data = problem.v + 6 * DIM * half;
    attend(&problem, 0, 0, 0, o, &lse);
    parts_lse[half] = (float)lse;
    for (size_t d = 0; d < DIM; d++)
      dtype_encode(FI_F16, o[d], parts, (size_t)half * DIM + d);
  }
  problem.reference.tensors.parts_o = parts;
  problem.reference.tensors.parts_lse = parts_lse;
  problem.reference.tensors.parts = 3;
  problem.reference.tensors.tokens = 1;
  problem.reference.tensors.heads = 1;
  reference_merge(&problem.reference, 0, 0, merged, &merged_lse);
  expect_same(merged, whole, 1e-3);
  cr_expect_float_eq(merged_lse, whole_lse, 1e-6);
  parts_lse[0] = parts_lse[1] = -INFINITY;
  reference_merge(&problem.reference, 0, 0, merged, &merged_lse);
  cr_expect_eq(merged_lse, -INFINITY);
  cr_expect_eq(merged[3], 0);
}

/* ------------------------------------------------------------------------------------------------ lists */

enum { FAR = 1 << 26 }; /* a page that no memory has */

/* What no list has is not read, so that long KV costs what is listed: its pages may be anywhere. */
Test(reference, what_is_not_listed_is_not_read) {
  static const int32_t pages[] = {FAR, 0, FAR, 1, FAR};
  static const int32_t lists[] = {5, 13, -1, 14, 6, -1}; /* of the query tokens at 13 and 14 */
  struct problem problem;
  double o[DIM], lse, dots[2], largest;
  make(&problem, 2, 15, 1, 1);
  struct reference *reference = &problem.reference;
  reference->spec.page_size = 4;
  reference->spec.select = 1;
  reference->max_selected = 3;
  reference->batch.page_table = pages;
  reference->tensors.selected = lists;
  reference->tensors.k.page_stride = reference->tensors.v.page_stride = 0;
  attend(&problem, 0, 0, 0, o, &lse);
  for (int i = 0; i < 2; i++) { /* tokens 5 and 13 are rows 1 and 5 of the cache */
    dots[i] = 0;
    for (size_t d = 0; d < DIM; d++)
      dots[i] += dtype_decode(FI_F16, problem.q, d) * dtype_decode(FI_F16, problem.k, (size_t)(1 + 4 * i) * DIM + d);
  }
  largest = fmax(dots[0], dots[1]) / sqrt(DIM);
  cr_expect_float_eq(lse, largest + log(exp(dots[0] / sqrt(DIM) - largest) + exp(dots[1] / sqrt(DIM) - largest)), 1e-9);
}

/* Beside a window, entries of a second KV that some query token lists. */
Test(reference, of_a_second_kv_what_is_listed_is_read) {
  static const int32_t pages[] = {FAR, FAR, 0};
  static const int32_t second_pages[] = {FAR, 3};
  static const int32_t second_len[] = {6};
  static const int32_t lists[] = {5, -1};
  struct problem problem;
  double o[DIM], lse;
  make(&problem, 1, 9, 1, 1);
  struct reference *reference = &problem.reference;
  reference->spec.page_size = reference->spec.second_page = 4;
  reference->spec.select = 1;
  reference->spec.window_left = 1;
  reference->max_selected = 2;
  reference->batch.page_table = pages;
  reference->batch.second_page_table = second_pages;
  reference->batch.second_kv_len = second_len;
  reference->tensors.selected = lists;
  reference->tensors.k.page_stride = reference->tensors.v.page_stride = 0;
  reference->tensors.second_k.data = problem.k;
  reference->tensors.second_v.data = problem.v;
  attend(&problem, 0, 0, 0, o, &lse);
  for (size_t d = 0; d < DIM; d++) { /* token 8 is row 0 of the cache, entry 5 row 13 */
    const double first = dtype_decode(FI_F16, problem.v, d);
    const double second = dtype_decode(FI_F16, problem.v, 13 * DIM + d);
    cr_expect(o[d] >= fmin(first, second) - 1e-12 && o[d] <= fmax(first, second) + 1e-12, "dim %zu: %g", d, o[d]);
  }
}
