/* Finds entries, one after the other in the order of store.h. */
#include "cache/store_internal.h"

#include "cache/file.h"
#include "cache/paths.h"
#include "cache/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOUCH_AFTER_SECONDS = 3600 }; /* how exact eviction's idea of last use is */

/* An entry of a bundle has its name, without a directory. */
static char *entry_path(const struct cache_layer *layer, const char *subdirectory, const char *name) {
  size_t size = strlen(layer->root) + sizeof "/" CACHE_FORMAT_DIRECTORY "/" + strlen(subdirectory) + 1 + strlen(name);
  char *path = malloc(size);
  if (path && layer->is_bundle)
    snprintf(path, size, "%s:%s", layer->root, name);
  else if (path)
    snprintf(path, size, "%s/" CACHE_FORMAT_DIRECTORY "/%s/%s", layer->root, subdirectory, name);
  return path;
}

/* A look for one key, in its subdirectory of one layer at a time. */
struct search {
  struct cache_store *store;
  struct cache_key key;
  char subdirectory[CACHE_SUBDIRECTORY_SIZE];
  char wanted[CACHE_FILE_NAME_SIZE]; /* the file of the toolchain that comes first; "": none does */
  char after[CACHE_FILE_NAME_SIZE];  /* of the others in this layer only older ones are left; "": all are */
  const struct cache_layer *layer;
  int directory;
  struct cache_found *found;
  struct cache_reason *reason;
};

static void drop_damaged(const struct search *search, const char *name) {
  atomic_fetch_add(&search->store->damaged, 1);
  if (search->layer->writable)
    search->store->io.unlink_at(search->store->io.context, search->directory, name);
  cache_refuse(search->reason, "%s: %s is damaged", search->layer->root, name);
}

/* Also one of the future, which was written before a clock was put back. */
static void touch(const struct search *search, const char *name, int64_t modified) {
  const struct cache_io *io = &search->store->io;
  if (search->layer->writable && llabs(io->wall_seconds(io->context) - modified) > TOUCH_AFTER_SECONDS)
    io->touch_at(io->context, search->directory, name);
}

/* Are the bytes the entry that the file name promises? */
static bool is_entry_of_name(const struct search *search, const char *name) {
  struct cache_found *found = search->found;
  if (!cache_verify(found->bytes, found->size, &search->key, &found->entry, search->reason))
    return false;
  char expected[CACHE_FILE_NAME_SIZE];
  cache_file_name(&found->entry.key, found->entry.toolchain, expected);
  return strcmp(name, expected) == 0 || cache_refuse(search->reason, "entry belongs to another toolchain");
}

/* -------------------------------------------------------------------------------- bundle or directory */

/* Calls `visit` with the file names of the key's entries in a bundle. */
static void list_rows(const struct search *search, cache_visit *visit, void *visitor) {
  const struct cache_bundle *bundle = &search->layer->bundle;
  for (uint32_t i = cache_bundle_first(bundle, &search->key); i < bundle->rows; i++) {
    const struct cache_bundle_row row = cache_bundle_row(bundle, i);
    char name[CACHE_FILE_NAME_SIZE];
    if (!cache_key_equal(&row.key, &search->key))
      return;
    cache_file_name(&row.key, row.toolchain, name);
    visit(visitor, name);
  }
}

/* Likewise in either; those of other keys, too, in a directory. */
static bool list_names(const struct search *search, cache_visit *visit, void *visitor) {
  const struct cache_io *io = &search->store->io;
  if (search->layer->is_bundle) {
    list_rows(search, visit, visitor);
    return true;
  }
  return io->list(io->context, search->directory, visit, visitor) == 0;
}

static enum cache_file_result read_row(const struct search *search, const char *name, struct cache_file *file) {
  const struct cache_bundle *bundle = &search->layer->bundle;
  for (uint32_t i = cache_bundle_first(bundle, &search->key); i < bundle->rows; i++) {
    const struct cache_bundle_row row = cache_bundle_row(bundle, i);
    char row_name[CACHE_FILE_NAME_SIZE];
    if (!cache_key_equal(&row.key, &search->key))
      return CACHE_FILE_ABSENT;
    cache_file_name(&row.key, row.toolchain, row_name);
    if (strcmp(name, row_name) != 0)
      continue;
    file->bytes = cache_bundle_unpack(&row, search->reason);
    file->size = row.size;
    return file->bytes ? CACHE_FILE_READ : CACHE_FILE_UNREADABLE;
  }
  return CACHE_FILE_ABSENT;
}

static enum cache_file_result read_named(const struct search *search, const char *name, struct cache_file *file) {
  if (search->layer->is_bundle)
    return read_row(search, name, file);
  return cache_file_read(search->layer, search->directory, name, file, search->reason);
}

static enum cache_origin origin_of(const struct cache_layer *layer) {
  if (layer->is_bundle)
    return CACHE_FROM_BUNDLE;
  return layer->writable ? CACHE_FROM_USER : CACHE_FROM_READ_ONLY;
}

/* -------------------------------------------------------------------------------- entries */

static bool find_file(const struct search *search, const char *name) {
  struct cache_found *found = search->found;
  struct cache_file file = {0};
  enum cache_file_result result = read_named(search, name, &file);
  *found = (struct cache_found){
      .bytes = file.bytes,
      .size = file.size,
      .layer = (size_t)(search->layer - search->store->layers),
      .origin = origin_of(search->layer),
  };
  if (result == CACHE_FILE_READ && !is_entry_of_name(search, name))
    result = CACHE_FILE_DAMAGED;
  if (result == CACHE_FILE_DAMAGED)
    drop_damaged(search, name);
  if (result == CACHE_FILE_READ) {
    touch(search, name, file.modified);
    found->path = entry_path(search->layer, search->subdirectory, name);
    if (found->path)
      return true;
    cache_refuse(search->reason, "no memory for a path");
  }
  cache_found_free(found);
  return false;
}

static bool find_wanted(struct search *search) {
  return find_file(search, search->wanted);
}

/* The newest of the toolchains that are left. */
struct newest {
  const struct search *search;
  char name[CACHE_FILE_NAME_SIZE]; /* "": none is left */
};

/* Orders by version, so that nv13.10 is newer than nv13.9. */
static void visit_toolchain(void *visitor, const char *name) {
  struct newest *newest = visitor;
  const struct search *search = newest->search;
  const bool is_left = search->after[0] == '\0' || strverscmp(name, search->after) < 0;
  if (is_left && cache_is_file_name_of(name, &search->key) && strcmp(name, search->wanted) != 0 &&
      strverscmp(name, newest->name) > 0)
    snprintf(newest->name, sizeof newest->name, "%s", name);
}

static bool find_other(struct search *search) {
  for (;;) {
    struct newest newest = {.search = search};
    if (!list_names(search, visit_toolchain, &newest))
      return cache_refuse(search->reason, "%s: cannot list %s: %m", search->layer->root, search->subdirectory);
    if (newest.name[0] == '\0')
      return false;
    if (find_file(search, newest.name))
      return true;
    memcpy(search->after, newest.name, sizeof search->after);
  }
}

static bool look_in_layer(struct search *search, bool (*look)(struct search *search)) {
  const struct cache_layer *layer = search->layer;
  if (layer->is_bundle)
    return look(search);
  if (layer->entries < 0)
    return false;
  search->directory = cache_layer_open_below(layer, layer->entries, search->subdirectory, false, search->reason);
  if (search->directory < 0)
    return false;
  const bool is_found = look(search);
  layer->io->close(layer->io->context, search->directory);
  return is_found;
}

static bool look_from_layer(struct search *search, size_t first, bool (*look)(struct search *search)) {
  for (size_t i = first; i < search->store->layer_count; i++) {
    search->layer = &search->store->layers[i];
    if (look_in_layer(search, look))
      return true;
    search->after[0] = '\0';
  }
  return false;
}

static struct search begin(struct cache_store *store, const struct cache_key *key, const char *toolchain,
                           struct cache_found *found, struct cache_reason *reason) {
  struct search search = {.store = store, .key = *key, .found = found, .reason = reason};
  cache_subdirectory_name(key, search.subdirectory);
  if (toolchain)
    cache_file_name(key, toolchain, search.wanted);
  cache_reason_clear(reason);
  return search;
}

static bool count(struct cache_store *store, bool is_found) {
  atomic_fetch_add(is_found ? &store->hits : &store->misses, 1);
  return is_found;
}

bool cache_store_find(struct cache_store *store, const struct cache_key *key, const char *toolchain,
                      struct cache_found *found, struct cache_reason *reason) {
  struct search search = begin(store, key, toolchain, found, reason);
  return count(store,
               (toolchain && look_from_layer(&search, 0, find_wanted)) || look_from_layer(&search, 0, find_other));
}

bool cache_store_find_own(struct cache_store *store, const struct cache_key *key, const char *toolchain,
                          struct cache_found *found, struct cache_reason *reason) {
  struct search search = begin(store, key, toolchain, found, reason);
  return count(store, look_from_layer(&search, 0, find_wanted));
}

bool cache_store_find_next(struct cache_store *store, const char *toolchain, struct cache_found *found,
                           struct cache_reason *reason) {
  struct search search = begin(store, &found->entry.key, toolchain, found, reason);
  const size_t layer = found->layer;
  cache_file_name(&search.key, found->entry.toolchain, search.after);
  const bool was_wanted = strcmp(search.after, search.wanted) == 0;
  cache_found_free(found);
  if (!was_wanted)
    return count(store, look_from_layer(&search, layer, find_other));
  search.after[0] = '\0';
  return count(store, look_from_layer(&search, layer + 1, find_wanted) || look_from_layer(&search, 0, find_other));
}

void cache_found_free(struct cache_found *found) {
  free(found->bytes);
  free(found->path);
  *found = (struct cache_found){0};
}
