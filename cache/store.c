/* Opens and closes the store. */
#include "cache/store_internal.h"

#include "cache/file.h"
#include "cache/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char tag_text[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                               "# This directory holds compiled kernels that can be made again.\n"
                               "# See https://bford.info/cachedir/\n";

/* Tells backup programs, once, that nothing here is worth keeping. */
static void write_tag(const cache_layer *layer, int root) {
  struct stat status;
  cache_reason unused;
  cache_reason_clear(&unused);
  if (layer->io->status_at(layer->io->context, root, CACHE_TAG_FILE, &status) != 0 && errno == ENOENT)
    cache_file_write(layer, root, CACHE_TAG_FILE, tag_text, sizeof tag_text - 1, false, &unused);
}

/* The root stays open when `kept_root` is not NULL. */
static void open_layer(cache_layer *layer, int *kept_root, cache_reason *reason) {
  const cache_io *io = layer->io;
  int root = cache_layer_open_root(layer, reason);
  if (root < 0) {
    if (errno == ENOENT)
      cache_refuse(reason, "%s: does not exist", layer->root);
    return;
  }
  layer->entries = cache_layer_open_below(layer, root, CACHE_FORMAT_DIRECTORY, layer->writable, reason);
  if (layer->entries >= 0 && layer->writable)
    write_tag(layer, root);
  if (kept_root != NULL)
    *kept_root = root;
  else
    io->close(io->context, root);
}

static bool add_layer(cache_store *store, const char *root, size_t root_size, bool writable) {
  cache_layer *layer = &store->layers[store->layer_count];
  *layer = (cache_layer){
      .io = &store->io,
      .root = strndup(root, root_size),
      .owner = geteuid(),
      .writable = writable,
      .entries = -1,
  };
  if (layer->root == NULL)
    return false;
  store->layer_count++;
  return true;
}

static size_t count_paths(const char *paths) {
  size_t count = 1;
  for (const char *colon = strchr(paths, ':'); colon != NULL; colon = strchr(colon + 1, ':'))
    count++;
  return count;
}

static bool add_read_only_layers(cache_store *store, const char *paths) {
  for (;;) {
    size_t size = strcspn(paths, ":");
    if (size > 0 && !add_layer(store, paths, size, false))
      return false;
    if (paths[size] == '\0')
      return true;
    paths += size + 1;
  }
}

static bool add_layers(cache_store *store, const cache_config *config) {
  const char *read_only = config->read_only != NULL ? config->read_only : "";
  store->layers = calloc(count_paths(read_only) + 1, sizeof *store->layers);
  return store->layers != NULL && add_read_only_layers(store, read_only) &&
         (config->user == NULL || add_layer(store, config->user, strlen(config->user), true));
}

/* A lock directory that was asked for and is unusable is not replaced by the user directory: locks there may
 * be what the user wants to avoid. */
static int open_lock_directory(cache_store *store, const char *path, cache_reason *reason) {
  char *root = strdup(path);
  if (root == NULL)
    return -1;
  cache_layer place = {.io = &store->io, .root = root, .owner = geteuid(), .writable = true};
  int directory = cache_layer_open_root(&place, reason);
  free(root);
  return directory;
}

cache_store *cache_store_open(const cache_config *config, const cache_io *io, cache_reason *reason) {
  cache_reason_clear(reason);
  cache_store *store = calloc(1, sizeof *store);
  if (store == NULL)
    return NULL;
  store->io = *io;
  store->lock_directory = -1;
  store->budget = config->budget != 0 ? config->budget : CACHE_BUDGET_DEFAULT;
  store->sync = config->sync;
  if (!add_layers(store, config)) {
    cache_store_close(store);
    return NULL;
  }
  if (config->lock_directory != NULL)
    store->lock_directory = open_lock_directory(store, config->lock_directory, reason);
  for (size_t i = 0; i < store->layer_count; i++) {
    cache_layer *layer = &store->layers[i];
    bool keep_root = layer->writable && config->lock_directory == NULL;
    open_layer(layer, keep_root ? &store->lock_directory : NULL, reason);
  }
  return store;
}

void cache_store_close(cache_store *store) {
  if (store == NULL)
    return;
  for (size_t i = 0; i < store->layer_count; i++) {
    if (store->layers[i].entries >= 0)
      store->io.close(store->io.context, store->layers[i].entries);
    free(store->layers[i].root);
  }
  if (store->lock_directory >= 0)
    store->io.close(store->io.context, store->lock_directory);
  free(store->layers);
  free(store);
}

cache_counters cache_store_counters(const cache_store *store) {
  return (cache_counters){
      .hits = atomic_load(&store->hits),
      .misses = atomic_load(&store->misses),
      .damaged = atomic_load(&store->damaged),
      .published = atomic_load(&store->published),
      .publish_failures = atomic_load(&store->publish_failures),
      .evicted = atomic_load(&store->evicted),
  };
}

const cache_layer *cache_store_writable_layer(const cache_store *store) {
  if (store->layer_count == 0)
    return NULL;
  const cache_layer *last = &store->layers[store->layer_count - 1];
  return last->writable && last->entries >= 0 ? last : NULL;
}

bool cache_store_has_user_directory(const cache_store *store) {
  return cache_store_writable_layer(store) != NULL;
}
