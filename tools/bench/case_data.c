/* Makes the inputs of a case on the device, as often as it takes to exceed the L2 cache. */
#include "tools/bench/case_data.h"

#include "generator/derived.h"
#include "tests/dtypes.h"
#include "tools/flashjit/problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  PATTERN_ELEMENTS = 1 << 22, /* random elements that fill a cache again and again */
  SET_BYTES = 300000000       /* of KV in all sets together: several times L2 */
};

static const float softcap = 50; /* Gemma 2's */

static bool call_worked(const char *call, fi_status status) {
  return status == FI_OK || problem_set("%s: %s", call, fi_last_error());
}

static bool is_paged(const struct case_data *data) {
  return data->spec.page_size > 0;
}

static bool has_indptr(const struct case_data *data) {
  return data->spec.index == FI_INDEX_CSR;
}

static uint32_t pages_of(const struct case_data *data, uint32_t request) {
  const uint32_t page = data->spec.page_size;
  return is_paged(data) ? (data->what->batch.requests[request].kv_len + page - 1) / page : 0;
}

static uint32_t borrowed_pages(const struct case_data *data, uint32_t request) {
  const uint32_t page = data->spec.page_size;
  return is_paged(data) ? bench_batch_borrowed(&data->what->batch, request, page) / page : 0;
}

/* ------------------------------------------------------------------------------------------------ sizes */

static size_t query_heads(const struct case_data *data) {
  return (size_t)data->what->kv_heads * data->spec.group;
}

/* How many scales K or V of so many tokens has. */
static size_t scale_count(const struct case_data *data, size_t tokens, const struct reference_scale_rows *rows,
                          uint32_t dtype) {
  const size_t heads = data->what->kv_heads;
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
  return tokens * data->what->kv_heads * rows.dim * dtype_bits(rows.dtype) / 8;
}

/* A request without entries has a page of them, too. */
static uint32_t second_pages_of(const struct case_data *data, uint32_t request) {
  const uint32_t page = data->spec.second_page;
  return page > 0 ? bench_case_entries(data->what, request) / page + 1 : 0;
}

static void count_pages(struct case_data *data) {
  const struct bench_batch *batch = &data->what->batch;
  uint64_t tokens = 0;
  for (uint32_t r = 0; r < batch->count; r++) {
    const uint32_t pages = pages_of(data, r);
    data->entries += pages;
    data->pages += pages - borrowed_pages(data, r);
    data->table_stride = pages > data->table_stride ? pages : data->table_stride;
    const uint32_t second = second_pages_of(data, r);
    data->second_pages += second;
    data->second_stride = second > data->second_stride ? second : data->second_stride;
    tokens += batch->requests[r].kv_len;
  }
  data->cache_tokens = is_paged(data)     ? (uint64_t)data->pages * data->spec.page_size
                       : has_indptr(data) ? tokens
                                          : (uint64_t)batch->count * bench_batch_most_kv(batch);
}

/* Words of a query token's row of a packed mask. */
static size_t mask_words(const struct case_data *data) {
  return data->spec.mask_bits ? (bench_batch_most_kv(&data->what->batch) + 31) / 32 : 0;
}

static void set_sizes(struct case_data *data) {
  const fi_spec *spec = &data->spec;
  const size_t requests = data->what->batch.count;
  const size_t rows = bench_batch_tokens(&data->what->batch) * query_heads(data);
  const bool has_own_v = spec->v_source == FI_V_OWN;
  const struct reference_scale_rows k_scales = reference_k_scale_rows(spec);
  const struct reference_scale_rows v_scales = reference_v_scale_rows(spec);
  const size_t tokens = data->cache_tokens;
  const size_t second = (size_t)data->second_pages * spec->second_page;
  const size_t table = has_indptr(data) ? data->entries : requests * data->table_stride;
  const size_t bytes[CASE_BUFFERS] = {
      [CASE_Q] = rows * spec->head_dim * dtype_bytes(spec->q_dtype),
      [CASE_O] = rows * spec->v_dim * dtype_bytes(spec->o_dtype),
      [CASE_K] = cache_bytes(data, tokens, reference_k_rows(spec)),
      [CASE_V] = cache_bytes(data, tokens, reference_v_rows(spec)),
      [CASE_K_SCALES] = scale_bytes(data, tokens, &k_scales, spec->kv_dtype),
      [CASE_V_SCALES] = has_own_v ? scale_bytes(data, tokens, &v_scales, spec->v_dtype) : 0,
      [CASE_Q_INDPTR] = bench_batch_most_q(&data->what->batch) > 1 ? (requests + 1) * sizeof(int32_t) : 0,
      [CASE_KV_LEN] = is_paged(data) || !has_indptr(data) ? requests * sizeof(int32_t) : 0,
      [CASE_KV_INDPTR] = has_indptr(data) ? (requests + 1) * sizeof(int32_t) : 0,
      [CASE_PAGE_TABLE] = is_paged(data) ? table * sizeof(int32_t) : 0,
      [CASE_SHARED] = derived_tells_prefixes(spec) ? 2 * requests * sizeof(int32_t) : 0,
      [CASE_MASK_BITS] = bench_batch_tokens(&data->what->batch) * mask_words(data) * sizeof(uint32_t),
      [CASE_MASK_OFFSETS] = spec->mask_bits ? requests * sizeof(int64_t) : 0,
      [CASE_SINKS] = spec->sinks ? query_heads(data) * sizeof(float) : 0,
      [CASE_SLOPES] = spec->bias == FI_BIAS_SLOPES ? query_heads(data) * sizeof(float) : 0,
      [CASE_ROPE_TABLE] = spec->rope != FI_ROPE_NONE ? spec->rope_dim / 2 * sizeof(uint64_t) : 0,
      [CASE_SELECTED] = bench_batch_tokens(&data->what->batch) * data->what->listed * sizeof(int32_t),
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

/* What the kernels write, and nobody needs to have drawn. */
static bool is_on_host(enum case_buffer buffer) {
  return buffer != CASE_O && buffer != CASE_LSE && buffer != CASE_MEMORY && buffer != CASE_SCRATCH;
}

static bool make_host(struct case_data *data) {
  for (enum case_buffer b = 0; b < CASE_BUFFERS; b++) {
    if (data->bytes[b] == 0 || !is_on_host(b))
      continue;
    data->host[b] = calloc(1, data->bytes[b]);
    if (!data->host[b])
      return problem_set("no host memory for %zu bytes", data->bytes[b]);
  }
  return true;
}

/* ------------------------------------------------------------------------------------------------ contents */

static void fill_indptr(const struct case_data *data) {
  const struct bench_batch *batch = &data->what->batch;
  int32_t *q_indptr = data->host[CASE_Q_INDPTR];
  int32_t *kv_indptr = data->host[CASE_KV_INDPTR];
  int32_t *kv_len = data->host[CASE_KV_LEN];
  int32_t *second_len = data->host[CASE_SECOND_LEN];
  for (uint32_t r = 0; r < batch->count; r++) {
    const struct bench_request *request = &batch->requests[r];
    if (q_indptr)
      q_indptr[r + 1] = q_indptr[r] + (int32_t)request->q_len;
    if (kv_indptr)
      kv_indptr[r + 1] = kv_indptr[r] + (int32_t)(is_paged(data) ? pages_of(data, r) : request->kv_len);
    if (kv_len)
      kv_len[r] = (int32_t)request->kv_len;
    if (second_len)
      second_len[r] = (int32_t)bench_case_entries(data->what, r);
  }
}

/* The entries of a request in the page table. */
static int32_t *entries_of(const struct case_data *data, uint32_t request) {
  int32_t *table = data->host[CASE_PAGE_TABLE];
  const int32_t *kv_indptr = data->host[CASE_KV_INDPTR];
  return has_indptr(data) ? table + kv_indptr[request] : table + (size_t)request * data->table_stride;
}

/* The requests as they come: each shares with the one before it what all of its part do. */
static void fill_shared(const struct case_data *data) {
  const struct bench_batch *batch = &data->what->batch;
  int32_t *shared = data->host[CASE_SHARED];
  for (uint32_t r = 0; r < batch->count && shared; r++) {
    shared[2 * r] = (int32_t)r;
    shared[2 * r + 1] = (int32_t)bench_batch_borrowed(batch, r, data->spec.page_size);
  }
}

/* Pages in random order. */
static bool fill_page_table(const struct case_data *data, random_state *random) {
  const int32_t *table = data->host[CASE_PAGE_TABLE];
  uint32_t next = 0;
  if (!table)
    return true;
  int32_t *order = calloc(data->pages, sizeof *order);
  if (!order)
    return problem_set("no host memory for %u page ids", data->pages);
  random_permutation(random, order, data->pages);
  for (uint32_t r = 0; r < data->what->batch.count; r++) {
    int32_t *row = entries_of(data, r);
    const uint32_t borrowed = borrowed_pages(data, r);
    for (uint32_t i = 0; i < pages_of(data, r); i++)
      row[i] = i < borrowed ? entries_of(data, data->what->batch.requests[r].owner)[i] : order[next++];
  }
  free(order);
  return true;
}

static bool fill_second_table(const struct case_data *data, random_state *random) {
  int32_t *table = data->host[CASE_SECOND_TABLE];
  uint32_t next = 0;
  if (!table)
    return true;
  int32_t *order = calloc(data->second_pages, sizeof *order);
  if (!order)
    return problem_set("no host memory for %u page ids", data->second_pages);
  random_permutation(random, order, data->second_pages);
  for (uint32_t r = 0; r < data->what->batch.count; r++) {
    for (uint32_t i = 0; i < second_pages_of(data, r); i++)
      table[(size_t)r * data->second_stride + i] = order[next++];
  }
  free(order);
  return true;
}

/* Random blocks of those that the query tokens of a request see, each once; holes where they see fewer. */
static int32_t *fill_lists_of(const struct case_data *data, random_state *random, uint32_t request, int32_t *blocks,
                              int32_t *list) {
  const uint32_t listed = data->what->listed;
  for (uint32_t i = 0; i < data->what->batch.requests[request].q_len; i++, list += listed) {
    const uint32_t seen = bench_case_seen(data->what, request, i);
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
  const struct bench_batch *batch = &data->what->batch;
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
  char *elements = data->host[buffer];
  const size_t bytes = data->bytes[buffer];
  const size_t whole = (size_t)PATTERN_ELEMENTS * dtype_bits(dtype) / 8;
  const size_t pattern = bytes < whole ? bytes : whole;
  random_normal(random, dtype, elements, pattern * 8 / dtype_bits(dtype));
  for (size_t done = pattern; done < bytes; done += pattern)
    memcpy(elements + done, elements, bytes - done < pattern ? bytes - done : pattern);
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
  const size_t heads = query_heads(data);
  for (size_t head = 0; head < heads && data->bytes[buffer] > 0; head++)
    ((float *)data->host[buffer])[head] = (float)(first * pow(ratio, (double)head / (double)heads));
}

/* Of eight tokens one is not seen. */
static void fill_mask(const struct case_data *data, random_state *random) {
  const struct bench_batch *batch = &data->what->batch;
  uint32_t *words = data->host[CASE_MASK_BITS];
  int64_t *offsets = data->host[CASE_MASK_OFFSETS];
  int64_t offset = 0;
  for (size_t i = 0; i < data->bytes[CASE_MASK_BITS] / sizeof *words; i++)
    words[i] = (uint32_t)(random_next(random) | random_next(random) | random_next(random));
  for (uint32_t r = 0; r < batch->count && offsets; r++) {
    offsets[r] = offset;
    offset += (int64_t)(batch->requests[r].q_len * mask_words(data));
  }
}

static bool fill_rope_table(struct case_data *data) {
  const fi_rope rope = {.struct_size = sizeof rope, .dim = data->spec.rope_dim, .theta = 500000};
  uint64_t *table = data->host[CASE_ROPE_TABLE];
  return !table || call_worked("fi_rope_table", fi_rope_table(&rope, table, &data->rope_magnitude));
}

static bool fill_host(struct case_data *data, random_state *random) {
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
  fill_heads(data, CASE_SINKS, 1, 4);
  fill_heads(data, CASE_SLOPES, 0.5, 1.0 / 128); /* from 1/2 to 1/256, as ALiBi has them */
  return fill_page_table(data, random) && fill_second_table(data, random) && fill_lists(data, random) &&
         fill_rope_table(data);
}

/* ------------------------------------------------------------------------------------------------ device */

static bool make_kernel(struct case_data *data, fi_ctx *ctx) {
  const struct bench_case *what = data->what;
  fi_spec spec;
  data->spec.struct_size = sizeof data->spec;
  data->bounds = bench_batch_bounds(&what->batch, what->kv_heads);
  data->bounds.max_selected = what->listed;
  return call_worked("fi_spec_parse", fi_spec_parse(what->spec_text, &spec)) &&
         call_worked("fi_get_kernel", fi_get_kernel(ctx, &spec, &data->kernel)) &&
         call_worked("fi_kernel_spec", fi_kernel_spec(data->kernel, &data->spec)) &&
         call_worked("fi_workspace_size", fi_workspace_size(data->kernel, &data->bounds));
}

static void make_set(struct case_data *data, uint32_t set) {
  struct device *device = data->device;
  for (enum case_buffer b = 0; b < CASE_BUFFERS; b++) {
    if (data->bytes[b] == 0)
      continue;
    data->memory[set][b] = device_alloc(device, data->bytes[b]);
    if (data->host[b])
      device_upload(device, data->memory[set][b], data->host[b], data->bytes[b]);
    else
      device_fill(device, data->memory[set][b], 0xff, data->bytes[b]);
  }
}

static uint32_t count_sets(const struct case_data *data) {
  const double sets = data->device->simulated ? 1 : SET_BYTES / bench_case_bytes(data->what) + 1;
  return sets > MOST_SETS ? MOST_SETS : (uint32_t)sets;
}

bool case_data_make(struct case_data *data, const struct bench_case *what, struct device *device, fi_ctx *ctx,
                    random_state *random) {
  *data = (struct case_data){.what = what, .device = device};
  if (!make_kernel(data, ctx))
    return false;
  count_pages(data);
  set_sizes(data);
  if (!make_host(data) || !fill_host(data, random))
    return false;
  data->sets = count_sets(data);
  for (uint32_t set = 0; set < data->sets; set++) {
    make_set(data, set);
    if (device_failed(device))
      break;
    const fi_batch batch = case_batch(data, set);
    const fi_workspace workspace = case_workspace(data, set);
    if (!call_worked("fi_plan", fi_plan(data->kernel, &batch, &workspace, NULL)))
      return false;
  }
  device_sync(device, NULL);
  return !device_failed(device) || problem_set("%s", device->error);
}

void case_data_free(struct case_data *data) {
  for (uint32_t set = 0; set < data->sets; set++) {
    for (enum case_buffer b = 0; b < CASE_BUFFERS; b++) {
      if (data->memory[set][b])
        device_free(data->device, data->memory[set][b]);
    }
  }
  for (enum case_buffer b = 0; b < CASE_BUFFERS; b++)
    free(data->host[b]);
  *data = (struct case_data){0};
}

/* ------------------------------------------------------------------------------------------------ structs */

static fi_batch batch_on(const struct case_data *data, void *const *memory) {
  return (fi_batch){.struct_size = sizeof(fi_batch),
                    .requests = data->what->batch.count,
                    .q_indptr = memory[CASE_Q_INDPTR],
                    .kv_len = memory[CASE_KV_LEN],
                    .kv_indptr = memory[CASE_KV_INDPTR],
                    .page_table = memory[CASE_PAGE_TABLE],
                    .page_table_stride = has_indptr(data) ? 0 : data->table_stride,
                    .second_page_table = memory[CASE_SECOND_TABLE],
                    .second_page_table_stride = data->second_stride,
                    .second_kv_len = memory[CASE_SECOND_LEN],
                    .mask_bits = memory[CASE_MASK_BITS],
                    .mask_offsets = memory[CASE_MASK_OFFSETS],
                    .mask_stride = (int64_t)mask_words(data),
                    .shared = memory[CASE_SHARED]};
}

/* Of a contiguous cache: elements from a request to the next. */
static int64_t request_stride(const struct case_data *data, uint32_t elements) {
  const bool is_contiguous = !is_paged(data) && !has_indptr(data);
  return is_contiguous ? (int64_t)bench_batch_most_kv(&data->what->batch) * data->what->kv_heads * elements : 0;
}

static fi_kv cache_on(const struct case_data *data, void *rows, void *scales, uint32_t dim, uint32_t scales_of_row) {
  return (fi_kv){.data = rows,
                 .scales = scales,
                 .page_stride = request_stride(data, dim),
                 .scale_page_stride = request_stride(data, scales_of_row)};
}

static fi_tensors tensors_on(const struct case_data *data, void *const *memory) {
  const fi_spec *spec = &data->spec;
  return (fi_tensors){
      .struct_size = sizeof(fi_tensors),
      .q = memory[CASE_Q],
      .o = memory[CASE_O],
      .lse = memory[CASE_LSE],
      .k = cache_on(data, memory[CASE_K], memory[CASE_K_SCALES], reference_k_rows(spec).dim,
                    reference_k_scale_rows(spec).packed),
      .v = cache_on(data, memory[CASE_V], memory[CASE_V_SCALES], reference_v_rows(spec).dim,
                    reference_v_scale_rows(spec).packed),
      .sinks = memory[CASE_SINKS],
      .slopes = memory[CASE_SLOPES],
      .softcap = spec->softcap ? softcap : 0,
      .rope_table = memory[CASE_ROPE_TABLE],
      .rope_magnitude = data->rope_magnitude,
      .selected = memory[CASE_SELECTED],
      .second_k = {.data = memory[CASE_SECOND_K], .scales = memory[CASE_SECOND_K_SCALES]},
      .second_v = {.data = memory[CASE_SECOND_V], .scales = memory[CASE_SECOND_V_SCALES]},
  };
}

fi_batch case_batch(const struct case_data *data, uint32_t set) {
  return batch_on(data, data->memory[set]);
}

fi_tensors case_tensors(const struct case_data *data, uint32_t set) {
  return tensors_on(data, data->memory[set]);
}

fi_workspace case_workspace(const struct case_data *data, uint32_t set) {
  fi_workspace workspace = data->bounds;
  workspace.memory = data->memory[set][CASE_MEMORY];
  workspace.scratch = data->memory[set][CASE_SCRATCH];
  return workspace;
}

struct reference case_reference(const struct case_data *data) {
  return (struct reference){.spec = data->spec,
                            .batch = batch_on(data, data->host),
                            .tensors = tensors_on(data, data->host),
                            .kv_heads = data->what->kv_heads,
                            .max_selected = data->what->listed};
}
