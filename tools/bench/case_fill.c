/* Random contents of a case's buffers, on the host. */
#include "tools/bench/case_parts.h"

#include "tests/dtypes.h"
#include "tools/flashjit/listing.h"
#include "tools/flashjit/problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void fill_indptr(const struct case_data *data) {
  const struct bench_batch *batch = &data->what.batch;
  int32_t *q_indptr = data->host[CASE_Q_INDPTR];
  int32_t *kv_indptr = data->host[CASE_KV_INDPTR];
  int32_t *kv_len = data->host[CASE_KV_LEN];
  int32_t *second_len = data->host[CASE_SECOND_LEN];
  for (uint32_t r = 0; r < batch->count; r++) {
    const struct bench_request *request = &batch->requests[r];
    if (q_indptr)
      q_indptr[r + 1] = q_indptr[r] + (int32_t)request->q_len;
    if (kv_indptr)
      kv_indptr[r + 1] = kv_indptr[r] + (int32_t)(case_is_paged(data) ? case_pages(data, r) : request->kv_len);
    if (kv_len)
      kv_len[r] = (int32_t)request->kv_len;
    if (second_len)
      second_len[r] = (int32_t)bench_case_entries(&data->what, r);
  }
}

/* The entries of a request in the page table. */
static int32_t *entries_of(const struct case_data *data, uint32_t request) {
  int32_t *table = data->host[CASE_PAGE_TABLE];
  const int32_t *kv_indptr = data->host[CASE_KV_INDPTR];
  return case_has_indptr(data) ? table + kv_indptr[request] : table + (size_t)request * data->table_stride;
}

/* The requests as they come: each shares with the one before it what all of its part do. */
static void fill_shared(const struct case_data *data) {
  const struct bench_batch *batch = &data->what.batch;
  int32_t *shared = data->host[CASE_SHARED];
  for (uint32_t r = 0; r < batch->count && shared; r++) {
    shared[2 * r] = (int32_t)r;
    shared[2 * r + 1] = (int32_t)bench_batch_borrowed(batch, r, data->spec.page_size);
  }
}

/* Ids of pages in random order, to be freed. */
static int32_t *random_pages(random_state *random, uint32_t count) {
  int32_t *order = calloc(count, sizeof *order);
  if (order)
    random_permutation(random, order, count);
  else
    problem_set("no host memory for %u page ids", count);
  return order;
}

static bool fill_page_table(const struct case_data *data, random_state *random) {
  const int32_t *table = data->host[CASE_PAGE_TABLE];
  uint32_t next = 0;
  if (!table)
    return true;
  int32_t *order = random_pages(random, data->pages);
  for (uint32_t r = 0; r < data->what.batch.count && order; r++) {
    int32_t *row = entries_of(data, r);
    const uint32_t borrowed = case_borrowed_pages(data, r);
    for (uint32_t i = 0; i < case_pages(data, r); i++)
      row[i] = i < borrowed ? entries_of(data, data->what.batch.requests[r].owner)[i] : order[next++];
  }
  const bool filled = order;
  free(order);
  return filled;
}

static bool fill_second_table(const struct case_data *data, random_state *random) {
  int32_t *table = data->host[CASE_SECOND_TABLE];
  uint32_t next = 0;
  if (!table)
    return true;
  int32_t *order = random_pages(random, data->second_pages);
  for (uint32_t r = 0; r < data->what.batch.count && order; r++) {
    for (uint32_t i = 0; i < case_second_pages(data, r); i++)
      table[(size_t)r * data->second_stride + i] = order[next++];
  }
  const bool filled = order;
  free(order);
  return filled;
}

/* Random blocks of those that the query tokens of a request see, each once; holes where they see fewer. */
static int32_t *fill_lists_of(const struct case_data *data, random_state *random, uint32_t request, int32_t *blocks,
                              int32_t *list) {
  const uint32_t listed = data->what.listed;
  for (uint32_t i = 0; i < data->what.batch.requests[request].q_len; i++, list += listed) {
    const uint32_t seen = bench_case_seen(&data->what, request, i);
    for (uint32_t b = 0; b < seen; b++)
      blocks[b] = (int32_t)b;
    for (uint32_t e = 0; e < listed; e++) {
      const uint32_t chosen = e < seen ? e + random_below(random, seen - e) : 0;
      list[e] = e < seen ? blocks[chosen] : -1;
      blocks[chosen] = e < seen ? blocks[e] : blocks[chosen];
    }
  }
  return list;
}

static bool fill_lists(const struct case_data *data, random_state *random) {
  const struct bench_batch *batch = &data->what.batch;
  int32_t *list = data->host[CASE_SELECTED];
  if (!list)
    return true;
  int32_t *blocks = calloc(bench_batch_most_kv(batch) + 1, sizeof *blocks);
  if (!blocks)
    return problem_set("no host memory for lists");
  for (uint32_t r = 0; r < batch->count; r++)
    list = fill_lists_of(data, random, r, blocks, list);
  free(blocks);
  return true;
}

static void fill_elements(const struct case_data *data, enum case_buffer buffer, uint32_t dtype, random_state *random) {
  random_pattern(random, dtype, data->host[buffer], data->bytes[buffer]);
}

/* Scales with which codes are of the size of other types' elements. */
static void fill_scales(const struct case_data *data, enum case_buffer buffer, uint32_t type, uint32_t dtype,
                        random_state *random) {
  const double unit = dtype == FI_I8 ? 1.0 / 32 : 0.5;
  for (size_t i = 0; i < data->bytes[buffer] / dtype_bytes(type); i++)
    dtype_encode(type, unit * (16 + random_below(random, 32)) / 32, data->host[buffer], i);
}

/* One number a query head. */
static void fill_heads(const struct case_data *data, enum case_buffer buffer, double first, double ratio) {
  const size_t heads = data->bytes[buffer] / sizeof(float);
  for (size_t head = 0; head < heads; head++)
    ((float *)data->host[buffer])[head] = (float)(first * pow(ratio, (double)head / (double)heads));
}

/* Of eight tokens one is not seen. */
static void fill_mask(const struct case_data *data, random_state *random) {
  const struct bench_batch *batch = &data->what.batch;
  uint32_t *words = data->host[CASE_MASK_BITS];
  int64_t *offsets = data->host[CASE_MASK_OFFSETS];
  int64_t offset = 0;
  for (size_t i = 0; i < data->bytes[CASE_MASK_BITS] / sizeof *words; i++)
    words[i] = (uint32_t)(random_next(random) | random_next(random) | random_next(random));
  for (uint32_t r = 0; r < batch->count && offsets; r++) {
    offsets[r] = offset;
    offset += (int64_t)(batch->requests[r].q_len * case_mask_words(data));
  }
}

static bool fill_rope_table(struct case_data *data) {
  const fi_rope rope = {.struct_size = sizeof rope, .dim = data->spec.rope_dim, .theta = 500000};
  uint64_t *table = data->host[CASE_ROPE_TABLE];
  return !table || fi_rope_table(&rope, table, &data->rope_magnitude) == FI_OK ||
         problem_set("fi_rope_table: %s", fi_last_error());
}

bool case_fill(struct case_data *data, random_state *random) {
  const fi_spec *spec = &data->spec;
  fill_indptr(data);
  fill_shared(data);
  fill_elements(data, CASE_Q, spec->q_dtype, random);
  fill_elements(data, CASE_K, spec->kv_dtype, random);
  fill_elements(data, CASE_V, reference_v_rows(spec).dtype, random);
  fill_scales(data, CASE_K_SCALES, reference_k_scale_rows(spec).dtype, spec->kv_dtype, random);
  fill_scales(data, CASE_V_SCALES, reference_v_scale_rows(spec).dtype, spec->v_dtype, random);
  fill_elements(data, CASE_SECOND_K, spec->kv_dtype, random);
  fill_elements(data, CASE_SECOND_V, reference_v_rows(spec).dtype, random);
  fill_scales(data, CASE_SECOND_K_SCALES, reference_k_scale_rows(spec).dtype, spec->kv_dtype, random);
  fill_scales(data, CASE_SECOND_V_SCALES, reference_v_scale_rows(spec).dtype, spec->v_dtype, random);
  fill_mask(data, random);
  listing_weights(random, data->host[CASE_WEIGHTS], data->bytes[CASE_WEIGHTS] / sizeof(float));
  fill_heads(data, CASE_SINKS, 1, 4);
  fill_elements(data, CASE_BIAS, case_bias(data).dtype, random);
  fill_heads(data, CASE_SLOPES, 0.5, 1.0 / 128); /* from 1/2 to 1/256, as ALiBi has them */
  return fill_page_table(data, random) && fill_second_table(data, random) && fill_lists(data, random) &&
         fill_rope_table(data);
}
