/* The tensors of one kind of layer for a batch, on host and device: paged cache, lengths, queries, new keys
 * and values. */
#ifndef TOOLS_FLASHJIT_BATCH_MEMORY_H
#define TOOLS_FLASHJIT_BATCH_MEMORY_H

#include "tools/common/mirror.h"
#include "tools/common/random.h"
#include "tools/flashjit/phases.h"

enum buffer {
  BUFFER_Q,
  BUFFER_O,
  BUFFER_K_NEW,
  BUFFER_V_NEW,
  BUFFER_K_CACHE,
  BUFFER_V_CACHE,
  BUFFER_K_SCALE,
  BUFFER_V_SCALE,
  BUFFER_Q_INDPTR,
  BUFFER_KV_LEN,
  BUFFER_PAGE_TABLE,
  BUFFERS
};

struct batch_memory {
  fi_spec spec; /* of attention: types, head dim, group and page size */
  uint32_t kv_heads;
  uint32_t requests;
  uint32_t max_tokens; /* query tokens of the largest phase */
  uint32_t max_kv_len;
  uint32_t request_slots; /* tokens of the cache that a request's pages have room for; without pages, its stride */
  size_t slots;           /* of the whole cache */
  struct marks *marks;    /* [requests] */
  struct mirror buffers[BUFFERS];
};

/* False with device->error. The cache and O hold POISON, and the pages are in random order. */
bool batch_create(struct batch_memory *batch, struct device *device, const fi_spec *spec, uint32_t kv_heads,
                  const struct trace *trace, random_state *random);
void batch_free(struct batch_memory *batch, struct device *device);

/* Lengths, random inputs and a poisoned O for a phase; returns its query tokens. */
uint32_t batch_begin_phase(struct batch_memory *batch, struct device *device, int phase, random_state *random);

/* What the API takes, with the device's pointers or the host's. */
fi_batch batch_lengths(const struct batch_memory *batch, bool on_host);
fi_tensors batch_tensors(const struct batch_memory *batch, bool on_host);

#endif
