/* Sizes, contents and pointers of a batch's tensors. */
#include "tools/flashjit/batch_memory.h"

#include "tests/dtypes.h"
#include "tests/reference.h"

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
  return batch->spec.kv_scale == FI_SCALE_TOKEN || reference_scale_dtype(batch->spec.v_dtype) != FI_F32;
}

/* Bytes of the scales of K or V of a token. */
static size_t scale_row_bytes(const struct batch_memory *batch, uint32_t dtype, uint32_t dim) {
  const uint32_t type = reference_scale_dtype(dtype);
  const uint32_t scales = type == FI_F32 ? 1 : dim / batch->spec.scale_group;
  return batch->kv_heads * scales * dtype_bytes(type);
}

static uint32_t pages_of(const struct batch_memory *batch, uint32_t tokens) {
  return (tokens + batch->spec.page_size - 1) / batch->spec.page_size;
}

static const struct piece *pieces_of(const struct batch_memory *batch, const struct step *step) {
  return &batch->schedule->pieces[step->first];
}

/* ------------------------------------------------------------------------------------------------ lengths */

/* Slots whose requests are done are empty from the next step on. */
static void empty_slots(struct batch_memory *batch) {
  for (uint32_t slot = 0; slot < batch->schedule->slots; slot++) {
    if (batch->is_done[slot])
      batch->lengths[slot] = 0;
    batch->is_done[slot] = false;
  }
}

static void set_lengths(struct batch_memory *batch, const struct step *step) {
  const struct piece *pieces = pieces_of(batch, step);
  for (uint32_t i = 0; i < step->pieces; i++) {
    batch->lengths[pieces[i].slot] = pieces[i].end;
    batch->is_done[pieces[i].slot] = pieces[i].is_last;
  }
}

/* ------------------------------------------------------------------------------------------------ sizes */

/* The most pages that the requests of a step have together; a few more belong to nobody. */
static size_t most_pages(struct batch_memory *batch) {
  enum { SPARE_PAGES = 3 };
  size_t most = 0;
  for (size_t s = 0; s < batch->schedule->step_count; s++) {
    size_t pages = 0;
    empty_slots(batch);
    set_lengths(batch, &batch->schedule->steps[s]);
    for (uint32_t slot = 0; slot < batch->schedule->slots; slot++)
      pages += pages_of(batch, batch->lengths[slot]);
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
  batch->cache_tokens =
      is_paged(batch) ? most_pages(batch) * batch->spec.page_size : (size_t)schedule->slots * batch->slot_tokens;
  batch->input_rows = schedule->tokens < rows ? schedule->tokens : rows;
}

static bool has_own_v(const struct batch_memory *batch) {
  return batch->spec.v_source == FI_V_OWN;
}

static size_t query_heads(const struct batch_memory *batch) {
  return (size_t)batch->kv_heads * batch->spec.group;
}

size_t batch_row_bytes(const struct batch_memory *batch, enum buffer buffer) {
  const fi_spec *spec = &batch->spec;
  const size_t kv_heads = batch->kv_heads;
  switch (buffer) {
  case BUFFER_Q:
    return query_heads(batch) * spec->head_dim * dtype_bytes(spec->q_dtype);
  case BUFFER_O:
    return query_heads(batch) * spec->v_dim * dtype_bytes(spec->q_dtype);
  case BUFFER_K_NEW:
    return kv_heads * spec->head_dim * dtype_bytes(spec->q_dtype);
  case BUFFER_V_NEW:
    return has_own_v(batch) ? kv_heads * spec->v_dim * dtype_bytes(spec->q_dtype) : 0;
  case BUFFER_K_CACHE:
    return kv_heads * spec->head_dim * dtype_bits(spec->kv_dtype) / 8;
  case BUFFER_V_CACHE:
    return has_own_v(batch) ? kv_heads * spec->v_dim * dtype_bits(spec->v_dtype) / 8 : 0;
  case BUFFER_K_SCALE:
    return scale_row_bytes(batch, spec->kv_dtype, spec->head_dim);
  case BUFFER_V_SCALE:
    return scale_row_bytes(batch, spec->v_dtype, spec->v_dim);
  case BUFFER_SINKS:
  case BUFFER_SLOPES:
    return query_heads(batch) * sizeof(float);
  default:
    return 0;
  }
}

static uint32_t ranges_of_slot(const struct batch_memory *batch) {
  return batch->spec.ranges ? images_count(&batch->images, batch->schedule->max_kv_len) : 0;
}

static size_t buffer_bytes(const struct batch_memory *batch, enum buffer buffer) {
  const struct schedule *schedule = batch->schedule;
  const size_t lists = (size_t)schedule->max_tokens * batch->listing.heads;
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
    return batch->spec.sinks ? query_heads(batch) * sizeof(float) : 0;
  case BUFFER_SLOPES:
    return batch->spec.bias == FI_BIAS_SLOPES ? query_heads(batch) * sizeof(float) : 0;
  case BUFFER_Q_INDPTR:
  case BUFFER_KV_LEN:
    return (schedule->slots + 1) * sizeof(int32_t);
  case BUFFER_RANGES:
    return (size_t)schedule->slots * ranges_of_slot(batch) * 2 * sizeof(int32_t);
  case BUFFER_RANGE_INDPTR:
    return batch->spec.ranges ? (schedule->slots + 1) * sizeof(int32_t) : 0;
  case BUFFER_SELECTED:
    return batch->spec.select ? lists * batch->listing.entries * sizeof(int32_t) : 0;
  case BUFFER_SELECTED_LEN:
    return batch->spec.select ? schedule->max_tokens * sizeof(int32_t) : 0;
  case BUFFER_POSITIONS:
    return batch->spec.rope_axes > 1 ? (size_t)batch->spec.rope_axes * schedule->max_tokens * sizeof(int32_t) : 0;
  default:
    return is_paged(batch) ? (size_t)schedule->slots * pages_of(batch, schedule->max_kv_len) * sizeof(int32_t) : 0;
  }
}

size_t batch_cache_bytes(const struct batch_memory *batch) {
  return buffer_bytes(batch, BUFFER_K_CACHE) + buffer_bytes(batch, BUFFER_V_CACHE);
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

/* By a power of two: that loses nothing. */
static void scale_queries(struct batch_memory *batch, struct device *device, double deviation) {
  const struct mirror *mirror = &batch->buffers[BUFFER_Q];
  const uint32_t dtype = batch->spec.q_dtype;
  const double factor = exp2(round(log2(deviation)));
  for (size_t i = 0; i < mirror->bytes / dtype_bytes(dtype) && factor != 1; i++)
    dtype_encode(dtype, factor * dtype_decode(dtype, mirror->host, i), mirror->host, i);
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

/* Sinks that weigh from little to about as much as a window of keys, and slopes from 1/2 to 1/256, as ALiBi has them.
 */
static void fill_heads(struct batch_memory *batch, struct device *device) {
  const size_t heads = query_heads(batch);
  float *sinks = batch->buffers[BUFFER_SINKS].host;
  float *slopes = batch->buffers[BUFFER_SLOPES].host;
  for (size_t head = 0; head < heads && batch->spec.sinks; head++)
    sinks[head] = (float)(head % 7) - 1;
  for (size_t head = 0; head < heads && batch->spec.bias == FI_BIAS_SLOPES; head++)
    slopes[head] = exp2f(-8 * (float)(head + 1) / (float)heads);
  upload_all(batch, device, BUFFER_SINKS);
  upload_all(batch, device, BUFFER_SLOPES);
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
  batch->free_count = (uint32_t)(batch->cache_tokens / batch->spec.page_size);
  batch->free_pages = calloc(batch->free_count, sizeof *batch->free_pages);
  batch->shown_pages = malloc(batch->buffers[BUFFER_PAGE_TABLE].bytes);
  if (batch->free_pages)
    random_permutation(random, batch->free_pages, batch->free_count);
  return batch->free_pages && batch->shown_pages;
}

static bool fail(struct device *device) {
  if (device && !device_failed(device))
    snprintf(device->error, sizeof device->error, "out of memory");
  return false;
}

bool batch_create(struct batch_memory *batch, struct device *device, const fi_spec *spec, uint32_t kv_heads,
                  double q_deviation, const struct listing *listing, const struct schedule *schedule,
                  random_state *random) {
  *batch = (struct batch_memory){.spec = *spec, .kv_heads = kv_heads, .schedule = schedule};
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
  fill_heads(batch, device);
  fill_ranges(batch, device);
  fill_random(batch, device, BUFFER_Q, random);
  scale_queries(batch, device, q_deviation);
  fill_random(batch, device, BUFFER_K_NEW, random);
  fill_random(batch, device, BUFFER_V_NEW, random);
  return !device_failed(device);
}

void batch_free(struct batch_memory *batch, struct device *device) {
  for (enum buffer buffer = 0; buffer < BUFFERS; buffer++)
    mirror_free(&batch->buffers[buffer], device);
  free(batch->free_pages);
  free(batch->shown_pages);
  free(batch->lengths);
  free(batch->is_done);
}

/* ------------------------------------------------------------------------------------------------ a step */

static int32_t *pages_of_slot(const struct batch_memory *batch, uint32_t slot) {
  const size_t stride = pages_of(batch, batch->schedule->max_kv_len);
  return (int32_t *)batch->buffers[BUFFER_PAGE_TABLE].host + slot * stride;
}

/* The entries after a request's last page are no pages. */
static void return_pages(struct batch_memory *batch) {
  for (uint32_t slot = 0; slot < batch->schedule->slots && is_paged(batch); slot++) {
    const uint32_t pages = batch->is_done[slot] ? pages_of(batch, batch->lengths[slot]) : 0;
    int32_t *table = pages_of_slot(batch, slot);
    for (uint32_t i = 0; i < pages; i++) {
      batch->free_pages[batch->free_count++] = table[i];
      table[i] = -1;
    }
  }
}

static void deal_pages(struct batch_memory *batch, const struct step *step) {
  const struct piece *pieces = pieces_of(batch, step);
  for (uint32_t p = 0; p < step->pieces && is_paged(batch); p++) {
    int32_t *table = pages_of_slot(batch, pieces[p].slot);
    for (uint32_t i = pages_of(batch, pieces[p].begin); i < pages_of(batch, pieces[p].end); i++)
      table[i] = batch->free_pages[--batch->free_count];
  }
}

static void write_lengths(struct batch_memory *batch, const struct step *step) {
  const struct piece *pieces = pieces_of(batch, step);
  int32_t *q_indptr = batch->buffers[BUFFER_Q_INDPTR].host;
  int32_t *kv_len = batch->buffers[BUFFER_KV_LEN].host;
  memset(q_indptr, 0, batch->buffers[BUFFER_Q_INDPTR].bytes);
  for (uint32_t p = 0; p < step->pieces; p++)
    q_indptr[pieces[p].slot + 1] = (int32_t)(pieces[p].end - pieces[p].begin);
  for (uint32_t slot = 0; slot < batch->schedule->slots; slot++) {
    q_indptr[slot + 1] += q_indptr[slot];
    kv_len[slot] = (int32_t)batch->lengths[slot];
  }
}

/* Of the step's query tokens, an axis after the other. */
static void write_positions(struct batch_memory *batch, const struct step *step) {
  const struct piece *pieces = pieces_of(batch, step);
  const int32_t *q_indptr = batch->buffers[BUFFER_Q_INDPTR].host;
  int32_t *positions = batch->buffers[BUFFER_POSITIONS].host;
  for (uint32_t p = 0; p < step->pieces && batch->spec.rope_axes > 1; p++) {
    int32_t *to = positions + q_indptr[pieces[p].slot];
    for (uint32_t token = pieces[p].begin; token < pieces[p].end; token++, to++) {
      int32_t position[3];
      images_position(&batch->images, token, position);
      for (uint32_t axis = 0; axis < batch->spec.rope_axes; axis++)
        to[axis * batch->schedule->max_tokens] = position[axis];
    }
  }
}

/* Of each of the step's query tokens, and of each head that has its own. */
static void write_lists(struct batch_memory *batch, const struct step *step) {
  const struct piece *pieces = pieces_of(batch, step);
  const int32_t *q_indptr = batch->buffers[BUFFER_Q_INDPTR].host;
  int32_t *lengths = batch->buffers[BUFFER_SELECTED_LEN].host;
  const struct listing *listing = &batch->listing;
  for (uint32_t p = 0; p < step->pieces && batch->spec.select; p++) {
    int32_t row = q_indptr[pieces[p].slot];
    for (uint32_t place = pieces[p].begin; place < pieces[p].end; place++, row++) {
      int32_t *list = (int32_t *)batch->buffers[BUFFER_SELECTED].host + (size_t)row * listing->heads * listing->entries;
      for (uint32_t head = 0; head < listing->heads; head++, list += listing->entries)
        lengths[row] = (int32_t)listing_draw(listing, pieces[p].request, place, head, list);
    }
  }
}

/* Pages that no query token of the step sees are none to the device: engines may have given them back. */
static void upload_pages(struct batch_memory *batch, struct device *device, const struct step *step) {
  const struct piece *pieces = pieces_of(batch, step);
  const struct mirror *table = &batch->buffers[BUFFER_PAGE_TABLE];
  const fi_batch lengths = batch_lengths(batch, true);
  for (size_t i = 0; i < table->bytes / sizeof *batch->shown_pages; i++)
    batch->shown_pages[i] = -1;
  for (uint32_t p = 0; p < step->pieces && is_paged(batch); p++) {
    const uint32_t slot = pieces[p].slot;
    const int32_t *pages = pages_of_slot(batch, slot);
    int64_t first, end;
    reference_seen(&batch->spec, &lengths, slot, pieces[p].end, pieces[p].begin, &first, &end);
    const uint32_t shown = (uint32_t)first / batch->spec.page_size;
    memcpy(batch->shown_pages + (pages - (int32_t *)table->host) + shown, pages + shown,
           (pages_of(batch, pieces[p].end) - shown) * sizeof *pages);
  }
  device_upload(device, table->device, batch->shown_pages, table->bytes);
}

/* Rows that no step has used while there are such, then others. */
static void choose_rows(struct batch_memory *batch, const struct step *step) {
  const size_t spare = batch->input_rows - batch->schedule->max_tokens + 1;
  const bool is_unused = batch->used_rows + step->tokens <= batch->input_rows;
  batch->input_begin = is_unused ? batch->used_rows : batch->used_rows % spare;
  batch->used_rows += step->tokens;
}

void batch_begin_step(struct batch_memory *batch, struct device *device, const struct step *step) {
  return_pages(batch);
  empty_slots(batch);
  deal_pages(batch, step);
  set_lengths(batch, step);
  write_lengths(batch, step);
  write_positions(batch, step);
  write_lists(batch, step);
  choose_rows(batch, step);
  upload_all(batch, device, BUFFER_Q_INDPTR);
  upload_all(batch, device, BUFFER_KV_LEN);
  upload_all(batch, device, BUFFER_POSITIONS);
  upload_all(batch, device, BUFFER_SELECTED);
  upload_all(batch, device, BUFFER_SELECTED_LEN);
  upload_pages(batch, device, step);
  device_fill(device, batch->buffers[BUFFER_O].device, POISON, step->tokens * batch_row_bytes(batch, BUFFER_O));
}

size_t batch_cache_place(const struct batch_memory *batch, uint32_t slot, uint32_t token, uint32_t *tokens) {
  const uint32_t page_size = batch->spec.page_size;
  if (!is_paged(batch))
    return (size_t)slot * batch->slot_tokens + token;
  const uint32_t left = page_size - token % page_size;
  *tokens = left < *tokens ? left : *tokens;
  return (size_t)pages_of_slot(batch, slot)[token / page_size] * page_size + token % page_size;
}

static void download_run(struct batch_memory *batch, struct device *device, size_t place, uint32_t tokens) {
  const enum buffer last = batch_has_token_scales(batch) ? BUFFER_V_SCALE : BUFFER_V_CACHE;
  for (enum buffer buffer = BUFFER_K_CACHE; buffer <= last; buffer++) {
    const size_t bytes = batch_row_bytes(batch, buffer);
    mirror_download_part(&batch->buffers[buffer], device, place * bytes, tokens * bytes);
  }
}

void batch_download_step(struct batch_memory *batch, struct device *device, const struct step *step) {
  const struct piece *pieces = pieces_of(batch, step);
  mirror_download(&batch->buffers[BUFFER_O], device, step->tokens * batch_row_bytes(batch, BUFFER_O));
  for (uint32_t p = 0; p < step->pieces; p++) {
    uint32_t tokens;
    for (uint32_t token = pieces[p].begin; token < pieces[p].end; token += tokens) {
      tokens = pieces[p].end - token;
      const size_t place = batch_cache_place(batch, pieces[p].slot, token, &tokens);
      download_run(batch, device, place, tokens);
    }
  }
}

/* ----------------------------------------------------------------------------------------------- pointers */

static void *pointer(const struct batch_memory *batch, enum buffer buffer, bool on_host) {
  const struct mirror *mirror = &batch->buffers[buffer];
  return on_host ? mirror->host : mirror->device;
}

static void *input(const struct batch_memory *batch, enum buffer buffer, bool on_host) {
  return (char *)pointer(batch, buffer, on_host) + batch->input_begin * batch_row_bytes(batch, buffer);
}

fi_batch batch_lengths(const struct batch_memory *batch, bool on_host) {
  fi_batch lengths = {
      .struct_size = sizeof lengths,
      .requests = batch->schedule->slots,
      .q_indptr = pointer(batch, BUFFER_Q_INDPTR, on_host),
      .kv_len = pointer(batch, BUFFER_KV_LEN, on_host),
  };
  if (is_paged(batch)) {
    lengths.page_table = pointer(batch, BUFFER_PAGE_TABLE, on_host);
    lengths.page_table_stride = pages_of(batch, batch->schedule->max_kv_len);
  }
  if (batch->spec.ranges) {
    lengths.ranges = pointer(batch, BUFFER_RANGES, on_host);
    lengths.range_indptr = pointer(batch, BUFFER_RANGE_INDPTR, on_host);
  }
  if (batch->spec.select)
    lengths.selected_len = pointer(batch, BUFFER_SELECTED_LEN, on_host);
  return lengths;
}

/* Of a slot, in scales. */
static int64_t scale_page_stride(const struct batch_memory *batch, enum buffer buffer, uint32_t dtype) {
  return (int64_t)(batch->slot_tokens * batch_row_bytes(batch, buffer) / dtype_bytes(reference_scale_dtype(dtype)));
}

fi_tensors batch_tensors(const struct batch_memory *batch, bool on_host) {
  fi_tensors tensors = {
      .struct_size = sizeof tensors,
      .q = input(batch, BUFFER_Q, on_host),
      .o = pointer(batch, BUFFER_O, on_host),
      .k.data = pointer(batch, BUFFER_K_CACHE, on_host),
      .v.data = pointer(batch, BUFFER_V_CACHE, on_host),
      .k_new.data = input(batch, BUFFER_K_NEW, on_host),
      .v_new.data = input(batch, BUFFER_V_NEW, on_host),
  };
  if (!is_paged(batch)) {
    tensors.k.page_stride = (int64_t)batch->slot_tokens * batch->kv_heads * batch->spec.head_dim;
    tensors.v.page_stride = (int64_t)batch->slot_tokens * batch->kv_heads * batch->spec.v_dim;
    tensors.k.scale_page_stride = scale_page_stride(batch, BUFFER_K_SCALE, batch->spec.kv_dtype);
    tensors.v.scale_page_stride = scale_page_stride(batch, BUFFER_V_SCALE, batch->spec.v_dtype);
  }
  if (batch->spec.rope_axes > 1) {
    tensors.positions = pointer(batch, BUFFER_POSITIONS, on_host);
    tensors.position_stride = batch->schedule->max_tokens;
  }
  if (batch->spec.select) {
    tensors.selected = pointer(batch, BUFFER_SELECTED, on_host);
    tensors.selected_head_stride = batch->listing.heads > 1 ? batch->listing.entries : 0;
  }
  if (batch->spec.sinks)
    tensors.sinks = pointer(batch, BUFFER_SINKS, on_host);
  if (batch->spec.bias == FI_BIAS_SLOPES)
    tensors.slopes = pointer(batch, BUFFER_SLOPES, on_host);
  if (is_scaled(batch) || batch_has_token_scales(batch)) {
    tensors.k.scales = pointer(batch, BUFFER_K_SCALE, on_host);
    tensors.v.scales = pointer(batch, BUFFER_V_SCALE, on_host);
  }
  return tensors;
}
