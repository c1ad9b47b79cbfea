/* Sizes, contents and pointers of a batch's tensors. */
#include "tools/flashjit/batch_memory.h"

#include "tests/dtypes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_scaled(const struct batch_memory *batch) {
  return batch->spec.kv_scale != FI_SCALE_NONE;
}

/* ------------------------------------------------------------------------------------------------ sizes */

static bool measure_trace(struct batch_memory *batch, struct device *device, const struct trace *trace) {
  batch->requests = (uint32_t)trace->count;
  batch->marks = calloc(trace->count + 1, sizeof *batch->marks);
  if (!batch->marks) {
    snprintf(device->error, sizeof device->error, "out of memory");
    return false;
  }
  for (size_t r = 0; r < trace->count; r++) {
    batch->marks[r] = phase_marks(&trace->requests[r]);
    if (batch->marks[r].mark[PHASES] > batch->max_kv_len)
      batch->max_kv_len = batch->marks[r].mark[PHASES];
  }
  size_t most = 0;
  for (int phase = 0; phase < PHASES; phase++) {
    size_t tokens = phase_tokens(batch->marks, batch->requests, phase);
    most = tokens > most ? tokens : most;
  }
  batch->max_tokens = (uint32_t)most;
  if (most <= INT32_MAX)
    return true;
  snprintf(device->error, sizeof device->error, "%zu tokens in one step are too many", most);
  return false;
}

static uint32_t pages_of(const struct batch_memory *batch, uint32_t tokens) {
  return (tokens + batch->spec.page_size - 1) / batch->spec.page_size;
}

/* Each request has the pages that it needs, and a few belong to nobody. */
static void measure_cache(struct batch_memory *batch) {
  enum { SPARE_PAGES = 3 };
  if (batch->spec.page_size == 0) {
    batch->request_slots = batch->max_kv_len + 1;
    batch->slots = (size_t)batch->requests * batch->request_slots;
    return;
  }
  size_t pages = SPARE_PAGES;
  for (uint32_t r = 0; r < batch->requests; r++)
    pages += pages_of(batch, batch->marks[r].mark[PHASES]);
  batch->slots = pages * batch->spec.page_size;
}

static size_t buffer_bytes(const struct batch_memory *batch, enum buffer buffer) {
  const fi_spec *spec = &batch->spec;
  size_t kv_row = (size_t)batch->kv_heads * spec->head_dim;
  size_t q_bytes = dtype_bytes(spec->q_dtype);
  switch (buffer) {
  case BUFFER_Q:
  case BUFFER_O:
    return batch->max_tokens * kv_row * spec->group * q_bytes;
  case BUFFER_K_NEW:
  case BUFFER_V_NEW:
    return batch->max_tokens * kv_row * q_bytes;
  case BUFFER_K_CACHE:
  case BUFFER_V_CACHE:
    return batch->slots * kv_row * dtype_bytes(spec->kv_dtype);
  case BUFFER_K_SCALE:
  case BUFFER_V_SCALE:
    return batch->kv_heads * sizeof(float); /* at most one a head */
  case BUFFER_Q_INDPTR:
  case BUFFER_KV_LEN:
    return (batch->requests + 1) * sizeof(int32_t);
  default:
    return spec->page_size == 0 ? 0 : (size_t)batch->requests * pages_of(batch, batch->max_kv_len) * sizeof(int32_t);
  }
}

/* ----------------------------------------------------------------------------------------------- contents */

/* Page ids in random order; the entries behind a request's last page stay as they are, which is no page. */
static bool deal_pages(struct batch_memory *batch, random_state *random) {
  uint32_t page_size = batch->spec.page_size;
  if (page_size == 0)
    return true;
  uint32_t pages = (uint32_t)(batch->slots / page_size);
  uint32_t stride = pages_of(batch, batch->max_kv_len);
  int32_t *order = calloc(pages, sizeof *order);
  int32_t *table = batch->buffers[BUFFER_PAGE_TABLE].host;
  if (!order)
    return false;
  random_permutation(random, order, pages);
  size_t dealt = 0;
  for (uint32_t r = 0; r < batch->requests; r++) {
    for (uint32_t i = 0; i < pages_of(batch, batch->marks[r].mark[PHASES]); i++)
      table[(size_t)r * stride + i] = order[dealt++];
  }
  free(order);
  return true;
}

static void upload_all(struct batch_memory *batch, struct device *device, enum buffer buffer) {
  mirror_upload(&batch->buffers[buffer], device, batch->buffers[buffer].bytes);
}

bool batch_create(struct batch_memory *batch, struct device *device, const fi_spec *spec, uint32_t kv_heads,
                  const struct trace *trace, random_state *random) {
  *batch = (struct batch_memory){.spec = *spec, .kv_heads = kv_heads};
  if (!measure_trace(batch, device, trace))
    return false;
  measure_cache(batch);
  for (enum buffer buffer = 0; buffer < BUFFERS; buffer++) {
    if (!mirror_create(&batch->buffers[buffer], device, buffer_bytes(batch, buffer)))
      return false;
  }
  if (!deal_pages(batch, random)) {
    snprintf(device->error, sizeof device->error, "out of memory");
    return false;
  }
  for (uint32_t head = 0; head < kv_heads; head++) {
    ((float *)batch->buffers[BUFFER_K_SCALE].host)[head] = 0.05f / (float)(1 + head % 3);
    ((float *)batch->buffers[BUFFER_V_SCALE].host)[head] = 0.03f / (float)(1 + head % 5);
  }
  upload_all(batch, device, BUFFER_PAGE_TABLE);
  upload_all(batch, device, BUFFER_K_SCALE);
  upload_all(batch, device, BUFFER_V_SCALE);
  return !device_failed(device);
}

void batch_free(struct batch_memory *batch, struct device *device) {
  for (enum buffer buffer = 0; buffer < BUFFERS; buffer++)
    mirror_free(&batch->buffers[buffer], device);
  free(batch->marks);
}

static void fill_random(struct batch_memory *batch, struct device *device, enum buffer buffer, size_t elements,
                        random_state *random) {
  uint32_t dtype = batch->spec.q_dtype;
  random_normal(random, dtype, batch->buffers[buffer].host, elements);
  mirror_upload(&batch->buffers[buffer], device, elements * dtype_bytes(dtype));
}

uint32_t batch_begin_phase(struct batch_memory *batch, struct device *device, int phase, random_state *random) {
  const fi_spec *spec = &batch->spec;
  int32_t *q_indptr = batch->buffers[BUFFER_Q_INDPTR].host;
  int32_t *kv_len = batch->buffers[BUFFER_KV_LEN].host;
  q_indptr[0] = 0;
  for (uint32_t r = 0; r < batch->requests; r++) {
    const uint32_t *mark = batch->marks[r].mark;
    q_indptr[r + 1] = q_indptr[r] + (int32_t)(mark[phase + 1] - mark[phase]);
    kv_len[r] = (int32_t)mark[phase + 1];
  }
  upload_all(batch, device, BUFFER_Q_INDPTR);
  upload_all(batch, device, BUFFER_KV_LEN);

  uint32_t tokens = (uint32_t)q_indptr[batch->requests];
  size_t kv_elements = (size_t)tokens * batch->kv_heads * spec->head_dim;
  fill_random(batch, device, BUFFER_Q, kv_elements * spec->group, random);
  fill_random(batch, device, BUFFER_K_NEW, kv_elements, random);
  fill_random(batch, device, BUFFER_V_NEW, kv_elements, random);
  device_fill(device, batch->buffers[BUFFER_O].device, POISON, batch->buffers[BUFFER_O].bytes);
  return tokens;
}

/* ----------------------------------------------------------------------------------------------- pointers */

static void *pointer(const struct batch_memory *batch, enum buffer buffer, bool on_host) {
  const struct mirror *mirror = &batch->buffers[buffer];
  return on_host ? mirror->host : mirror->device;
}

fi_batch batch_lengths(const struct batch_memory *batch, bool on_host) {
  fi_batch lengths = {
      .struct_size = sizeof lengths,
      .requests = batch->requests,
      .q_indptr = pointer(batch, BUFFER_Q_INDPTR, on_host),
      .kv_len = pointer(batch, BUFFER_KV_LEN, on_host),
  };
  if (batch->spec.page_size > 0) {
    lengths.page_table = pointer(batch, BUFFER_PAGE_TABLE, on_host);
    lengths.page_table_stride = pages_of(batch, batch->max_kv_len);
  }
  return lengths;
}

fi_tensors batch_tensors(const struct batch_memory *batch, bool on_host) {
  fi_tensors tensors = {
      .struct_size = sizeof tensors,
      .q = pointer(batch, BUFFER_Q, on_host),
      .o = pointer(batch, BUFFER_O, on_host),
      .k.data = pointer(batch, BUFFER_K_CACHE, on_host),
      .v.data = pointer(batch, BUFFER_V_CACHE, on_host),
      .k_new.data = pointer(batch, BUFFER_K_NEW, on_host),
      .v_new.data = pointer(batch, BUFFER_V_NEW, on_host),
  };
  if (batch->spec.page_size == 0) {
    tensors.k.page_stride = (int64_t)batch->request_slots * batch->kv_heads * batch->spec.head_dim;
    tensors.v.page_stride = tensors.k.page_stride;
  }
  if (is_scaled(batch)) {
    tensors.k.scales = pointer(batch, BUFFER_K_SCALE, on_host);
    tensors.v.scales = pointer(batch, BUFFER_V_SCALE, on_host);
  }
  return tensors;
}
