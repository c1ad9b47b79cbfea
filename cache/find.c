/* Finds entries. */
#include "cache/store_internal.h"

#include "cache/file.h"
#include "cache/paths.h"
#include "cache/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  TOUCH_AFTER_SECONDS = 3600, /* how exact eviction's idea of last use is */
  TOOLCHAINS_TRIED = 8        /* per key and layer */
};

static char *entry_path(const cache_layer *layer, const char *subdirectory, const char *name) {
  size_t size =
      strlen(layer->root) + sizeof "/" CACHE_FORMAT_DIRECTORY "/" + strlen(subdirectory) + 1 + strlen(name);
  char *path = malloc(size);
  if (path != NULL)
    snprintf(path, size, "%s/" CACHE_FORMAT_DIRECTORY "/%s/%s", layer->root, subdirectory, name);
  return path;
}

/* One look for one key in one subdirectory of one layer. */
struct search {
  cache_store *store;
  const cache_layer *layer;
  const cache_key *key;
  char subdirectory[CACHE_SUBDIRECTORY_SIZE];
  int directory;
  cache_found *found;
  cache_reason *reason;
};

static void drop_damaged(const struct search *search, const char *name) {
  atomic_fetch_add(&search->store->damaged, 1);
  if (search->layer->writable)
    search->store->io.unlink_at(search->store->io.context, search->directory, name);
  cache_refuse(search->reason, "%s: %s is damaged", search->layer->root, name);
}

static void touch(const struct search *search, const char *name, int64_t modified) {
  const cache_io *io = &search->store->io;
  if (search->layer->writable && io->wall_seconds(io->context) - modified > TOUCH_AFTER_SECONDS)
    io->touch_at(io->context, search->directory, name);
}

/* Are the bytes the entry that the file name promises? */
static bool is_entry_of_name(const struct search *search, const char *name) {
  cache_found *found = search->found;
  if (!cache_verify(found->bytes, found->size, search->key, &found->entry, search->reason))
    return false;
  char expected[CACHE_FILE_NAME_SIZE];
  cache_file_name(&found->entry.key, found->entry.toolchain, expected);
  return strcmp(name, expected) == 0 || cache_refuse(search->reason, "entry belongs to another toolchain");
}

static bool find_file(const struct search *search, const char *name) {
  cache_found *found = search->found;
  cache_file file = {0};
  cache_file_result result = cache_file_read(search->layer, search->directory, name, &file, search->reason);
  *found = (cache_found){
      .bytes = file.bytes,
      .size = file.size,
      .layer = (size_t)(search->layer - search->store->layers),
  };
  if (result == CACHE_FILE_READ && !is_entry_of_name(search, name))
    result = CACHE_FILE_DAMAGED;
  if (result == CACHE_FILE_DAMAGED)
    drop_damaged(search, name);
  if (result == CACHE_FILE_READ) {
    touch(search, name, file.modified);
    found->path = entry_path(search->layer, search->subdirectory, name);
    if (found->path != NULL)
      return true;
    cache_refuse(search->reason, "no memory for a path");
  }
  cache_found_free(found);
  return false;
}

/* The entries of one key, newest toolchain first. */
struct toolchains {
  const cache_key *key;
  char names[TOOLCHAINS_TRIED][CACHE_FILE_NAME_SIZE];
  size_t count;
};

/* Orders by version, so that nv13.10 is newer than nv13.9. */
static void visit_toolchain(void *visitor, const char *name) {
  struct toolchains *list = visitor;
  if (!cache_is_file_name_of(name, list->key))
    return;
  size_t at = list->count;
  while (at > 0 && strverscmp(list->names[at - 1], name) < 0)
    at--;
  if (at == TOOLCHAINS_TRIED)
    return;
  if (list->count < TOOLCHAINS_TRIED)
    list->count++;
  memmove(list->names + at + 1, list->names + at, (list->count - at - 1) * sizeof *list->names);
  snprintf(list->names[at], sizeof list->names[at], "%s", name);
}

static bool find_newest(const struct search *search) {
  const cache_io *io = &search->store->io;
  struct toolchains list = {.key = search->key};
  if (io->list(io->context, search->directory, visit_toolchain, &list) != 0)
    cache_refuse(search->reason, "%s: cannot list %s: %m", search->layer->root, search->subdirectory);
  for (size_t i = 0; i < list.count; i++)
    if (find_file(search, list.names[i]))
      return true;
  return false;
}

static bool find_toolchain(const struct search *search, const char *toolchain) {
  char name[CACHE_FILE_NAME_SIZE];
  cache_file_name(search->key, toolchain, name);
  return find_file(search, name);
}

static bool find_in_layer(struct search *search, const char *toolchain) {
  const cache_layer *layer = search->layer;
  if (layer->entries < 0)
    return false;
  search->directory =
      cache_layer_open_below(layer, layer->entries, search->subdirectory, false, search->reason);
  if (search->directory < 0)
    return false;
  bool is_found = toolchain != NULL ? find_toolchain(search, toolchain) : find_newest(search);
  layer->io->close(layer->io->context, search->directory);
  return is_found;
}

bool cache_store_find(cache_store *store, const cache_key *key, const char *toolchain, cache_found *found,
                      cache_reason *reason) {
  cache_reason_clear(reason);
  struct search search = {.store = store, .key = key, .found = found, .reason = reason};
  cache_subdirectory_name(key, search.subdirectory);
  bool is_found = false;
  for (size_t i = 0; i < store->layer_count && !is_found; i++) {
    search.layer = &store->layers[i];
    is_found = find_in_layer(&search, toolchain);
  }
  atomic_fetch_add(is_found ? &store->hits : &store->misses, 1);
  return is_found;
}

void cache_found_free(cache_found *found) {
  free(found->bytes);
  free(found->path);
  *found = (cache_found){0};
}
