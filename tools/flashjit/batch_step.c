/* A step of a batch: pages, lengths and inputs before it, and what it has written after it. */
#include "tools/flashjit/batch_memory.h"

#include "tests/reference.h"
#include "tools/flashjit/batch_entries.h"
#include "tools/flashjit/batch_lists.h"

#include <string.h>

static const struct piece *pieces_of(const struct batch_memory *batch, const struct step *step) {
  return &batch->schedule->pieces[step->first];
}

static void upload_all(struct batch_memory *batch, struct device *device, enum buffer buffer) {
  mirror_upload(&batch->buffers[buffer], device, batch->buffers[buffer].bytes);
}

static int32_t *pages_of_slot(const struct batch_memory *batch, uint32_t slot) {
  const size_t stride = batch_pages_of(batch, batch->schedule->max_kv_len);
  return (int32_t *)batch->buffers[BUFFER_PAGE_TABLE].host + slot * stride;
}

/* The entries after a request's last page are no pages. */
static void return_pages(struct batch_memory *batch) {
  for (uint32_t slot = 0; slot < batch->schedule->slots && batch->spec.page_size > 0; slot++) {
    if (!batch->is_done[slot])
      continue;
    page_pool_return(&batch->pool, pages_of_slot(batch, slot), batch_pages_of(batch, batch->lengths[slot]));
    batch_entries_return(batch, slot);
  }
}

static void deal_pages(struct batch_memory *batch, const struct step *step) {
  const struct piece *pieces = pieces_of(batch, step);
  for (uint32_t p = 0; p < step->pieces && batch->spec.page_size > 0; p++) {
    page_pool_deal(&batch->pool, pages_of_slot(batch, pieces[p].slot), batch_pages_of(batch, pieces[p].begin),
                   batch_pages_of(batch, pieces[p].end));
    batch_entries_deal(batch, &pieces[p]);
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

/* Pages that no query token of the step sees are none to the device: engines may have given them back. */
static void upload_pages(struct batch_memory *batch, struct device *device, const struct step *step) {
  const struct piece *pieces = pieces_of(batch, step);
  const struct mirror *table = &batch->buffers[BUFFER_PAGE_TABLE];
  const fi_batch lengths = batch_lengths(batch, true);
  for (size_t i = 0; i < table->bytes / sizeof *batch->shown_pages; i++)
    batch->shown_pages[i] = -1;
  for (uint32_t p = 0; p < step->pieces && batch->spec.page_size > 0; p++) {
    const uint32_t slot = pieces[p].slot;
    const int32_t *pages = pages_of_slot(batch, slot);
    int64_t first, end;
    reference_seen(&batch->spec, &lengths, slot, pieces[p].end, pieces[p].begin, &first, &end);
    const uint32_t shown = (uint32_t)first / batch->spec.page_size;
    memcpy(batch->shown_pages + (pages - (int32_t *)table->host) + shown, pages + shown,
           (batch_pages_of(batch, pieces[p].end) - shown) * sizeof *pages);
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
  deal_pages(batch, step);
  batch_set_lengths(batch, step);
  write_lengths(batch, step);
  write_positions(batch, step);
  choose_rows(batch, step);
  batch->step_tokens = step->tokens;
  upload_all(batch, device, BUFFER_Q_INDPTR);
  upload_all(batch, device, BUFFER_KV_LEN);
  upload_all(batch, device, BUFFER_POSITIONS);
  upload_pages(batch, device, step);
  batch_entries_begin_step(batch, device, step);
  batch_lists_begin_step(batch, device, step);
  device_fill(device, batch->buffers[BUFFER_O].device, POISON, step->tokens * batch_row_bytes(batch, BUFFER_O));
}

size_t batch_cache_place(const struct batch_memory *batch, uint32_t slot, uint32_t token, uint32_t *tokens) {
  const uint32_t page_size = batch->spec.page_size;
  if (batch->spec.page_size == 0)
    return (size_t)slot * batch->slot_tokens + token;
  const uint32_t left = page_size - token % page_size;
  *tokens = left < *tokens ? left : *tokens;
  return (size_t)pages_of_slot(batch, slot)[token / page_size] * page_size + token % page_size;
}

uint32_t batch_caches(const struct batch_memory *batch, bool of_entries, enum buffer caches[BUFFERS]) {
  static const enum buffer of_tokens[] = {BUFFER_K_CACHE, BUFFER_V_CACHE, BUFFER_K_SCALE, BUFFER_V_SCALE};
  static const enum buffer entries[] = {BUFFER_ENTRY_CACHE, BUFFER_ENTRY_WIDE, BUFFER_ENTRY_SCALE};
  const bool has_scales = batch_has_token_scales(batch);
  uint32_t count = 0;
  for (uint32_t i = 0; i < (has_scales ? 4 : 2) && !of_entries; i++)
    caches[count++] = of_tokens[i];
  for (uint32_t i = 0; i < (has_scales ? 3 : 2) && of_entries; i++)
    caches[count++] = entries[i];
  if (batch->listing.index_heads > 0 && (batch->listing.ratio > 0) == of_entries)
    caches[count++] = BUFFER_INDEX_CACHE;
  return count;
}

struct piece batch_entry_piece(const struct batch_memory *batch, const struct piece *piece) {
  struct piece entries = *piece;
  entries.begin = batch_entries_of(batch, piece->begin);
  entries.end = batch_entries_of(batch, piece->end);
  return entries;
}

static void download_piece(struct batch_memory *batch, struct device *device, const struct piece *piece,
                           bool of_entries) {
  enum buffer caches[BUFFERS];
  const uint32_t count = batch_caches(batch, of_entries, caches);
  uint32_t rows;
  for (uint32_t first = piece->begin; first < piece->end; first += rows) {
    rows = piece->end - first;
    const size_t place = of_entries ? batch_entry_place(batch, piece->slot, first, &rows)
                                    : batch_cache_place(batch, piece->slot, first, &rows);
    for (uint32_t i = 0; i < count; i++) {
      const size_t bytes = batch_row_bytes(batch, caches[i]);
      mirror_download_part(&batch->buffers[caches[i]], device, place * bytes, rows * bytes);
    }
  }
}

void batch_download_step(struct batch_memory *batch, struct device *device, const struct step *step) {
  const struct piece *pieces = pieces_of(batch, step);
  mirror_download(&batch->buffers[BUFFER_O], device, step->tokens * batch_row_bytes(batch, BUFFER_O));
  if (batch->listing.index_heads > 0)
    mirror_download(&batch->buffers[BUFFER_SELECTED], device, step->tokens * batch_row_bytes(batch, BUFFER_SELECTED));
  for (uint32_t p = 0; p < step->pieces; p++) {
    const struct piece entries = batch_entry_piece(batch, &pieces[p]);
    download_piece(batch, device, &pieces[p], false);
    download_piece(batch, device, &entries, true);
  }
}
