/* What each layer of a store has, for programs that look after it. Not part of the library. */
#ifndef FLASHJIT_CACHE_CONTENTS_H
#define FLASHJIT_CACHE_CONTENTS_H

#include "cache/entry.h"
#include "cache/store.h"

struct cache_contents {
  const char *path; /* of the bundle or directory, for messages */
  bool is_bundle;
  bool is_users;
  bool is_open;  /* else nothing of it is used */
  bool is_whole; /* nothing of it is not to be read, or not to be trusted */
  uint64_t kernels;
  uint64_t damaged;
  struct cache_reason reason; /* of what is damaged, and why it is not whole */
};

typedef void cache_contents_visit(void *visitor, const struct cache_entry *entry);

/* Goes through layer `number` in the order of the search, and calls `visit`, which may be NULL, for each kernel. False
 * when there are no more layers. */
bool cache_contents(const struct cache_store *store, size_t number, cache_contents_visit *visit, void *visitor,
                    struct cache_contents *contents);

#endif
