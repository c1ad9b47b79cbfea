/* What the files that make up the store share. */
#ifndef FLASHJIT_CACHE_STORE_INTERNAL_H
#define FLASHJIT_CACHE_STORE_INTERNAL_H

#include "cache/layer.h"
#include "cache/store.h"

#include <stdatomic.h>

struct cache_store {
  struct cache_io io;
  struct cache_layer *layers;
  size_t layer_count;
  int lock_directory; /* -1: no locks */
  uint64_t budget;
  bool sync;
  atomic_bool writing_stopped;
  atomic_uint_fast64_t hits;
  atomic_uint_fast64_t misses;
  atomic_uint_fast64_t damaged;
  atomic_uint_fast64_t published;
  atomic_uint_fast64_t publish_failures;
  atomic_uint_fast64_t evicted;
};

/* The user's own layer, or NULL. */
const struct cache_layer *cache_store_writable_layer(const struct cache_store *store);

/* Takes one byte of the lock file if it is free. */
enum cache_lock_result cache_lock_try(struct cache_store *store, uint64_t offset, struct cache_lock *lock,
                                      struct cache_reason *reason);

/* Lock file offsets from here on are not those of keys. */
#define CACHE_LOCK_KEYS ((uint64_t)1 << 62)

/* Brings one subdirectory of the writable layer under its share of the budget, and removes temporary files
 * that their writers left behind. Keeps the file `kept`. */
void cache_evict(struct cache_store *store, const struct cache_layer *layer, int directory, unsigned subdirectory,
                 const char *kept);

#endif
