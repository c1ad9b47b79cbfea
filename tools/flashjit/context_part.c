/* Pages, lengths and masks of one device's tokens, from those of the whole layer. */
#include "tools/flashjit/context_part.h"

#include "tools/flashjit/cli.h"

#include "tests/dtypes.h"
#include "tests/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct batch_memory *batch_of(const struct context_part *part) {
  return &part->whole->batch;
}

static uint32_t page_size_of(const struct context_part *part) {
  return batch_of(part)->spec.page_size;
}

static size_t query_heads(const struct context_part *part) {
  return (size_t)batch_of(part)->kv_heads * batch_of(part)->spec.group;
}

/* Of so many pages of a request, those that are here. */
static uint32_t local_pages(const struct context_part *part, uint32_t pages) {
  return (pages + part->share.count - 1 - part->share.number) / part->share.count;
}

uint32_t context_local_tokens(const struct context_part *part, uint32_t tokens) {
  const uint32_t page_size = page_size_of(part);
  const uint32_t full = tokens / page_size;
  const bool has_rest = full % part->share.count == part->share.number;
  return local_pages(part, full) * page_size + (has_rest ? tokens % page_size : 0);
}

/* ------------------------------------------------------------------------------------------------ sizes */

static size_t words_of(uint32_t tokens) {
  return ((size_t)tokens + 31) / 32;
}

static size_t buffer_bytes(const struct context_part *part, enum context_buffer buffer) {
  const struct batch_memory *batch = batch_of(part);
  const struct schedule *schedule = batch->schedule;
  const size_t cache_tokens = (size_t)part->cache_pages * page_size_of(part);
  const size_t rows = schedule->max_tokens;
  switch (buffer) {
  case CONTEXT_Q:
    return batch->input_rows * batch_row_bytes(batch, BUFFER_Q);
  case CONTEXT_K_NEW:
    return batch->input_rows * batch_row_bytes(batch, BUFFER_K_NEW);
  case CONTEXT_V_NEW:
    return batch->input_rows * batch_row_bytes(batch, BUFFER_V_NEW);
  case CONTEXT_K_CACHE:
    return cache_tokens * batch_row_bytes(batch, BUFFER_K_CACHE);
  case CONTEXT_V_CACHE:
    return cache_tokens * batch_row_bytes(batch, BUFFER_V_CACHE);
  case CONTEXT_K_SCALE:
    return (batch_has_token_scales(batch) ? cache_tokens : 1) * batch_row_bytes(batch, BUFFER_K_SCALE);
  case CONTEXT_V_SCALE:
    return (batch_has_token_scales(batch) ? cache_tokens : 1) * batch_row_bytes(batch, BUFFER_V_SCALE);
  case CONTEXT_SINKS:
    return batch->spec.sinks ? batch_row_bytes(batch, BUFFER_SINKS) : 0;
  case CONTEXT_Q_INDPTR:
  case CONTEXT_KV_LEN:
  case CONTEXT_KV_START:
    return (schedule->slots + 1) * sizeof(int32_t);
  case CONTEXT_PAGE_TABLE:
    return (size_t)schedule->slots * part->request_pages * sizeof(int32_t);
  case CONTEXT_SLOTS:
    return rows * sizeof(int32_t);
  case CONTEXT_POSITIONS:
    return rows * batch->spec.rope_axes * sizeof(int32_t);
  case CONTEXT_MASK_OFFSETS:
    return schedule->slots * sizeof(int64_t);
  case CONTEXT_MASK_BITS:
    return rows * words_of(part->request_pages * page_size_of(part)) * sizeof(uint32_t);
  case CONTEXT_PART_LSE:
    return rows * query_heads(part) * sizeof(float);
  case CONTEXT_PARTS_LSE:
    return part->share.count * rows * query_heads(part) * sizeof(float);
  case CONTEXT_PARTS_O:
    return part->share.count * rows * batch_row_bytes(batch, BUFFER_O);
  default:
    return rows * batch_row_bytes(batch, BUFFER_O);
  }
}

/* ------------------------------------------------------------------------------------------------ create */

static void upload(struct context_part *part, enum context_buffer buffer) {
  mirror_upload(&part->buffers[buffer], part->device, part->buffers[buffer].bytes);
}

/* Of states that are merged one alone has the sinks. */
static void fill_inputs(struct context_part *part) {
  static const struct {
    enum context_buffer to;
    enum buffer from;
  } inputs[] = {
      {CONTEXT_Q, BUFFER_Q},
      {CONTEXT_K_NEW, BUFFER_K_NEW},
      {CONTEXT_V_NEW, BUFFER_V_NEW},
      {CONTEXT_K_SCALE, BUFFER_K_SCALE},
      {CONTEXT_V_SCALE, BUFFER_V_SCALE},
      {CONTEXT_SINKS, BUFFER_SINKS},
  };
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    const struct mirror *to = &part->buffers[inputs[i].to];
    memcpy(to->host, batch_of(part)->buffers[inputs[i].from].host, to->bytes);
    float *sinks = to->host;
    for (size_t head = 0; inputs[i].to == CONTEXT_SINKS && part->share.number > 0 && head < to->bytes / 4; head++)
      sinks[head] = -INFINITY;
    upload(part, inputs[i].to);
  }
  const struct mirror *table = &part->whole->rope_table;
  if (table->bytes > 0 && mirror_create(&part->rope_table, part->device, table->bytes)) {
    memcpy(part->rope_table.host, table->host, table->bytes);
    mirror_upload(&part->rope_table, part->device, table->bytes);
  }
}

static bool works(const struct context_part *part) {
  if (device_failed(part->device))
    complain("%s: device %u: %s", part->whole->layer->kind, part->share.number, part->device->error);
  return !device_failed(part->device);
}

bool context_part_create(struct context_part *part) {
  const struct batch_memory *batch = batch_of(part);
  const uint32_t slots = batch->schedule->slots;
  const uint32_t pages = (batch->schedule->max_kv_len + page_size_of(part) - 1) / page_size_of(part);
  part->request_pages = (pages + part->share.count - 1) / part->share.count;
  part->cache_pages = (uint32_t)(batch->cache_tokens / page_size_of(part)) / part->share.count + slots + 1;
  part->held = calloc(slots, sizeof *part->held);
  part->free_pages = calloc(part->cache_pages, sizeof *part->free_pages);
  bool created = part->held && part->free_pages;
  for (enum context_buffer buffer = 0; buffer < CONTEXT_BUFFERS && created; buffer++)
    created = mirror_create(&part->buffers[buffer], part->device, buffer_bytes(part, buffer));
  if (!created) {
    if (works(part))
      complain("out of memory");
    return false;
  }
  random_state random = part->whole->settings->seed + part->share.number;
  part->free_count = part->cache_pages;
  random_permutation(&random, part->free_pages, part->free_count);
  part->stream = device_stream_create(part->device);
  fill_inputs(part);
  return works(part);
}

void context_part_free(struct context_part *part) {
  if (part->device->driver)
    device_use(part->device);
  for (enum context_buffer buffer = 0; buffer < CONTEXT_BUFFERS; buffer++)
    mirror_free(&part->buffers[buffer], part->device);
  mirror_free(&part->rope_table, part->device);
  device_free(part->device, part->workspace.memory);
  device_free(part->device, part->workspace.scratch);
  device_stream_destroy(part->device, part->stream);
  free(part->held);
  free(part->free_pages);
}

/* ------------------------------------------------------------------------------------------------ a step */

static const struct piece *pieces_of(const struct context_part *part, const struct step *step) {
  return &batch_of(part)->schedule->pieces[step->first];
}

static int32_t *pages_of_slot(const struct context_part *part, uint32_t slot) {
  return (int32_t *)part->buffers[CONTEXT_PAGE_TABLE].host + (size_t)slot * part->request_pages;
}

static void return_pages(struct context_part *part, uint32_t slot) {
  int32_t *table = pages_of_slot(part, slot);
  while (part->held[slot] > 0) {
    part->free_pages[part->free_count++] = table[--part->held[slot]];
    table[part->held[slot]] = -1;
  }
}

/* Slots that are empty, or have a new request, give back what they held. */
static void deal_pages(struct context_part *part, const struct step *step) {
  const struct batch_memory *batch = batch_of(part);
  const struct piece *pieces = pieces_of(part, step);
  const uint32_t page_size = page_size_of(part);
  for (uint32_t slot = 0; slot < batch->schedule->slots; slot++)
    if (batch->lengths[slot] == 0)
      return_pages(part, slot);
  for (uint32_t p = 0; p < step->pieces; p++)
    if (pieces[p].begin == 0)
      return_pages(part, pieces[p].slot);
  for (uint32_t p = 0; p < step->pieces; p++) {
    const uint32_t slot = pieces[p].slot;
    const uint32_t pages = local_pages(part, (pieces[p].end + page_size - 1) / page_size);
    while (part->held[slot] < pages)
      pages_of_slot(part, slot)[part->held[slot]++] = part->free_pages[--part->free_count];
  }
}

/* The row of this device's cache that has a token, or -1. */
static int32_t slot_of_token(const struct context_part *part, uint32_t slot, uint32_t token) {
  const uint32_t page_size = page_size_of(part);
  const uint32_t page = token / page_size;
  if (page % part->share.count != part->share.number)
    return -1;
  return pages_of_slot(part, slot)[page / part->share.count] * (int32_t)page_size + (int32_t)(token % page_size);
}

/* Where tokens are, and where they go. */
static void write_places(struct context_part *part, const struct step *step) {
  const struct piece *pieces = pieces_of(part, step);
  const int32_t *q_indptr = batch_of(part)->buffers[BUFFER_Q_INDPTR].host;
  int32_t *slots = part->buffers[CONTEXT_SLOTS].host;
  int32_t *positions = part->buffers[CONTEXT_POSITIONS].host;
  for (uint32_t p = 0; p < step->pieces; p++) {
    int32_t row = q_indptr[pieces[p].slot];
    for (uint32_t token = pieces[p].begin; token < pieces[p].end; token++, row++) {
      slots[row] = slot_of_token(part, pieces[p].slot, token);
      positions[row] = (int32_t)token;
    }
  }
  if (batch_of(part)->spec.rope_axes > 1)
    memcpy(positions, batch_of(part)->buffers[BUFFER_POSITIONS].host, part->buffers[CONTEXT_POSITIONS].bytes);
}

/* The tokens here that a query token sees: begin .. end. They are neighbours, since those that it sees of all are. */
static void seen_here(const struct context_part *part, const fi_batch *lengths, const struct piece *piece,
                      uint32_t token, uint32_t *begin, uint32_t *end) {
  const fi_spec *spec = &part->whole->specs[ROLE_PREFILL];
  int64_t first, last;
  reference_seen(spec, lengths, piece->slot, piece->end, token, &first, &last);
  *begin = context_local_tokens(part, (uint32_t)first);
  *end = context_local_tokens(part, (uint32_t)last);
}

static void set_bits(uint32_t *row, uint32_t begin, uint32_t end) {
  for (uint32_t t = begin; t < end; t++)
    row[t / 32] |= 1u << t % 32;
}

/* For steps of several tokens a request a mask; of one token, the first that it sees. */
static size_t write_mask(struct context_part *part, const struct step *step) {
  const struct piece *pieces = pieces_of(part, step);
  const fi_batch lengths = batch_lengths(batch_of(part), true);
  int32_t *kv_start = part->buffers[CONTEXT_KV_START].host;
  int64_t *offsets = part->buffers[CONTEXT_MASK_OFFSETS].host;
  uint32_t *bits = part->buffers[CONTEXT_MASK_BITS].host;
  size_t used = 0;
  memset(kv_start, 0, part->buffers[CONTEXT_KV_START].bytes);
  memset(offsets, 0, part->buffers[CONTEXT_MASK_OFFSETS].bytes);
  for (uint32_t p = 0; p < step->pieces; p++) {
    const size_t words = words_of(context_local_tokens(part, pieces[p].end));
    offsets[pieces[p].slot] = (int64_t)used;
    for (uint32_t token = pieces[p].begin; token < pieces[p].end; token++, used += words) {
      uint32_t begin, end;
      seen_here(part, &lengths, &pieces[p], token, &begin, &end);
      kv_start[pieces[p].slot] = (int32_t)begin;
      memset(bits + used, 0, words * sizeof *bits);
      set_bits(bits + used, begin, end);
    }
  }
  return used * sizeof *bits;
}

static void write_lengths(struct context_part *part) {
  const struct batch_memory *batch = batch_of(part);
  int32_t *kv_len = part->buffers[CONTEXT_KV_LEN].host;
  memcpy(part->buffers[CONTEXT_Q_INDPTR].host, batch->buffers[BUFFER_Q_INDPTR].host,
         part->buffers[CONTEXT_Q_INDPTR].bytes);
  for (uint32_t slot = 0; slot < batch->schedule->slots; slot++)
    kv_len[slot] = (int32_t)context_local_tokens(part, batch->lengths[slot]);
}

void context_begin_step(struct context_part *part, const struct step *step) {
  deal_pages(part, step);
  write_lengths(part);
  write_places(part, step);
  const size_t mask_bytes = step->attention == ROLE_APPEND ? 0 : write_mask(part, step);
  for (enum context_buffer buffer = CONTEXT_Q_INDPTR; buffer <= CONTEXT_MASK_OFFSETS; buffer++)
    upload(part, buffer);
  mirror_upload(&part->buffers[CONTEXT_MASK_BITS], part->device, mask_bytes);
  for (enum context_buffer buffer = CONTEXT_PART_O; buffer <= CONTEXT_O; buffer++)
    device_fill(part->device, part->buffers[buffer].device, POISON, part->buffers[buffer].bytes);
}

/* ------------------------------------------------------------------------------------------------ results */

static void give_run(struct context_part *part, size_t place, size_t whole_place, uint32_t tokens) {
  const struct batch_memory *batch = batch_of(part);
  const enum context_buffer last = batch_has_token_scales(batch) ? CONTEXT_V_SCALE : CONTEXT_V_CACHE;
  for (enum context_buffer buffer = CONTEXT_K_CACHE; buffer <= last; buffer++) {
    const enum buffer to = (enum buffer)(buffer - CONTEXT_K_CACHE + BUFFER_K_CACHE);
    const struct mirror *mirror = &part->buffers[buffer];
    const size_t bytes = batch_row_bytes(batch, to);
    mirror_download_part(mirror, part->device, place * bytes, tokens * bytes);
    memcpy((char *)batch->buffers[to].host + whole_place * bytes, (char *)mirror->host + place * bytes, tokens * bytes);
  }
}

void context_give_tokens(struct context_part *part, const struct step *step) {
  const struct piece *pieces = pieces_of(part, step);
  for (uint32_t p = 0; p < step->pieces; p++) {
    uint32_t tokens;
    for (uint32_t token = pieces[p].begin; token < pieces[p].end; token += tokens) {
      tokens = pieces[p].end - token;
      const size_t whole_place = batch_cache_place(batch_of(part), pieces[p].slot, token, &tokens);
      const int32_t place = slot_of_token(part, pieces[p].slot, token);
      if (place >= 0)
        give_run(part, (size_t)place, whole_place, tokens);
    }
  }
}

/* ----------------------------------------------------------------------------------------------- pointers */

fi_batch context_lengths(const struct context_part *part) {
  return (fi_batch){.struct_size = sizeof(fi_batch),
                    .requests = batch_of(part)->schedule->slots,
                    .q_indptr = part->buffers[CONTEXT_Q_INDPTR].device,
                    .kv_len = part->buffers[CONTEXT_KV_LEN].device,
                    .kv_start = part->buffers[CONTEXT_KV_START].device,
                    .page_table = part->buffers[CONTEXT_PAGE_TABLE].device,
                    .page_table_stride = part->request_pages,
                    .mask_bits = part->buffers[CONTEXT_MASK_BITS].device,
                    .mask_offsets = part->buffers[CONTEXT_MASK_OFFSETS].device};
}

static void *row_of(const struct context_part *part, enum context_buffer buffer, enum buffer like) {
  return (char *)part->buffers[buffer].device + batch_of(part)->input_begin * batch_row_bytes(batch_of(part), like);
}

fi_tensors context_tensors(const struct context_part *part, const struct step *step) {
  fi_tensors tensors = layer_tensors(part->whole, true);
  tensors.q = row_of(part, CONTEXT_Q, BUFFER_Q);
  tensors.o = part->buffers[CONTEXT_PART_O].device;
  tensors.lse = part->buffers[CONTEXT_PART_LSE].device;
  tensors.k.data = part->buffers[CONTEXT_K_CACHE].device;
  tensors.v.data = part->buffers[CONTEXT_V_CACHE].device;
  tensors.k_new.data = row_of(part, CONTEXT_K_NEW, BUFFER_K_NEW);
  tensors.v_new.data = row_of(part, CONTEXT_V_NEW, BUFFER_V_NEW);
  if (tensors.k.scales) {
    tensors.k.scales = part->buffers[CONTEXT_K_SCALE].device;
    tensors.v.scales = part->buffers[CONTEXT_V_SCALE].device;
  }
  if (tensors.sinks)
    tensors.sinks = part->buffers[CONTEXT_SINKS].device;
  tensors.rope_table = part->rope_table.device;
  tensors.positions = part->buffers[CONTEXT_POSITIONS].device;
  tensors.slots = part->buffers[CONTEXT_SLOTS].device;
  tensors.tokens = step->tokens;
  tensors.heads = batch_of(part)->kv_heads;
  return tensors;
}
