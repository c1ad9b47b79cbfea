/* The store: bundles and directories of compiled kernels, found by key.
 *
 * Bundles come first, then read-only directories (a system package, a container image), both in the order given, then
 * the user's own directory, the only one that is written. Any layer may be missing or refused; a store without layers
 * always misses.
 *
 * No failure here is an error of the program. A find that fails is a miss, a publish that fails leaves the
 * caller with the bytes it already has, and without a lock it compiles. Each call tells in `reason` what went
 * wrong, for the event log; an empty reason is the plain outcome.
 *
 * A store may be used by any number of threads, its directories by any number of processes. */
#ifndef FLASHJIT_CACHE_STORE_H
#define FLASHJIT_CACHE_STORE_H

#include "cache/bundle.h"
#include "cache/entry.h"
#include "cache/io.h"

#define CACHE_BUDGET_DEFAULT ((uint64_t)1 << 30)

struct cache_store;

/* Strings may be NULL for none, and are copied. */
struct cache_config {
  const char *bundles;               /* FLASHJIT_BUNDLES: files separated by colons */
  const void *bundle;                /* one more, in memory, which is searched before them; borrowed */
  size_t bundle_size;                /* its bytes */
  const struct cache_signer *signer; /* whose bundles alone are opened */
  const char *read_only;             /* FLASHJIT_CACHE_RO: directories separated by colons */
  const char *user;                  /* see cache_user_directory; made when it does not exist. NULL: memory only */
  const char *lock_directory; /* FLASHJIT_LOCK_DIR: node-local, for a user directory on a network; else the latter */
  uint64_t budget;            /* bytes in the user directory, approximately; 0 is CACHE_BUDGET_DEFAULT */
  bool sync;                  /* FLASHJIT_CACHE_SYNC: force each entry to the disk */
  bool shared;                /* FLASHJIT_CACHE_SHARED: others may read what is written */
};

struct cache_counters {
  uint64_t hits;
  uint64_t misses;
  uint64_t damaged; /* files that were not what they should be */
  uint64_t published;
  uint64_t publish_failures;
  uint64_t evicted;
};

/* Returns NULL only when memory runs out. `io` is copied. */
struct cache_store *cache_store_open(const struct cache_config *config, const struct cache_io *io,
                                     struct cache_reason *reason);
void cache_store_close(struct cache_store *store);
struct cache_counters cache_store_counters(const struct cache_store *store);
/* Whether there is a user directory and it could be opened: without it nothing is ever published. */
bool cache_store_has_user_directory(const struct cache_store *store);

enum cache_origin { CACHE_FROM_BUNDLE, CACHE_FROM_READ_ONLY, CACHE_FROM_USER, CACHE_FROM_HTTP };

/* As a position: what was found elsewhere, see http.h, comes after all of them. */
#define CACHE_AFTER_LAYERS (SIZE_MAX / 2)

struct cache_found {
  struct cache_entry entry; /* points into bytes */
  unsigned char *bytes;     /* the verified entry */
  size_t size;
  char *path;
  size_t layer; /* position among the bundles and directories, in the order of the search */
  enum cache_origin origin;
};

/* The entries of a key have an order: first those of `toolchain`, layer by layer, then those of all others,
 * layer by layer and within a layer newest first. With NULL all are others. Damaged files are passed over; those of the
 * user directory are deleted.
 *
 * Finds the first. */
bool cache_store_find(struct cache_store *store, const struct cache_key *key, const char *toolchain,
                      struct cache_found *found, struct cache_reason *reason);
/* Goes on from `found`, which has turned out to be of no use, and frees it. `toolchain` is what it was for
 * cache_store_find. */
bool cache_store_find_next(struct cache_store *store, const char *toolchain, struct cache_found *found,
                           struct cache_reason *reason);
/* Finds the first of `toolchain`; entries of others are a miss. */
bool cache_store_find_own(struct cache_store *store, const struct cache_key *key, const char *toolchain,
                          struct cache_found *found, struct cache_reason *reason);
void cache_found_free(struct cache_found *found);

/* Verifies and encodes the entry and writes it to the user directory, then evicts what is over the budget. Do
 * not find what was published: the bytes at hand are as good, and cannot be damaged. After an error that will
 * not pass (the disk is full or read-only) the store writes no more; only the first such failure has a
 * reason. */
bool cache_store_publish(struct cache_store *store, const struct cache_entry *entry, struct cache_reason *reason);

enum cache_lock_result {
  CACHE_LOCK_HELD,
  CACHE_LOCK_BUSY,       /* another process still has it */
  CACHE_LOCK_UNAVAILABLE /* no lock file, or a file system without locks */
};

struct cache_lock {
  int file; /* -1: not held */
  uint64_t offset;
};

/* Keeps other processes and threads from compiling the same kernel at the same time: lock, find again,
 * compile, publish, unlock. Waits at most `wait_ms`. It only saves work. Whatever the result, the caller goes
 * on, and calls cache_store_unlock in the end. */
enum cache_lock_result cache_store_lock(struct cache_store *store, const struct cache_key *key, uint32_t wait_ms,
                                        struct cache_lock *lock, struct cache_reason *reason);
void cache_store_unlock(struct cache_store *store, struct cache_lock *lock);

#endif
