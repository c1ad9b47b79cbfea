/*
 * What one of several devices has of a layer whose tokens are divided: page i of a request is on device i % count.
 * Queries and new tokens are on all devices, K and V of a token on one. A device sees its pages as a request of its
 * own, which is shorter.
 */
#ifndef TOOLS_FLASHJIT_CONTEXT_PART_H
#define TOOLS_FLASHJIT_CONTEXT_PART_H

#include "tools/flashjit/layer_state.h"

enum context_buffer {
  CONTEXT_Q,
  CONTEXT_K_NEW,
  CONTEXT_V_NEW,
  CONTEXT_K_CACHE,
  CONTEXT_V_CACHE,
  CONTEXT_K_SCALE,
  CONTEXT_V_SCALE,
  CONTEXT_SINKS,
  CONTEXT_Q_INDPTR,
  CONTEXT_KV_LEN,
  CONTEXT_KV_START,
  CONTEXT_PAGE_TABLE,
  CONTEXT_SLOTS,
  CONTEXT_POSITIONS,
  CONTEXT_MASK_OFFSETS,
  CONTEXT_MASK_BITS,
  CONTEXT_PART_O, /* of this device's tokens */
  CONTEXT_PART_LSE,
  CONTEXT_PARTS_O, /* [devices] of them */
  CONTEXT_PARTS_LSE,
  CONTEXT_O, /* merged */
  CONTEXT_BUFFERS
};

struct context_part {
  struct device *device;
  struct share share;
  void *stream;
  const struct layer_run *whole; /* in host memory */
  struct mirror buffers[CONTEXT_BUFFERS];
  struct mirror rope_table;
  fi_workspace workspace;
  uint32_t request_pages; /* the most of a request here */
  uint32_t cache_pages;
  uint32_t *held; /* [slots] pages of a request */
  int32_t *free_pages;
  uint32_t free_count;
};

/* Makes device, share and whole into more of it; the device is current. False after a complaint. */
bool context_part_create(struct context_part *part);
void context_part_free(struct context_part *part);

/* Of so many tokens of a request, those that are on this device. */
uint32_t context_local_tokens(const struct context_part *part, uint32_t tokens);

/* Lengths, pages, masks and poisoned results for a step, after the whole's. */
void context_begin_step(struct context_part *part, const struct step *step);

/* Brings the step's tokens of the cache to the whole's host memory. */
void context_give_tokens(struct context_part *part, const struct step *step);

/* What the kernels take: lengths for attention, tensors for append and attention. */
fi_batch context_lengths(const struct context_part *part);
fi_tensors context_tensors(const struct context_part *part, const struct step *step);

#endif
