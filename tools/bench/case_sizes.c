/* What a case has of each buffer. */
#include "tools/bench/case_parts.h"

#include "generator/derived.h"
#include "tests/dtypes.h"

#include <string.h>

bool case_is_paged(const struct case_data *data) {
  return data->spec.page_size > 0;
}

bool case_has_indptr(const struct case_data *data) {
  return data->spec.index == FI_INDEX_CSR;
}

/* A request without KV has a page of it, too. */
uint32_t case_pages(const struct case_data *data, uint32_t request) {
  const uint32_t page = data->spec.page_size;
  const uint32_t tokens = data->what.batch.requests[request].kv_len;
  return case_is_paged(data) ? (tokens + (tokens == 0) + page - 1) / page : 0;
}

uint32_t case_borrowed_pages(const struct case_data *data, uint32_t request) {
  const uint32_t page = data->spec.page_size;
  return case_is_paged(data) ? bench_batch_borrowed(&data->what.batch, request, page) / page : 0;
}

/* ------------------------------------------------------------------------------------------------ sizes */

static size_t query_heads(const struct case_data *data) {
  return (size_t)data->what.kv_heads * data->spec.group;
}

/* How many scales K or V of so many tokens has. */
static size_t scale_count(const struct case_data *data, size_t tokens, const struct reference_scale_rows *rows,
                          uint32_t dtype) {
  const size_t heads = data->what.kv_heads;
  if (rows->count > 0)
    return tokens * heads * rows->packed;
  if (data->spec.kv_scale == FI_SCALE_NONE || dtype_bits(dtype) > 8)
    return 0;
  return data->spec.kv_scale == FI_SCALE_HEAD ? heads : 1;
}

static size_t scale_bytes(const struct case_data *data, size_t tokens, const struct reference_scale_rows *rows,
                          uint32_t dtype) {
  return scale_count(data, tokens, rows, dtype) * dtype_bytes(rows->dtype);
}

static size_t cache_bytes(const struct case_data *data, size_t tokens, struct reference_rows rows) {
  return tokens * data->what.kv_heads * rows.dim * dtype_bits(rows.dtype) / 8;
}

/* A request without entries has a page of them, too. */
uint32_t case_second_pages(const struct case_data *data, uint32_t request) {
  const uint32_t page = data->spec.second_page;
  return page > 0 ? bench_case_entries(&data->what, request) / page + 1 : 0;
}

static void count_pages(struct case_data *data) {
  const struct bench_batch *batch = &data->what.batch;
  uint64_t tokens = 0;
  for (uint32_t r = 0; r < batch->count; r++) {
    const uint32_t pages = case_pages(data, r);
    data->entries += pages;
    data->pages += pages - case_borrowed_pages(data, r);
    data->table_stride = pages > data->table_stride ? pages : data->table_stride;
    const uint32_t second = case_second_pages(data, r);
    data->second_pages += second;
    data->second_stride = second > data->second_stride ? second : data->second_stride;
    tokens += batch->requests[r].kv_len;
  }
  data->cache_tokens = case_is_paged(data)     ? (uint64_t)data->pages * data->spec.page_size
                       : case_has_indptr(data) ? tokens
                                               : (uint64_t)batch->count * bench_batch_most_kv(batch);
}

size_t case_mask_words(const struct case_data *data) {
  return data->spec.mask_bits ? (bench_batch_most_kv(&data->what.batch) + 31) / 32 : 0;
}

/* By distance as far as there is KV, of each query token as far as Inkling has it. */
struct case_bias case_bias(const struct case_data *data) {
  enum { DISTANCES = 1024 };
  const fi_spec *spec = &data->spec;
  const uint32_t most = data->bounds.max_kv_len;
  const uint32_t near = most < DISTANCES ? most : DISTANCES;
  const size_t tokens = bench_batch_tokens(&data->what.batch);
  const size_t heads = query_heads(data);
  const uint32_t behind = spec->mask == FI_MASK_CAUSAL ? 0 : most - 1;
  const uint32_t distances = most + behind;
  switch (spec->bias) {
  case FI_BIAS_DISTANCE:
    return (struct case_bias){FI_F32, distances, -(int32_t)behind, heads, 0, distances};
  case FI_BIAS_TOKEN_DISTANCE:
    return (struct case_bias){spec->q_dtype, near, 0, tokens * heads, (int64_t)(heads * near), near};
  case FI_BIAS_DENSE:
    return (struct case_bias){FI_F16, most, 0, tokens, most, 0};
  default:
    return (struct case_bias){.dtype = FI_F32};
  }
}

static size_t bias_bytes(const struct case_data *data) {
  const struct case_bias bias = case_bias(data);
  return bias.rows * bias.extent * dtype_bytes(bias.dtype);
}

/* Of all query tokens, entries of the lists that attention reads, .. */
static size_t listed_entries(const struct case_data *data) {
  const bool is_indexer = data->spec.op == FI_OP_INDEXER;
  return is_indexer ? 0 : bench_batch_tokens(&data->what.batch) * data->what.listed;
}

/* .. and of those that an indexer makes. */
static size_t made_entries(const struct case_data *data, size_t rows) {
  if (data->spec.op != FI_OP_INDEXER)
    return 0;
  return (data->spec.scores == FI_SCORES_HEADS ? rows : rows / data->spec.group) * data->what.listed;
}

void case_set_sizes(struct case_data *data) {
  count_pages(data);
  const fi_spec *spec = &data->spec;
  const size_t requests = data->what.batch.count;
  const size_t rows = bench_batch_tokens(&data->what.batch) * query_heads(data);
  const bool has_own_v = spec->v_source == FI_V_OWN;
  const struct reference_scale_rows k_scales = reference_k_scale_rows(spec);
  const struct reference_scale_rows v_scales = reference_v_scale_rows(spec);
  const size_t tokens = data->cache_tokens;
  const size_t second = (size_t)data->second_pages * spec->second_page;
  const size_t table = case_has_indptr(data) ? data->entries : requests * data->table_stride;
  const size_t bytes[CASE_BUFFERS] = {
      [CASE_Q] = rows * spec->head_dim * dtype_bytes(spec->q_dtype),
      [CASE_O] = rows * spec->v_dim * dtype_bytes(spec->o_dtype),
      [CASE_K] = cache_bytes(data, tokens, reference_k_rows(spec)),
      [CASE_V] = cache_bytes(data, tokens, reference_v_rows(spec)),
      [CASE_K_SCALES] = scale_bytes(data, tokens, &k_scales, spec->kv_dtype),
      [CASE_V_SCALES] = has_own_v ? scale_bytes(data, tokens, &v_scales, spec->v_dtype) : 0,
      [CASE_Q_INDPTR] = bench_batch_most_q(&data->what.batch) > 1 ? (requests + 1) * sizeof(int32_t) : 0,
      [CASE_KV_LEN] = case_is_paged(data) || !case_has_indptr(data) ? requests * sizeof(int32_t) : 0,
      [CASE_KV_INDPTR] = case_has_indptr(data) ? (requests + 1) * sizeof(int32_t) : 0,
      [CASE_PAGE_TABLE] = case_is_paged(data) ? table * sizeof(int32_t) : 0,
      [CASE_SHARED] = derived_tells_prefixes(spec) ? 2 * requests * sizeof(int32_t) : 0,
      [CASE_MASK_BITS] = bench_batch_tokens(&data->what.batch) * case_mask_words(data) * sizeof(uint32_t),
      [CASE_MASK_OFFSETS] = spec->mask_bits ? requests * sizeof(int64_t) : 0,
      [CASE_SINKS] = spec->sinks ? query_heads(data) * sizeof(float) : 0,
      [CASE_SLOPES] = spec->bias == FI_BIAS_SLOPES ? query_heads(data) * sizeof(float) : 0,
      [CASE_BIAS] = bias_bytes(data),
      [CASE_ROPE_TABLE] = spec->rope != FI_ROPE_NONE ? spec->rope_dim / 2 * sizeof(uint64_t) : 0,
      [CASE_SELECTED] = listed_entries(data) * sizeof(int32_t),
      [CASE_WEIGHTS] = spec->op == FI_OP_INDEXER && spec->scores == FI_SCORES_SUM ? rows * sizeof(float) : 0,
      [CASE_LISTS] = made_entries(data, rows) * sizeof(int32_t),
      [CASE_SECOND_K] = cache_bytes(data, second, reference_k_rows(spec)),
      [CASE_SECOND_V] = cache_bytes(data, second, reference_v_rows(spec)),
      [CASE_SECOND_K_SCALES] = k_scales.count > 0 ? scale_bytes(data, second, &k_scales, spec->kv_dtype) : 0,
      [CASE_SECOND_V_SCALES] =
          has_own_v && v_scales.count > 0 ? scale_bytes(data, second, &v_scales, spec->v_dtype) : 0,
      [CASE_SECOND_TABLE] = requests * data->second_stride * sizeof(int32_t),
      [CASE_SECOND_LEN] = second > 0 ? requests * sizeof(int32_t) : 0,
      [CASE_LSE] = spec->lse ? rows * sizeof(float) : 0,
      [CASE_MEMORY] = data->bounds.bytes,
      [CASE_SCRATCH] = data->bounds.scratch_bytes,
  };
  memcpy(data->bytes, bytes, sizeof bytes);
}
