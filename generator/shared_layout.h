/* The dynamic shared memory of a kernel: regions one after the other, each with a name that templates read. */
#ifndef GENERATOR_SHARED_LAYOUT_H
#define GENERATOR_SHARED_LAYOUT_H

#include "tile.h"

struct region {
  const char *name; /* "shared_query": its byte offset is kSharedQuery */
  uint32_t align;
  uint32_t bytes; /* 0: it begins where the next one does */
  const char *meaning;
};

/* The bytes that the regions take. */
uint32_t shared_layout_bytes(const struct region *regions, size_t count);

/* Gives the tile the regions' offsets, and all their bytes. */
void shared_layout_add(const struct region *regions, size_t count, struct tile *tile);

#endif
