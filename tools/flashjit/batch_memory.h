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
  BUFFER_SLOPES,
  BUFFER_Q_INDPTR,
  BUFFER_KV_LEN,
  BUFFER_PAGE_TABLE,
  BUFFER_RANGES,
  BUFFER_RANGE_INDPTR,
  BUFFER_POSITIONS,
  BUFFER_SELECTED,
  BUFFER_SELECTED_LEN,
  BUFFERS
};

struct batch_memory {
  fi_spec spec; /* of attention: types, dims, group and page size */
  uint32_t kv_heads;
  const struct schedule *schedule;
  struct images images;   /* for spec.ranges and spec.rope_axes */
  struct listing listing; /* for spec.select */
  uint32_t slot_tokens;   /* without pages, of the cache of one slot */
  size_t cache_tokens;    /* that the whole cache has room for */
  int32_t *free_pages;    /* a stack, in random order */
  uint32_t free_count;
  int32_t *shown_pages; /* the page table as the device has it: pages that nobody sees are -1 there */
  uint32_t *lengths;    /* [slots] of the KV */
  bool *is_done;        /* [slots] the request has had its last token */
  size_t input_rows;    /* of Q and of the new K and V: steps take them from different places */
  size_t used_rows;     /* by the steps so far */
  size_t input_begin;   /* the first row of this step */
  struct mirror buffers[BUFFERS];
};

/*
 * False with device->error; with NULL for the device, all is on the host alone. The cache and O hold POISON, and the
 * pages are dealt in random order. Q has about the deviation that is given, K and V have 1. The listing is read where
 * the spec has lists.
 */
bool batch_create(struct batch_memory *batch, struct device *device, const fi_spec *spec, uint32_t kv_heads,
                  double q_deviation, const struct listing *listing, const struct schedule *schedule,
                  random_state *random);
void batch_free(struct batch_memory *batch, struct device *device);

/* Lengths, pages, inputs and a poisoned O for a step. Of the pages the device has those alone that a query sees. */
void batch_begin_step(struct batch_memory *batch, struct device *device, const struct step *step);

/* Brings what the step has written to the host: O, and the step's tokens of the cache. */
void batch_download_step(struct batch_memory *batch, struct device *device, const struct step *step);

/* Bytes of a row of all heads of a tensor; 0 of what has no heads. */
size_t batch_row_bytes(const struct batch_memory *batch, enum buffer buffer);

/* Whether there is a scale for each token and head of the cache. */
bool batch_has_token_scales(const struct batch_memory *batch);

/* The row of the cache that a token of a slot has, and how many of *tokens from there on lie side by side. */
size_t batch_cache_place(const struct batch_memory *batch, uint32_t slot, uint32_t token, uint32_t *tokens);

/* Bytes of one cache, and of all device memory of the batch. */
size_t batch_cache_bytes(const struct batch_memory *batch);
size_t batch_bytes(const struct batch_memory *batch);

/* What the API takes, with the device's pointers or the host's. */
fi_batch batch_lengths(const struct batch_memory *batch, bool on_host);
fi_tensors batch_tensors(const struct batch_memory *batch, bool on_host);

#endif
