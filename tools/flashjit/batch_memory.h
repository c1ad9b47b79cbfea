/*
 * The tensors of one kind of layer for the steps of a schedule, on host and device: a paged cache with room for the
 * requests that run at once, lengths, queries, new keys and values.
 */
#ifndef TOOLS_FLASHJIT_BATCH_MEMORY_H
#define TOOLS_FLASHJIT_BATCH_MEMORY_H

#include "tools/common/mirror.h"
#include "tools/common/random.h"
#include "tools/flashjit/images.h"
#include "tools/flashjit/listing.h"
#include "tools/flashjit/page_pool.h"
#include "tools/flashjit/schedule.h"

enum buffer {
  BUFFER_Q,
  BUFFER_O,
  BUFFER_K_NEW,
  BUFFER_V_NEW,
  BUFFER_K_CACHE,
  BUFFER_V_CACHE,
  BUFFER_K_SCALE,
  BUFFER_V_SCALE,
  BUFFER_SINKS,
  BUFFER_BIAS, /* slopes, or logits of query tokens */
  BUFFER_Q_INDPTR,
  BUFFER_KV_LEN,
  BUFFER_PAGE_TABLE,
  BUFFER_RANGES,
  BUFFER_RANGE_INDPTR,
  BUFFER_POSITIONS,
  BUFFER_SELECTED,
  BUFFER_SELECTED_LEN,
  BUFFER_INDEX_Q, /* of an indexer */
  BUFFER_INDEX_WEIGHTS,
  BUFFER_INDEX_NEW,
  BUFFER_INDEX_CACHE,
  BUFFER_INDEX_LEN,
  BUFFER_INDEX_TABLE,
  BUFFER_ENTRY_NEW, /* of compressed entries */
  BUFFER_ENTRY_WIDE_NEW,
  BUFFER_ENTRY_CACHE,
  BUFFER_ENTRY_WIDE,
  BUFFER_ENTRY_SCALE,
  BUFFER_ENTRY_TABLE,
  BUFFER_ENTRY_INDPTR,
  BUFFER_ENTRY_LEN,
  BUFFER_ENTRY_SLOTS,
  BUFFER_ENTRY_POSITIONS,
  BUFFERS
};

/* Compressed entries: the second KV, in numbers. */
struct entries {
  uint32_t most;      /* of a request, at least 1; 0: there are none */
  uint32_t row_pages; /* of its row of the page table */
  size_t cache_rows;
  uint32_t step_rows; /* that a step appends at most */
  size_t input_rows;
  size_t used_rows;
  size_t input_begin;
  uint32_t count; /* that this step appends */
  struct page_pool pool;
};

struct batch_memory {
  fi_spec spec; /* of attention: types, dims, group and page size */
  uint32_t kv_heads;
  const struct schedule *schedule;
  struct images images;   /* for spec.ranges and spec.rope_axes */
  struct listing listing; /* for spec.select */
  uint32_t rel_extent;    /* for FI_BIAS_TOKEN_DISTANCE: distances */
  uint32_t slot_tokens;   /* without pages, of the cache of one slot */
  size_t cache_tokens;    /* that the whole cache has room for */
  struct entries entries;
  struct page_pool pool;
  int32_t *shown_pages; /* the page table as the device has it: pages that nobody sees are -1 there */
  uint32_t *lengths;    /* [slots] of the KV */
  bool *is_done;        /* [slots] the request has had its last token */
  size_t input_rows;    /* of Q and of the new K and V: steps take them from different places */
  size_t used_rows;     /* by the steps so far */
  size_t input_begin;   /* the first row of this step */
  uint32_t step_tokens; /* of this step */
  struct mirror buffers[BUFFERS];
};

/*
 * False with device->error; with NULL for the device, all is on the host alone. The cache and O hold POISON, and the
 * pages are dealt in random order. Q has about the deviation that is given, K, V and logits of query tokens for so many
 * distances have 1. The listing is read where the spec has lists.
 */
bool batch_create(struct batch_memory *batch, struct device *device, const fi_spec *spec, uint32_t kv_heads,
                  double q_deviation, uint32_t rel_extent, const struct listing *listing,
                  const struct schedule *schedule, random_state *random);
void batch_free(struct batch_memory *batch, struct device *device);

/* Pages that so many tokens of a request fill; and the lengths of requests after a step, of 0 when they are done. */
uint32_t batch_pages_of(const struct batch_memory *batch, uint32_t tokens);
void batch_set_lengths(struct batch_memory *batch, const struct step *step);

/* Lengths, pages, inputs and a poisoned O for a step. Of the pages the device has those alone that a query sees. */
void batch_begin_step(struct batch_memory *batch, struct device *device, const struct step *step);

/* Brings what the step has written to the host: O, lists that an indexer made, and the step's rows of the caches. */
void batch_download_step(struct batch_memory *batch, struct device *device, const struct step *step);

size_t batch_query_heads(const struct batch_memory *batch);

/* Bytes of a row of all heads of a tensor; 0 of what has no heads. */
size_t batch_row_bytes(const struct batch_memory *batch, enum buffer buffer);

/* Whether there is a scale for each token and head of the cache. */
bool batch_has_token_scales(const struct batch_memory *batch);

/*
 * The caches that a step writes to: a row for each token, or for each compressed entry. Writes their buffers, and
 * returns how many.
 */
uint32_t batch_caches(const struct batch_memory *batch, bool of_entries, enum buffer caches[BUFFERS]);

/* Of the tokens of a piece, the entries that it completes, in place of tokens. */
struct piece batch_entry_piece(const struct batch_memory *batch, const struct piece *piece);

/* The row of a cache that a token, or entry, of a slot has, and how many of *tokens from there on lie side by side. */
size_t batch_cache_place(const struct batch_memory *batch, uint32_t slot, uint32_t token, uint32_t *tokens);
size_t batch_entry_place(const struct batch_memory *batch, uint32_t slot, uint32_t entry, uint32_t *entries);

/* How many compressed entries so many tokens make. */
uint32_t batch_entries_of(const struct batch_memory *batch, uint32_t tokens);

/* The most pages that what requests of a step have fills, a row for so many tokens each. */
size_t batch_most_pages(struct batch_memory *batch, uint32_t ratio, uint32_t page_size);

/* Bytes of one cache, and of all device memory of the batch. */
size_t batch_cache_bytes(const struct batch_memory *batch);
size_t batch_bytes(const struct batch_memory *batch);

/* What the API takes, with the device's pointers or the host's. */
fi_batch batch_lengths(const struct batch_memory *batch, bool on_host);
fi_tensors batch_tensors(const struct batch_memory *batch, bool on_host);
void *batch_pointer(const struct batch_memory *batch, enum buffer buffer, bool on_host);

/* The same of the append of entries, whose KV these are; and of the indexer and the append of its keys. */
fi_batch batch_entry_lengths(const struct batch_memory *batch, bool on_host);
fi_tensors batch_entry_tensors(const struct batch_memory *batch, bool on_host);
fi_batch batch_index_lengths(const struct batch_memory *batch, bool on_host);
fi_tensors batch_index_tensors(const struct batch_memory *batch, bool on_host);

#endif
