/* A step's new entries are one run of rows, a request after the other, and go to slots. */
#include "tools/flashjit/batch_entries.h"

#include "tests/dtypes.h"

static uint32_t page_size(const struct batch_memory *batch) {
  return batch->spec.second_page;
}

static uint32_t pages_of(const struct batch_memory *batch, uint32_t entries) {
  return (entries + page_size(batch) - 1) / page_size(batch);
}

uint32_t batch_entries_of(const struct batch_memory *batch, uint32_t tokens) {
  return batch->listing.ratio > 0 ? tokens / batch->listing.ratio : 0;
}

/* ------------------------------------------------------------------------------------------------ sizes */

static uint32_t new_entries(const struct batch_memory *batch, const struct step *step) {
  uint32_t entries = 0;
  for (uint32_t p = 0; p < step->pieces; p++) {
    const struct piece *piece = &batch->schedule->pieces[step->first + p];
    entries += batch_entries_of(batch, piece->end) - batch_entries_of(batch, piece->begin);
  }
  return entries;
}

void batch_entries_measure(struct batch_memory *batch) {
  enum { SPARE_ROWS = 97 };
  const struct schedule *schedule = batch->schedule;
  struct entries *entries = &batch->entries;
  if (batch->listing.ratio == 0)
    return;
  const uint32_t most = batch_entries_of(batch, schedule->max_kv_len);
  entries->most = most > 0 ? most : 1;
  entries->row_pages = pages_of(batch, entries->most);
  entries->cache_rows = batch_most_pages(batch, batch->listing.ratio, page_size(batch)) * page_size(batch);
  for (size_t s = 0; s < schedule->step_count; s++) {
    const uint32_t rows = new_entries(batch, &schedule->steps[s]);
    entries->step_rows = rows > entries->step_rows ? rows : entries->step_rows;
  }
  entries->input_rows = entries->step_rows + SPARE_ROWS;
}

size_t batch_entries_bytes(const struct batch_memory *batch, enum buffer buffer) {
  const struct entries *entries = &batch->entries;
  const size_t row = batch_row_bytes(batch, buffer);
  switch (buffer) {
  case BUFFER_ENTRY_NEW:
  case BUFFER_ENTRY_WIDE_NEW:
    return entries->input_rows * row;
  case BUFFER_ENTRY_CACHE:
  case BUFFER_ENTRY_WIDE:
    return entries->cache_rows * row;
  case BUFFER_ENTRY_SCALE:
    return batch_has_token_scales(batch) ? entries->cache_rows * row : 0;
  case BUFFER_ENTRY_TABLE:
    return (size_t)batch->schedule->slots * entries->row_pages * sizeof(int32_t);
  case BUFFER_ENTRY_INDPTR:
  case BUFFER_ENTRY_LEN:
    return entries->most > 0 ? (batch->schedule->slots + 1) * sizeof(int32_t) : 0;
  default: /* slots, positions */
    return entries->step_rows * sizeof(int32_t);
  }
}

bool batch_entries_create(struct batch_memory *batch, random_state *random) {
  return batch->entries.most == 0 ||
         page_pool_create(&batch->entries.pool, batch->entries.cache_rows / page_size(batch), random);
}

/* ------------------------------------------------------------------------------------------------ a step */

static int32_t *row_of(const struct batch_memory *batch, uint32_t slot) {
  return (int32_t *)batch->buffers[BUFFER_ENTRY_TABLE].host + (size_t)slot * batch->entries.row_pages;
}

void batch_entries_return(struct batch_memory *batch, uint32_t slot) {
  if (batch->entries.most > 0)
    page_pool_return(&batch->entries.pool, row_of(batch, slot),
                     pages_of(batch, batch_entries_of(batch, batch->lengths[slot])));
}

void batch_entries_deal(struct batch_memory *batch, const struct piece *piece) {
  if (batch->entries.most > 0)
    page_pool_deal(&batch->entries.pool, row_of(batch, piece->slot),
                   pages_of(batch, batch_entries_of(batch, piece->begin)),
                   pages_of(batch, batch_entries_of(batch, piece->end)));
}

size_t batch_entry_place(const struct batch_memory *batch, uint32_t slot, uint32_t entry, uint32_t *entries) {
  const uint32_t left = page_size(batch) - entry % page_size(batch);
  *entries = left < *entries ? left : *entries;
  return (size_t)row_of(batch, slot)[entry / page_size(batch)] * page_size(batch) + entry % page_size(batch);
}

static void write_lengths(struct batch_memory *batch, const struct step *step) {
  int32_t *indptr = batch->buffers[BUFFER_ENTRY_INDPTR].host;
  int32_t *lengths = batch->buffers[BUFFER_ENTRY_LEN].host;
  for (uint32_t slot = 0; slot < batch->schedule->slots; slot++) {
    lengths[slot] = (int32_t)batch_entries_of(batch, batch->lengths[slot]);
    indptr[slot + 1] = 0;
  }
  for (uint32_t p = 0; p < step->pieces; p++) {
    const struct piece *piece = &batch->schedule->pieces[step->first + p];
    indptr[piece->slot + 1] = (int32_t)(batch_entries_of(batch, piece->end) - batch_entries_of(batch, piece->begin));
  }
  indptr[0] = 0;
  for (uint32_t slot = 0; slot < batch->schedule->slots; slot++)
    indptr[slot + 1] += indptr[slot];
}

/* An entry is where the first of its tokens is. */
static void write_places(struct batch_memory *batch, const struct step *step) {
  const int32_t *indptr = batch->buffers[BUFFER_ENTRY_INDPTR].host;
  int32_t *slots = batch->buffers[BUFFER_ENTRY_SLOTS].host;
  int32_t *positions = batch->buffers[BUFFER_ENTRY_POSITIONS].host;
  for (uint32_t p = 0; p < step->pieces; p++) {
    const struct piece *piece = &batch->schedule->pieces[step->first + p];
    int32_t row = indptr[piece->slot];
    for (uint32_t e = batch_entries_of(batch, piece->begin); e < batch_entries_of(batch, piece->end); e++, row++) {
      uint32_t one = 1;
      slots[row] = (int32_t)batch_entry_place(batch, piece->slot, e, &one);
      positions[row] = (int32_t)(e * batch->listing.ratio);
    }
  }
}

void batch_entries_begin_step(struct batch_memory *batch, struct device *device, const struct step *step) {
  static const enum buffer written[] = {BUFFER_ENTRY_INDPTR, BUFFER_ENTRY_LEN, BUFFER_ENTRY_TABLE, BUFFER_ENTRY_SLOTS,
                                        BUFFER_ENTRY_POSITIONS};
  struct entries *entries = &batch->entries;
  if (entries->most == 0)
    return;
  write_lengths(batch, step);
  write_places(batch, step);
  entries->count = new_entries(batch, step);
  entries->input_begin = entries->used_rows % (entries->input_rows - entries->step_rows + 1);
  entries->used_rows += entries->count;
  for (size_t i = 0; i < sizeof written / sizeof *written; i++)
    mirror_upload(&batch->buffers[written[i]], device, batch->buffers[written[i]].bytes);
}

/* ------------------------------------------------------------------------------------------------ structs */

void batch_entries_describe(const struct batch_memory *batch, bool on_host, fi_batch *lengths) {
  if (batch->entries.most == 0)
    return;
  lengths->second_page_table = batch_pointer(batch, BUFFER_ENTRY_TABLE, on_host);
  lengths->second_page_table_stride = batch->entries.row_pages;
  lengths->second_kv_len = batch_pointer(batch, BUFFER_ENTRY_LEN, on_host);
}

void batch_entries_tensors(const struct batch_memory *batch, bool on_host, fi_tensors *tensors) {
  tensors->second_k.data = batch_pointer(batch, BUFFER_ENTRY_CACHE, on_host);
  tensors->second_v.data = batch_pointer(batch, BUFFER_ENTRY_WIDE, on_host);
  if (batch_has_token_scales(batch))
    tensors->second_k.scales = batch_pointer(batch, BUFFER_ENTRY_SCALE, on_host);
}

fi_batch batch_entry_lengths(const struct batch_memory *batch, bool on_host) {
  return (fi_batch){
      .struct_size = sizeof(fi_batch),
      .requests = batch->schedule->slots,
      .q_indptr = batch_pointer(batch, BUFFER_ENTRY_INDPTR, on_host),
      .kv_len = batch_pointer(batch, BUFFER_ENTRY_LEN, on_host),
      .page_table = batch_pointer(batch, BUFFER_ENTRY_TABLE, on_host),
      .page_table_stride = batch->entries.row_pages,
  };
}

static void *new_entries_of(const struct batch_memory *batch, enum buffer buffer, bool on_host) {
  return (char *)batch_pointer(batch, buffer, on_host) + batch->entries.input_begin * batch_row_bytes(batch, buffer);
}

fi_tensors batch_entry_tensors(const struct batch_memory *batch, bool on_host) {
  fi_tensors tensors = batch_tensors(batch, on_host);
  tensors.k.data = tensors.second_k.data;
  tensors.v.data = tensors.second_v.data;
  if (batch_has_token_scales(batch))
    tensors.k.scales = tensors.second_k.scales;
  tensors.k_new.data = new_entries_of(batch, BUFFER_ENTRY_NEW, on_host);
  tensors.v_new.data = new_entries_of(batch, BUFFER_ENTRY_WIDE_NEW, on_host);
  tensors.slots = batch_pointer(batch, BUFFER_ENTRY_SLOTS, on_host);
  tensors.positions = batch_pointer(batch, BUFFER_ENTRY_POSITIONS, on_host);
  tensors.tokens = batch->entries.count;
  tensors.heads = batch->kv_heads;
  return tensors;
}
