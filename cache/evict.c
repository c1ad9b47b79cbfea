/* Keeps the user directory near its budget without an index: whoever publishes into a subdirectory counts it,
 * and when it is over its share, deletes what was used longest ago. Modification time is the time of last
 * use, as exact as find.c keeps it. */
#include "cache/store_internal.h"

#include "cache/paths.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT_PERCENT = 80, TEMPORARY_LIFE_SECONDS = 24 * 3600, CLOCK_SKEW_SECONDS = 3600 };

struct candidate {
  char name[CACHE_FILE_NAME_SIZE];
  struct timespec used;
  uint64_t size;
};

struct scan {
  struct cache_store *store;
  int directory;
  const char *kept;
  struct candidate *candidates;
  size_t count;
  size_t capacity;
  uint64_t total; /* bytes of all entries, the kept one too */
};

static bool grow(struct scan *scan) {
  if (scan->count < scan->capacity)
    return true;
  size_t capacity = scan->capacity == 0 ? 64 : scan->capacity * 2;
  struct candidate *candidates = realloc(scan->candidates, capacity * sizeof *candidates);
  if (!candidates)
    return false;
  scan->candidates = candidates;
  scan->capacity = capacity;
  return true;
}

/* Of machines that share a directory one may be ahead. An hour that is farther in the future was written before a clock
 * was put back and says nothing: such an entry was last used when nobody knows. */
static struct timespec use_of(const struct scan *scan, const struct stat *status) {
  const struct cache_io *io = &scan->store->io;
  const bool is_future = (int64_t)status->st_mtime - CLOCK_SKEW_SECONDS > io->wall_seconds(io->context);
  return is_future ? (struct timespec){0} : status->st_mtim;
}

static void add_entry(struct scan *scan, const char *name, const struct stat *status) {
  uint64_t size = (uint64_t)status->st_size;
  scan->total += size;
  if (strcmp(name, scan->kept) == 0 || !grow(scan))
    return;
  struct candidate *candidate = &scan->candidates[scan->count++];
  candidate->used = use_of(scan, status);
  candidate->size = size;
  memcpy(candidate->name, name, strlen(name) + 1);
}

static void visit_member(void *visitor, const char *name) {
  struct scan *scan = visitor;
  const struct cache_io *io = &scan->store->io;
  bool is_entry = cache_is_file_name(name);
  bool is_temporary = cache_is_temporary_name(name);
  struct stat status;
  if ((!is_entry && !is_temporary) || io->status_at(io->context, scan->directory, name, &status) != 0)
    return;
  if (is_entry)
    add_entry(scan, name, &status);
  else if (llabs(io->wall_seconds(io->context) - (int64_t)status.st_mtime) > TEMPORARY_LIFE_SECONDS)
    io->unlink_at(io->context, scan->directory, name);
}

static int compare_use(const void *left, const void *right) {
  const struct timespec *a = &((const struct candidate *)left)->used;
  const struct timespec *b = &((const struct candidate *)right)->used;
  if (a->tv_sec != b->tv_sec)
    return a->tv_sec < b->tv_sec ? -1 : 1;
  return a->tv_nsec < b->tv_nsec ? -1 : a->tv_nsec > b->tv_nsec;
}

static void delete_oldest(struct scan *scan, uint64_t share) {
  const struct cache_io *io = &scan->store->io;
  uint64_t goal = share * KEPT_PERCENT / 100;
  qsort(scan->candidates, scan->count, sizeof *scan->candidates, compare_use);
  for (size_t i = 0; i < scan->count && scan->total > goal; i++) {
    if (io->unlink_at(io->context, scan->directory, scan->candidates[i].name) != 0)
      continue;
    scan->total -= scan->candidates[i].size;
    atomic_fetch_add(&scan->store->evicted, 1);
  }
}

void cache_evict(struct cache_store *store, const struct cache_layer *layer, int directory, unsigned subdirectory,
                 const char *kept) {
  struct cache_lock lock;
  struct cache_reason unused;
  cache_reason_clear(&unused);
  if (cache_lock_try(store, CACHE_LOCK_KEYS + subdirectory, &lock, &unused) == CACHE_LOCK_BUSY)
    return;
  uint64_t share = store->budget / CACHE_SUBDIRECTORIES;
  struct scan scan = {.store = store, .directory = directory, .kept = kept};
  if (layer->io->list(layer->io->context, directory, visit_member, &scan) == 0 && scan.count > 0 && scan.total > share)
    delete_oldest(&scan, share);
  free(scan.candidates);
  cache_store_unlock(store, &lock);
}
