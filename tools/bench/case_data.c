/* Makes the inputs of a case on the device, as often as it takes to exceed the L2 cache. */
#include "tools/bench/case_data.h"

#include "tests/dtypes.h"
#include "tests/reference.h"
#include "tools/common/visible.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  PATTERN_ELEMENTS = 1 << 22, /* random elements that fill a cache again and again */
  SET_BYTES = 300000000,      /* of KV in all sets together: several times L2 */
  MOST_HEAD_DIM = 512
};

static const float softcap = 50; /* Gemma 2's */

bool case_data_failed(const struct case_data *data, const char *call, fi_status status) {
  if (status)
    fprintf(stderr, "%s: %s: %s: %s\n", data->what->spec, call, fi_status_name(status), fi_last_error());
  return status != FI_OK;
}

static uint32_t kv_len_of(const struct bench_case *what, uint32_t request) {
  return request == 0 && what->long_kv_len ? what->long_kv_len : what->kv_len;
}

static size_t query_heads(const struct case_data *data) {
  return (size_t)data->what->kv_heads * data->spec.group;
}

static size_t q_bytes(const struct case_data *data) {
  return data->tokens * query_heads(data) * data->spec.head_dim * dtype_bytes(data->spec.q_dtype);
}

static size_t o_bytes(const struct case_data *data) {
  return data->tokens * query_heads(data) * data->spec.v_dim * dtype_bytes(data->spec.o_dtype);
}

static size_t cache_bytes(const struct case_data *data, uint32_t dtype, uint32_t dim) {
  return data->cache_tokens * data->what->kv_heads * dim * dtype_bits(dtype) / 8;
}

/* How many scales K or V of a token and head has of its own. */
static size_t row_scales(const struct case_data *data, uint32_t dtype, uint32_t dim) {
  if (reference_scale_dtype(dtype) != FI_F32)
    return dim / data->spec.scale_group;
  return data->spec.kv_scale == FI_SCALE_TOKEN ? 1 : 0;
}

static size_t scale_bytes(const struct case_data *data, uint32_t dtype, uint32_t dim) {
  const size_t rows = data->cache_tokens * data->what->kv_heads;
  return rows * row_scales(data, dtype, dim) * dtype_bytes(reference_scale_dtype(dtype));
}

/* Lengths, and pages in random order; ragged tokens when there are no pages. */
static void make_lengths(struct case_data *data, random_state *random) {
  const struct bench_case *what = data->what;
  const uint32_t page = data->spec.page_size ? data->spec.page_size : 1;
  uint32_t pages = 0;
  data->kv_len = calloc(what->requests, sizeof(int32_t));
  data->q_indptr = calloc(what->requests + 1, sizeof(int32_t));
  data->kv_indptr = calloc(what->requests + 1, sizeof(int32_t));
  for (uint32_t r = 0; r < what->requests; r++) {
    const uint32_t length = kv_len_of(what, r);
    const uint32_t request_pages = (length + page - 1) / page;
    data->kv_len[r] = (int32_t)length;
    data->q_indptr[r + 1] = data->q_indptr[r] + (int32_t)what->q_len;
    data->kv_indptr[r + 1] = data->kv_indptr[r] + (int32_t)length;
    data->kv_tokens += length - visible_first(&data->spec, length - what->q_len);
    pages += request_pages;
    if (request_pages > data->page_table_stride)
      data->page_table_stride = request_pages;
  }
  data->tokens = (uint64_t)what->requests * what->q_len;
  data->cache_tokens = (size_t)pages * page;
  if (data->spec.page_size == 0)
    return;
  int32_t *order = calloc(pages, sizeof *order);
  data->page_table = calloc(what->requests * (size_t)data->page_table_stride, sizeof(int32_t));
  random_permutation(random, order, pages);
  uint32_t next = 0;
  for (uint32_t r = 0; r < what->requests; r++)
    for (uint32_t i = 0; i < ((uint32_t)data->kv_len[r] + page - 1) / page; i++)
      data->page_table[r * (size_t)data->page_table_stride + i] = order[next++];
  free(order);
}

static void *random_elements(uint32_t dtype, size_t count, random_state *random) {
  const size_t bits = dtype_bits(dtype);
  char *elements = malloc(count * bits / 8);
  const size_t pattern = count < PATTERN_ELEMENTS ? count : PATTERN_ELEMENTS;
  random_normal(random, dtype, elements, pattern);
  for (size_t done = pattern; done < count; done += pattern)
    memcpy(elements + done * bits / 8, elements, (count - done < pattern ? count - done : pattern) * bits / 8);
  return elements;
}

/* Scales of tokens or groups, with which codes are of the size of other types' elements. */
static void *random_scales(const struct case_data *data, uint32_t dtype, uint32_t dim, random_state *random) {
  const size_t bytes = scale_bytes(data, dtype, dim);
  const uint32_t type = reference_scale_dtype(dtype);
  const double unit = dtype == FI_I8 ? 1.0 / 32 : 0.5;
  void *scales = bytes > 0 ? malloc(bytes) : NULL;
  for (size_t i = 0; scales && i < bytes / dtype_bytes(type); i++)
    dtype_encode(type, unit * (16 + random_below(random, 32)) / 32, scales, i);
  return scales;
}

static void *uploaded(struct device *device, const void *from, size_t bytes) {
  if (!from)
    return NULL;
  void *memory = device_alloc(device, bytes);
  device_upload(device, memory, from, bytes);
  return memory;
}

static bool make_set(struct case_data *data, uint32_t set) {
  const struct bench_case *what = data->what;
  struct device *device = data->device;
  const size_t requests = what->requests;
  const bool ragged = data->spec.page_size == 0;
  data->batch[set] = (fi_batch){
      .struct_size = sizeof(fi_batch),
      .requests = what->requests,
      .q_indptr = what->q_len > 1 ? uploaded(device, data->q_indptr, (requests + 1) * 4) : NULL,
      .kv_len = ragged ? NULL : uploaded(device, data->kv_len, requests * 4),
      .kv_indptr = ragged ? uploaded(device, data->kv_indptr, (requests + 1) * 4) : NULL,
      .page_table = uploaded(device, data->page_table, requests * (size_t)data->page_table_stride * 4),
      .page_table_stride = data->page_table_stride,
  };
  data->tensors[set] = (fi_tensors){
      .struct_size = sizeof(fi_tensors),
      .q = uploaded(device, data->q, q_bytes(data)),
      .o = device_alloc(device, o_bytes(data)),
      .k.data = uploaded(device, data->k, cache_bytes(data, data->spec.kv_dtype, data->spec.head_dim)),
      .v.data = uploaded(device, data->v, cache_bytes(data, data->spec.v_dtype, data->spec.v_dim)),
      .k.scales = uploaded(device, data->k_scales, scale_bytes(data, data->spec.kv_dtype, data->spec.head_dim)),
      .v.scales = uploaded(device, data->v_scales, scale_bytes(data, data->spec.v_dtype, data->spec.v_dim)),
      .sinks = data->sinks.device,
      .slopes = data->slopes.device,
      .softcap = data->spec.softcap ? softcap : 0,
      .rope_table = data->rope_table.device,
      .rope_magnitude = data->rope_magnitude,
  };
  device_fill(device, data->tensors[set].o, 0xff, o_bytes(data));
  data->workspace[set] = (fi_workspace){
      .struct_size = sizeof(fi_workspace),
      .max_requests = what->requests,
      .max_tokens = (uint32_t)data->tokens,
      .max_kv_len = kv_len_of(what, 0) > what->kv_len ? kv_len_of(what, 0) : what->kv_len,
      .kv_heads = what->kv_heads,
  };
  fi_workspace *workspace = &data->workspace[set];
  if (case_data_failed(data, "fi_workspace_size", fi_workspace_size(data->kernel, workspace)))
    return false;
  workspace->memory = device_alloc(device, workspace->bytes);
  workspace->scratch = device_alloc(device, workspace->scratch_bytes);
  return true;
}

/* One number a query head. */
static bool make_numbers(struct case_data *data, struct mirror *numbers, double first, double ratio) {
  const size_t heads = query_heads(data);
  if (!mirror_create(numbers, data->device, heads * sizeof(float)))
    return false;
  for (size_t head = 0; head < heads; head++)
    ((float *)numbers->host)[head] = (float)(first * pow(ratio, (double)head / (double)heads));
  mirror_upload(numbers, data->device, numbers->bytes);
  return true;
}

static bool make_rope_table(struct case_data *data) {
  const fi_rope rope = {.struct_size = sizeof rope, .dim = data->spec.rope_dim, .theta = 500000};
  struct mirror *table = &data->rope_table;
  if (!mirror_create(table, data->device, rope.dim / 2 * sizeof(uint64_t)) ||
      case_data_failed(data, "fi_rope_table", fi_rope_table(&rope, table->host, &data->rope_magnitude)))
    return false;
  mirror_upload(table, data->device, table->bytes);
  return true;
}

/* What the spec needs besides Q and KV: sinks from 1 to 4, slopes from 1/2 to 1/256 as ALiBi has them. */
static bool make_arguments(struct case_data *data) {
  const fi_spec *spec = &data->spec;
  return (!spec->sinks || make_numbers(data, &data->sinks, 1, 4)) &&
         (spec->bias != FI_BIAS_SLOPES || make_numbers(data, &data->slopes, 0.5, 1.0 / 128)) &&
         (spec->rope == FI_ROPE_NONE || make_rope_table(data));
}

static void draw_tensors(struct case_data *data, random_state *random) {
  const fi_spec *spec = &data->spec;
  const size_t heads = data->what->kv_heads;
  data->q = random_elements(spec->q_dtype, data->tokens * query_heads(data) * spec->head_dim, random);
  data->k = random_elements(spec->kv_dtype, data->cache_tokens * heads * spec->head_dim, random);
  data->v = random_elements(spec->v_dtype, data->cache_tokens * heads * spec->v_dim, random);
  data->k_scales = random_scales(data, spec->kv_dtype, spec->head_dim, random);
  data->v_scales = random_scales(data, spec->v_dtype, spec->v_dim, random);
}

/* Bytes of K and V of a token and head, and of their scales. */
static double token_bytes(const struct case_data *data) {
  const fi_spec *spec = &data->spec;
  return (double)(spec->head_dim * dtype_bits(spec->kv_dtype) + spec->v_dim * dtype_bits(spec->v_dtype)) / 8 +
         (double)(row_scales(data, spec->kv_dtype, spec->head_dim) *
                      dtype_bytes(reference_scale_dtype(spec->kv_dtype)) +
                  row_scales(data, spec->v_dtype, spec->v_dim) * dtype_bytes(reference_scale_dtype(spec->v_dtype)));
}

bool case_data_make(struct case_data *data, const struct bench_case *what, struct device *device, fi_ctx *ctx,
                    random_state *random) {
  *data = (struct case_data){.what = what, .device = device};
  data->spec.struct_size = sizeof data->spec;
  fi_spec spec;
  if (case_data_failed(data, "fi_spec_parse", fi_spec_parse(what->spec, &spec)) ||
      case_data_failed(data, "fi_get_kernel", fi_get_kernel(ctx, &spec, &data->kernel)) ||
      case_data_failed(data, "fi_kernel_spec", fi_kernel_spec(data->kernel, &data->spec)))
    return false;
  make_lengths(data, random);
  data->kv_bytes = (double)data->kv_tokens * what->kv_heads * token_bytes(data);
  data->sets = (uint32_t)(SET_BYTES / data->kv_bytes) + 1;
  if (data->sets > MOST_SETS)
    data->sets = MOST_SETS;
  draw_tensors(data, random);
  if (!make_arguments(data))
    return false;
  for (uint32_t set = 0; set < data->sets; set++) {
    if (!make_set(data, set) ||
        case_data_failed(data, "fi_plan", fi_plan(data->kernel, &data->batch[set], &data->workspace[set], NULL)))
      return false;
  }
  device_sync(device, NULL);
  return !device_failed(device);
}

void case_data_free(struct case_data *data) {
  for (uint32_t set = 0; set < data->sets; set++) {
    const void *memory[] = {data->batch[set].q_indptr,   data->batch[set].kv_len,    data->batch[set].kv_indptr,
                            data->batch[set].page_table, data->tensors[set].q,       data->tensors[set].o,
                            data->tensors[set].k.data,   data->tensors[set].v.data,  data->tensors[set].k.scales,
                            data->tensors[set].v.scales, data->workspace[set].memory};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
      device_free(data->device, (void *)(uintptr_t)memory[i]);
  }
  struct mirror *const mirrors[] = {&data->sinks, &data->slopes, &data->rope_table};
  for (size_t i = 0; i < sizeof mirrors / sizeof *mirrors; i++)
    mirror_free(mirrors[i], data->device);
  void *host[] = {data->kv_len, data->q_indptr, data->kv_indptr, data->page_table, data->q,
                  data->k,      data->v,        data->k_scales,  data->v_scales};
  for (size_t i = 0; i < sizeof host / sizeof *host; i++)
    free(host[i]);
}

/* The case as the reference takes it: the same structs with host pointers. */
static struct reference reference_of(const struct case_data *data) {
  struct reference reference = {
      .spec = data->spec, .batch = data->batch[0], .tensors = data->tensors[0], .kv_heads = data->what->kv_heads};
  reference.batch.q_indptr = data->batch[0].q_indptr ? data->q_indptr : NULL;
  reference.batch.kv_len = data->batch[0].kv_len ? data->kv_len : NULL;
  reference.batch.kv_indptr = data->batch[0].kv_indptr ? data->kv_indptr : NULL;
  reference.batch.page_table = data->page_table;
  reference.tensors.q = data->q;
  reference.tensors.k.data = data->k;
  reference.tensors.v.data = data->v;
  reference.tensors.k.scales = data->k_scales;
  reference.tensors.v.scales = data->v_scales;
  reference.tensors.sinks = data->sinks.host;
  reference.tensors.slopes = data->slopes.host;
  reference.tensors.rope_table = data->rope_table.host;
  return reference;
}

static double row_error(const struct case_data *data, const struct reference *reference, const void *o,
                        random_state *random) {
  const uint32_t request = random_below(random, data->what->requests);
  const uint32_t i = random_below(random, data->what->q_len);
  const uint32_t head = random_below(random, data->what->kv_heads * data->spec.group);
  double expected[MOST_HEAD_DIM];
  double lse;
  struct reference_head loaded;
  if (!reference_head_load(reference, request, head / data->spec.group, &loaded))
    return INFINITY;
  reference_attend(reference, &loaded, request, i, head, expected, &lse);
  reference_head_free(&loaded);
  const int64_t offset = reference_o_offset(reference, reference_query_begin(reference, request) + i, head);
  double difference = 0;
  double norm = 0;
  for (uint32_t d = 0; d < data->spec.v_dim; d++) {
    const double got = dtype_decode(data->spec.o_dtype, o, (size_t)offset + d);
    difference += (got - expected[d]) * (got - expected[d]);
    norm += expected[d] * expected[d];
  }
  const double error = sqrt(difference / norm);
  return isnan(error) ? INFINITY : error;
}

double case_data_check(const struct case_data *data, uint32_t rows, random_state *random) {
  const size_t bytes = o_bytes(data);
  void *o = malloc(bytes);
  device_download(data->device, o, data->tensors[0].o, bytes);
  const struct reference reference = reference_of(data);
  double worst = 0;
  for (uint32_t i = 0; i < rows; i++) {
    const double error = row_error(data, &reference, o, random);
    worst = error > worst ? error : worst;
  }
  free(o);
  return worst;
}
