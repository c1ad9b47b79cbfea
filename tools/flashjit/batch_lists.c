/*
 * An indexer of tokens reads keys in the pages of KV. To one of compressed entries each query token is a request of its
 * own, since what it sees of them ends with the entries whose tokens are all in front of it.
 */
#include "tools/flashjit/batch_lists.h"

#include "tests/dtypes.h"

#include <string.h>

static bool is_of_entries(const struct batch_memory *batch) {
  return batch->listing.ratio > 0;
}

size_t batch_lists_bytes(const struct batch_memory *batch, enum buffer buffer) {
  const struct listing *listing = &batch->listing;
  const size_t row = batch_row_bytes(batch, buffer);
  const size_t requests = listing->index_heads > 0 && is_of_entries(batch) ? batch->schedule->max_tokens : 0;
  switch (buffer) {
  case BUFFER_SELECTED:
    return batch->schedule->max_tokens * row;
  case BUFFER_SELECTED_LEN:
    return listing->entries > 0 ? batch->schedule->max_tokens * sizeof(int32_t) : 0;
  case BUFFER_INDEX_Q:
  case BUFFER_INDEX_WEIGHTS:
    return batch->input_rows * row;
  case BUFFER_INDEX_NEW:
    return (is_of_entries(batch) ? batch->entries.input_rows : batch->input_rows) * row;
  case BUFFER_INDEX_CACHE:
    return (is_of_entries(batch) ? batch->entries.cache_rows : batch->cache_tokens) * row;
  case BUFFER_INDEX_LEN:
    return requests * sizeof(int32_t);
  default: /* the page table */
    return requests * batch->entries.row_pages * sizeof(int32_t);
  }
}

void batch_lists_fill(struct batch_memory *batch, struct device *device, random_state *random) {
  const struct mirror *weights = &batch->buffers[BUFFER_INDEX_WEIGHTS];
  listing_weights(random, weights->host, weights->bytes / sizeof(float));
  mirror_upload(weights, device, weights->bytes);
}

/* ------------------------------------------------------------------------------------------------ a step */

/* Of a query token at a place. */
static void write_token(struct batch_memory *batch, const struct piece *piece, uint32_t row, uint32_t place) {
  const struct listing *listing = &batch->listing;
  int32_t *list = (int32_t *)batch->buffers[BUFFER_SELECTED].host + (size_t)row * listing->heads * listing->entries;
  ((int32_t *)batch->buffers[BUFFER_SELECTED_LEN].host)[row] = (int32_t)listing_length(listing, place);
  for (uint32_t head = 0; head < listing->heads && listing->index_heads == 0; head++, list += listing->entries)
    listing_draw(listing, piece->request, place, head, list);
}

/* The request that it is to an indexer of entries. */
static void write_request(struct batch_memory *batch, const struct piece *piece, uint32_t row, uint32_t place) {
  const size_t pages = batch->entries.row_pages;
  const int32_t *table = batch->buffers[BUFFER_ENTRY_TABLE].host;
  int32_t *own = batch->buffers[BUFFER_INDEX_TABLE].host;
  ((int32_t *)batch->buffers[BUFFER_INDEX_LEN].host)[row] = (int32_t)listing_blocks(&batch->listing, place);
  memcpy(own + row * pages, table + piece->slot * pages, pages * sizeof *own);
}

void batch_lists_begin_step(struct batch_memory *batch, struct device *device, const struct step *step) {
  const struct mirror *lists = &batch->buffers[BUFFER_SELECTED];
  const size_t lists_bytes = step->tokens * batch_row_bytes(batch, BUFFER_SELECTED);
  const bool has_requests = batch->buffers[BUFFER_INDEX_LEN].bytes > 0;
  if (batch->listing.entries == 0)
    return;
  for (uint32_t p = 0; p < step->pieces; p++) {
    const struct piece *piece = &batch->schedule->pieces[step->first + p];
    uint32_t row = (uint32_t)((int32_t *)batch->buffers[BUFFER_Q_INDPTR].host)[piece->slot];
    for (uint32_t place = piece->begin; place < piece->end; place++, row++) {
      write_token(batch, piece, row, place);
      if (has_requests)
        write_request(batch, piece, row, place);
    }
  }
  if (batch->listing.index_heads > 0)
    memset(lists->host, POISON, lists_bytes);
  mirror_upload(lists, device, lists_bytes);
  mirror_upload(&batch->buffers[BUFFER_SELECTED_LEN], device, step->tokens * sizeof(int32_t));
  if (!has_requests)
    return;
  mirror_upload(&batch->buffers[BUFFER_INDEX_LEN], device, step->tokens * sizeof(int32_t));
  mirror_upload(&batch->buffers[BUFFER_INDEX_TABLE], device, step->tokens * batch->entries.row_pages * sizeof(int32_t));
}

/* ------------------------------------------------------------------------------------------------ structs */

fi_batch batch_index_lengths(const struct batch_memory *batch, bool on_host) {
  if (!is_of_entries(batch))
    return batch_lengths(batch, on_host);
  return (fi_batch){
      .struct_size = sizeof(fi_batch),
      .requests = batch->step_tokens,
      .kv_len = batch_pointer(batch, BUFFER_INDEX_LEN, on_host),
      .page_table = batch_pointer(batch, BUFFER_INDEX_TABLE, on_host),
      .page_table_stride = batch->entries.row_pages,
  };
}

static void *row_at(const struct batch_memory *batch, enum buffer buffer, size_t row, bool on_host) {
  return (char *)batch_pointer(batch, buffer, on_host) + row * batch_row_bytes(batch, buffer);
}

fi_tensors batch_index_tensors(const struct batch_memory *batch, bool on_host) {
  const struct listing *listing = &batch->listing;
  const size_t new_row = is_of_entries(batch) ? batch->entries.input_begin : batch->input_begin;
  fi_tensors tensors = {
      .struct_size = sizeof tensors,
      .q = row_at(batch, BUFFER_INDEX_Q, batch->input_begin, on_host),
      .k.data = batch_pointer(batch, BUFFER_INDEX_CACHE, on_host),
      .k_new.data = row_at(batch, BUFFER_INDEX_NEW, new_row, on_host),
      .weights = row_at(batch, BUFFER_INDEX_WEIGHTS, batch->input_begin, on_host),
      .lists = batch_pointer(batch, BUFFER_SELECTED, on_host),
      .first_blocks = listing->first_blocks,
      .last_blocks = listing->last_blocks,
      .slots = batch_pointer(batch, BUFFER_ENTRY_SLOTS, on_host),
      .tokens = batch->entries.count,
      .heads = 1,
  };
  if (batch->spec.page_size == 0)
    tensors.k.page_stride = (int64_t)batch->slot_tokens * listing->index_dim;
  return tensors;
}
