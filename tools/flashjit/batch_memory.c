/* Sizes, contents and pointers of a batch's tensors. */
#include "tools/flashjit/batch_memory.h"

#include "tests/dtypes.h"
#include "tests/reference.h"
#include "tools/flashjit/batch_bias.h"
#include "tools/flashjit/batch_entries.h"
#include "tools/flashjit/batch_lists.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_paged(const struct batch_memory *batch) {
  return batch->spec.page_size > 0;
}

static bool is_scaled(const struct batch_memory *batch) {
  return batch->spec.kv_scale != FI_SCALE_NONE;
}

/* They are append's to write. */
bool batch_has_token_scales(const struct batch_memory *batch) {
  return reference_k_scale_rows(&batch->spec).count > 0 || reference_v_scale_rows(&batch->spec).count > 0;
}

/* Bytes of the scales of K or V of a token, or of all tokens. */
static size_t scale_row_bytes(const struct batch_memory *batch, struct reference_scale_rows rows) {
  return batch->kv_heads * (rows.count > 0 ? rows.packed : 1) * dtype_bytes(rows.dtype);
}

/* Of rows as append is given them, and as the cache has them. */
static size_t new_row_bytes(const struct batch_memory *batch, struct reference_rows rows) {
  return batch->kv_heads * rows.dim * dtype_bytes(batch->spec.q_dtype);
}

static size_t cache_row_bytes(const struct batch_memory *batch, struct reference_rows rows) {
  return batch->kv_heads * rows.dim * dtype_bits(rows.dtype) / 8;
}

uint32_t batch_pages_of(const struct batch_memory *batch, uint32_t tokens) {
  return (tokens + batch->spec.page_size - 1) / batch->spec.page_size;
}

/* ------------------------------------------------------------------------------------------------ lengths */

/* Slots whose requests are done are empty from the next step on. */
void batch_set_lengths(struct batch_memory *batch, const struct step *step) {
  const struct piece *pieces = &batch->schedule->pieces[step->first];
  for (uint32_t slot = 0; slot < batch->schedule->slots; slot++) {
    if (batch->is_done[slot])
      batch->lengths[slot] = 0;
    batch->is_done[slot] = false;
  }
  for (uint32_t i = 0; i < step->pieces; i++) {
    batch->lengths[pieces[i].slot] = pieces[i].end;
    batch->is_done[pieces[i].slot] = pieces[i].is_last;
  }
}

/* ------------------------------------------------------------------------------------------------ sizes */

/* A few more belong to nobody. */
size_t batch_most_pages(struct batch_memory *batch, uint32_t ratio, uint32_t page_size) {
  enum { SPARE_PAGES = 3 };
  size_t most = 0;
  for (size_t s = 0; s < batch->schedule->step_count; s++) {
    size_t pages = 0;
    batch_set_lengths(batch, &batch->schedule->steps[s]);
    for (uint32_t slot = 0; slot < batch->schedule->slots; slot++)
      pages += (batch->lengths[slot] / ratio + page_size - 1) / page_size;
    most = pages > most ? pages : most;
  }
  memset(batch->lengths, 0, batch->schedule->slots * sizeof *batch->lengths);
  memset(batch->is_done, 0, batch->schedule->slots * sizeof *batch->is_done);
  return most + SPARE_PAGES;
}

static void measure(struct batch_memory *batch) {
  enum { SPARE_ROWS = 997 };
  const struct schedule *schedule = batch->schedule;
  const size_t rows = (size_t)schedule->max_tokens + SPARE_ROWS;
  batch->images = images_for(schedule->max_kv_len);
  batch->slot_tokens = schedule->max_kv_len + 1;
  batch->cache_tokens = is_paged(batch) ? batch_most_pages(batch, 1, batch->spec.page_size) * batch->spec.page_size
                                        : (size_t)schedule->slots * batch->slot_tokens;
  batch->input_rows = schedule->tokens < rows ? schedule->tokens : rows;
  batch_entries_measure(batch);
}

size_t batch_query_heads(const struct batch_memory *batch) {
  return (size_t)batch->kv_heads * batch->spec.group;
}

size_t batch_row_bytes(const struct batch_memory *batch, enum buffer buffer) {
  const fi_spec *spec = &batch->spec;
  const struct listing *listing = &batch->listing;
  switch (buffer) {
  case BUFFER_Q:
    return batch_query_heads(batch) * spec->head_dim * dtype_bytes(spec->q_dtype);
  case BUFFER_O:
    return batch_query_heads(batch) * spec->v_dim * dtype_bytes(spec->q_dtype);
  case BUFFER_K_NEW:
  case BUFFER_ENTRY_NEW:
    return new_row_bytes(batch, reference_k_rows(spec));
  case BUFFER_V_NEW:
  case BUFFER_ENTRY_WIDE_NEW:
    return new_row_bytes(batch, reference_v_rows(spec));
  case BUFFER_K_CACHE:
  case BUFFER_ENTRY_CACHE:
    return cache_row_bytes(batch, reference_k_rows(spec));
  case BUFFER_V_CACHE:
  case BUFFER_ENTRY_WIDE:
    return cache_row_bytes(batch, reference_v_rows(spec));
  case BUFFER_K_SCALE:
  case BUFFER_ENTRY_SCALE:
    return scale_row_bytes(batch, reference_k_scale_rows(spec));
  case BUFFER_V_SCALE:
    return scale_row_bytes(batch, reference_v_scale_rows(spec));
  case BUFFER_SINKS:
    return batch_query_heads(batch) * sizeof(float);
  case BUFFER_BIAS:
    return batch_bias_row_bytes(batch);
  case BUFFER_SELECTED:
    return (size_t)listing->heads * listing->entries * sizeof(int32_t);
  case BUFFER_INDEX_Q:
    return (size_t)listing->index_heads * listing->index_dim * dtype_bytes(spec->q_dtype);
  case BUFFER_INDEX_WEIGHTS:
    return listing->index_heads * sizeof(float);
  case BUFFER_INDEX_NEW:
  case BUFFER_INDEX_CACHE:
    return listing->index_heads > 0 ? listing->index_dim * dtype_bytes(spec->q_dtype) : 0;
  default:
    return 0;
  }
}

static uint32_t ranges_of_slot(const struct batch_memory *batch) {
  return batch->spec.ranges ? images_count(&batch->images, batch->schedule->max_kv_len) : 0;
}

static size_t buffer_bytes(const struct batch_memory *batch, enum buffer buffer) {
  const struct schedule *schedule = batch->schedule;
  if (buffer >= BUFFER_ENTRY_NEW)
    return batch_entries_bytes(batch, buffer);
  if (buffer >= BUFFER_SELECTED)
    return batch_lists_bytes(batch, buffer);
  switch (buffer) {
  case BUFFER_O:
    return schedule->max_tokens * batch_row_bytes(batch, buffer);
  case BUFFER_Q:
  case BUFFER_K_NEW:
  case BUFFER_V_NEW:
    return batch->input_rows * batch_row_bytes(batch, buffer);
  case BUFFER_K_CACHE:
  case BUFFER_V_CACHE:
    return batch->cache_tokens * batch_row_bytes(batch, buffer);
  case BUFFER_K_SCALE:
  case BUFFER_V_SCALE:
    return (batch_has_token_scales(batch) ? batch->cache_tokens : 1) * batch_row_bytes(batch, buffer);
  case BUFFER_SINKS:
    return batch->spec.sinks ? batch_query_heads(batch) * sizeof(float) : 0;
  case BUFFER_BIAS:
    return batch_bias_bytes(batch);
  case BUFFER_Q_INDPTR:
  case BUFFER_KV_LEN:
    return (schedule->slots + 1) * sizeof(int32_t);
  case BUFFER_RANGES:
    return (size_t)schedule->slots * ranges_of_slot(batch) * 2 * sizeof(int32_t);
  case BUFFER_RANGE_INDPTR:
    return batch->spec.ranges ? (schedule->slots + 1) * sizeof(int32_t) : 0;
  case BUFFER_POSITIONS:
    return batch->spec.rope_axes > 1 ? (size_t)batch->spec.rope_axes * schedule->max_tokens * sizeof(int32_t) : 0;
  default:
    return is_paged(batch) ? (size_t)schedule->slots * batch_pages_of(batch, schedule->max_kv_len) * sizeof(int32_t)
                           : 0;
  }
}

size_t batch_cache_bytes(const struct batch_memory *batch) {
  static const enum buffer caches[] = {BUFFER_K_CACHE, BUFFER_V_CACHE, BUFFER_ENTRY_CACHE, BUFFER_ENTRY_WIDE,
                                       BUFFER_INDEX_CACHE};
  size_t bytes = 0;
  for (size_t i = 0; i < sizeof caches / sizeof *caches; i++)
    bytes += buffer_bytes(batch, caches[i]);
  return bytes;
}

size_t batch_bytes(const struct batch_memory *batch) {
  size_t bytes = 0;
  for (enum buffer buffer = 0; buffer < BUFFERS; buffer++)
    bytes += buffer_bytes(batch, buffer);
  return bytes;
}

/* ----------------------------------------------------------------------------------------------- contents */

static void upload_all(struct batch_memory *batch, struct device *device, enum buffer buffer) {
  mirror_upload(&batch->buffers[buffer], device, batch->buffers[buffer].bytes);
}

static void fill_random(struct batch_memory *batch, struct device *device, enum buffer buffer, random_state *random) {
  const struct mirror *mirror = &batch->buffers[buffer];
  const uint32_t dtype = batch->spec.q_dtype;
  random_normal(random, dtype, mirror->host, mirror->bytes / dtype_bytes(dtype));
  upload_all(batch, device, buffer);
}

/* By a power of two: that loses nothing. Each of the 16-bit codes is scaled once, since gigabytes are. */
static void scale_queries(struct batch_memory *batch, struct device *device, double deviation) {
  enum { CODES = 1 << 16 };
  const struct mirror *mirror = &batch->buffers[BUFFER_Q];
  const uint32_t dtype = batch->spec.q_dtype;
  const double factor = exp2(round(log2(deviation)));
  uint16_t *q = mirror->host;
  uint16_t codes[CODES];
  uint16_t scaled[CODES];
  if (factor == 1)
    return;
  for (size_t i = 0; i < CODES; i++) {
    codes[i] = (uint16_t)i;
    dtype_encode(dtype, factor * dtype_decode(dtype, codes, i), scaled, i);
  }
  for (size_t i = 0; i < mirror->bytes / sizeof *q; i++)
    q[i] = scaled[q[i]];
  upload_all(batch, device, BUFFER_Q);
}

static void fill_scales(struct batch_memory *batch, struct device *device) {
  float *k = batch->buffers[BUFFER_K_SCALE].host;
  float *v = batch->buffers[BUFFER_V_SCALE].host;
  if (batch_has_token_scales(batch))
    return;
  for (uint32_t head = 0; head < batch->kv_heads; head++) {
    k[head] = 0.05f / (float)(1 + head % 3);
    v[head] = 0.03f / (float)(1 + head % 5);
  }
  upload_all(batch, device, BUFFER_K_SCALE);
  upload_all(batch, device, BUFFER_V_SCALE);
}

/* They weigh from little to about as much as a window of keys. */
static void fill_sinks(struct batch_memory *batch, struct device *device) {
  const size_t heads = batch_query_heads(batch);
  float *sinks = batch->buffers[BUFFER_SINKS].host;
  for (size_t head = 0; head < heads && batch->spec.sinks; head++)
    sinks[head] = (float)(head % 7) - 1;
  upload_all(batch, device, BUFFER_SINKS);
}

static void fill_ranges(struct batch_memory *batch, struct device *device) {
  const uint32_t images = ranges_of_slot(batch);
  int32_t *range = batch->buffers[BUFFER_RANGES].host;
  int32_t *range_indptr = batch->buffers[BUFFER_RANGE_INDPTR].host;
  for (uint32_t slot = 0; slot <= batch->schedule->slots && images > 0; slot++)
    range_indptr[slot] = (int32_t)(slot * images);
  for (uint32_t i = 0; i < batch->schedule->slots * images; i++) {
    const uint32_t first = images_begin(&batch->images, i % images);
    *range++ = (int32_t)first;
    *range++ = (int32_t)(first + images_tokens(&batch->images));
  }
  upload_all(batch, device, BUFFER_RANGES);
  upload_all(batch, device, BUFFER_RANGE_INDPTR);
}

static bool shuffle_pages(struct batch_memory *batch, random_state *random) {
  if (!is_paged(batch))
    return true;
  batch->shown_pages = malloc(batch->buffers[BUFFER_PAGE_TABLE].bytes);
  return batch->shown_pages && page_pool_create(&batch->pool, batch->cache_tokens / batch->spec.page_size, random) &&
         batch_entries_create(batch, random);
}

static bool fail(struct device *device) {
  if (device && !device_failed(device))
    snprintf(device->error, sizeof device->error, "out of memory");
  return false;
}

bool batch_create(struct batch_memory *batch, struct device *device, const fi_spec *spec, uint32_t kv_heads,
                  double q_deviation, uint32_t rel_extent, const struct listing *listing,
                  const struct schedule *schedule, random_state *random) {
  *batch = (struct batch_memory){.spec = *spec, .kv_heads = kv_heads, .schedule = schedule, .rel_extent = rel_extent};
  if (spec->select)
    batch->listing = *listing;
  batch->lengths = calloc(schedule->slots + 1, sizeof *batch->lengths);
  batch->is_done = calloc(schedule->slots + 1, sizeof *batch->is_done);
  if (!batch->lengths || !batch->is_done)
    return fail(device);
  measure(batch);
  for (enum buffer buffer = 0; buffer < BUFFERS; buffer++) {
    if (!mirror_create(&batch->buffers[buffer], device, buffer_bytes(batch, buffer)))
      return false;
  }
  if (!shuffle_pages(batch, random))
    return fail(device);
  fill_scales(batch, device);
  fill_sinks(batch, device);
  fill_ranges(batch, device);
  fill_random(batch, device, BUFFER_Q, random);
  scale_queries(batch, device, q_deviation);
  fill_random(batch, device, BUFFER_K_NEW, random);
  fill_random(batch, device, BUFFER_V_NEW, random);
  fill_random(batch, device, BUFFER_ENTRY_NEW, random);
  fill_random(batch, device, BUFFER_ENTRY_WIDE_NEW, random);
  fill_random(batch, device, BUFFER_INDEX_Q, random);
  fill_random(batch, device, BUFFER_INDEX_NEW, random);
  batch_lists_fill(batch, device, random);
  batch_bias_fill(batch, device, random);
  return !device_failed(device);
}

void batch_free(struct batch_memory *batch, struct device *device) {
  for (enum buffer buffer = 0; buffer < BUFFERS; buffer++)
    mirror_free(&batch->buffers[buffer], device);
  page_pool_free(&batch->pool);
  page_pool_free(&batch->entries.pool);
  free(batch->shown_pages);
  free(batch->lengths);
  free(batch->is_done);
}

/* ----------------------------------------------------------------------------------------------- pointers */

void *batch_pointer(const struct batch_memory *batch, enum buffer buffer, bool on_host) {
  const struct mirror *mirror = &batch->buffers[buffer];
  return on_host ? mirror->host : mirror->device;
}

static void *input(const struct batch_memory *batch, enum buffer buffer, bool on_host) {
  return (char *)batch_pointer(batch, buffer, on_host) + batch->input_begin * batch_row_bytes(batch, buffer);
}

fi_batch batch_lengths(const struct batch_memory *batch, bool on_host) {
  fi_batch lengths = {
      .struct_size = sizeof lengths,
      .requests = batch->schedule->slots,
      .q_indptr = batch_pointer(batch, BUFFER_Q_INDPTR, on_host),
      .kv_len = batch_pointer(batch, BUFFER_KV_LEN, on_host),
  };
  if (is_paged(batch)) {
    lengths.page_table = batch_pointer(batch, BUFFER_PAGE_TABLE, on_host);
    lengths.page_table_stride = batch_pages_of(batch, batch->schedule->max_kv_len);
  }
  if (batch->spec.ranges) {
    lengths.ranges = batch_pointer(batch, BUFFER_RANGES, on_host);
    lengths.range_indptr = batch_pointer(batch, BUFFER_RANGE_INDPTR, on_host);
  }
  if (batch->spec.select)
    lengths.selected_len = batch_pointer(batch, BUFFER_SELECTED_LEN, on_host);
  batch_entries_describe(batch, on_host, &lengths);
  return lengths;
}

/* Of a slot, in elements of so many bits. */
static int64_t slot_stride(const struct batch_memory *batch, enum buffer buffer, size_t bits) {
  return (int64_t)(batch->slot_tokens * batch_row_bytes(batch, buffer) * 8 / bits);
}

static void fill_slot_strides(const struct batch_memory *batch, fi_tensors *tensors) {
  const fi_spec *spec = &batch->spec;
  tensors->k.page_stride = slot_stride(batch, BUFFER_K_CACHE, dtype_bits(reference_k_rows(spec).dtype));
  tensors->v.page_stride = slot_stride(batch, BUFFER_V_CACHE, dtype_bits(reference_v_rows(spec).dtype));
  tensors->k.scale_page_stride = slot_stride(batch, BUFFER_K_SCALE, dtype_bits(reference_k_scale_rows(spec).dtype));
  tensors->v.scale_page_stride = slot_stride(batch, BUFFER_V_SCALE, dtype_bits(reference_v_scale_rows(spec).dtype));
}

fi_tensors batch_tensors(const struct batch_memory *batch, bool on_host) {
  fi_tensors tensors = {
      .struct_size = sizeof tensors,
      .q = input(batch, BUFFER_Q, on_host),
      .o = batch_pointer(batch, BUFFER_O, on_host),
      .k.data = batch_pointer(batch, BUFFER_K_CACHE, on_host),
      .v.data = batch_pointer(batch, BUFFER_V_CACHE, on_host),
      .k_new.data = input(batch, BUFFER_K_NEW, on_host),
      .v_new.data = input(batch, BUFFER_V_NEW, on_host),
  };
  if (!is_paged(batch))
    fill_slot_strides(batch, &tensors);
  if (batch->spec.rope_axes > 1) {
    tensors.positions = batch_pointer(batch, BUFFER_POSITIONS, on_host);
    tensors.position_stride = batch->schedule->max_tokens;
  }
  if (batch->spec.select) {
    tensors.selected = batch_pointer(batch, BUFFER_SELECTED, on_host);
    tensors.selected_head_stride = batch->listing.heads > 1 ? batch->listing.entries : 0;
  }
  if (batch->entries.most > 0)
    batch_entries_tensors(batch, on_host, &tensors);
  if (batch->spec.sinks)
    tensors.sinks = batch_pointer(batch, BUFFER_SINKS, on_host);
  batch_bias_tensors(batch, on_host, &tensors);
  if (is_scaled(batch) || batch_has_token_scales(batch)) {
    tensors.k.scales = batch_pointer(batch, BUFFER_K_SCALE, on_host);
    tensors.v.scales = batch_pointer(batch, BUFFER_V_SCALE, on_host);
  }
  return tensors;
}
