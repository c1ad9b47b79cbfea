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
static void write_tag(const struct cache_layer *layer, int root) {
  struct stat status;
  struct cache_reason unused;
  cache_reason_clear(&unused);
  if (layer->io->status_at(layer->io->context, root, CACHE_TAG_FILE, &status) != 0 && errno == ENOENT)
    cache_file_write(layer, root, CACHE_TAG_FILE, tag_text, sizeof tag_text - 1, false, &unused);
}

/* Where the bytes of a file do not hold a bundle that may be used, the layer has no rows. */
static void open_bundle(struct cache_layer *layer, const struct cache_signer *signer, struct cache_reason *reason) {
  struct cache_file file = {.bytes = NULL};
  struct cache_reason why;
  const void *bytes = layer->bundle.bytes;
  size_t size = layer->bundle.size;
  cache_reason_clear(&why);
  if (!bytes) {
    if (cache_file_read_root(layer, CACHE_BUNDLE_SIZE_MAX, &file, reason) == CACHE_FILE_ABSENT)
      cache_refuse(reason, "%s: does not exist", layer->root);
    layer->read = file.bytes;
    bytes = file.bytes;
    size = file.size;
  }
  if (!bytes || cache_bundle_open(bytes, size, signer, &layer->bundle, &why))
    return;
  layer->bundle.rows = 0;
  cache_refuse(reason, "%s: refused: %s", layer->root, why.text);
}

/* The root stays open when `kept_root` is not NULL. */
static void open_directory(struct cache_layer *layer, int *kept_root, struct cache_reason *reason) {
  const struct cache_io *io = layer->io;
  int root = cache_layer_open_root(layer, reason);
  if (root < 0) {
    if (errno == ENOENT)
      cache_refuse(reason, "%s: does not exist", layer->root);
    return;
  }
  layer->entries = cache_layer_open_below(layer, root, CACHE_FORMAT_DIRECTORY, layer->writable, reason);
  if (layer->entries >= 0 && layer->writable)
    write_tag(layer, root);
  if (kept_root)
    *kept_root = root;
  else
    io->close(io->context, root);
}

/* `model` has what is not the same in all layers. */
static bool add_layer(struct cache_store *store, const char *root, size_t root_size, struct cache_layer model) {
  struct cache_layer *layer = &store->layers[store->layer_count];
  *layer = model;
  layer->io = &store->io;
  layer->root = strndup(root, root_size);
  layer->owner = geteuid();
  layer->entries = -1;
  if (!layer->root)
    return false;
  store->layer_count++;
  return true;
}

static size_t count_paths(const char *paths) {
  size_t count = 1;
  for (const char *colon = strchr(paths, ':'); colon; colon = strchr(colon + 1, ':'))
    count++;
  return count;
}

static bool add_paths(struct cache_store *store, const char *paths, struct cache_layer model) {
  for (;;) {
    size_t size = strcspn(paths, ":");
    if (size > 0 && !add_layer(store, paths, size, model))
      return false;
    if (paths[size] == '\0')
      return true;
    paths += size + 1;
  }
}

static bool add_layers(struct cache_store *store, const struct cache_config *config) {
  static const char in_memory[] = "(memory)";
  const char *bundles = config->bundles ? config->bundles : "";
  const char *read_only = config->read_only ? config->read_only : "";
  const struct cache_layer memory = {.is_bundle = true,
                                     .bundle = {.bytes = config->bundle, .size = config->bundle_size}};
  const struct cache_layer bundle = {.is_bundle = true};
  const struct cache_layer directory = {.is_bundle = false};
  const struct cache_layer user = {.writable = true, .shared = config->shared};
  store->layers = calloc(1 + count_paths(bundles) + count_paths(read_only) + 1, sizeof *store->layers);
  return store->layers && (!config->bundle || add_layer(store, in_memory, sizeof in_memory - 1, memory)) &&
         add_paths(store, bundles, bundle) && add_paths(store, read_only, directory) &&
         (!config->user || add_layer(store, config->user, strlen(config->user), user));
}

/* A lock directory that was asked for and is unusable is not replaced by the user directory: locks there may
 * be what the user wants to avoid. */
static int open_lock_directory(struct cache_store *store, const char *path, struct cache_reason *reason) {
  char *root = strdup(path);
  if (!root)
    return -1;
  struct cache_layer place = {.io = &store->io, .root = root, .owner = geteuid(), .writable = true};
  int directory = cache_layer_open_root(&place, reason);
  free(root);
  return directory;
}

struct cache_store *cache_store_open(const struct cache_config *config, const struct cache_io *io,
                                     struct cache_reason *reason) {
  cache_reason_clear(reason);
  struct cache_store *store = calloc(1, sizeof *store);
  if (!store)
    return NULL;
  store->io = *io;
  store->lock_directory = -1;
  store->budget = config->budget != 0 ? config->budget : CACHE_BUDGET_DEFAULT;
  store->sync = config->sync;
  if (!add_layers(store, config)) {
    cache_store_close(store);
    return NULL;
  }
  if (config->lock_directory)
    store->lock_directory = open_lock_directory(store, config->lock_directory, reason);
  for (size_t i = 0; i < store->layer_count; i++) {
    struct cache_layer *layer = &store->layers[i];
    bool keep_root = layer->writable && !config->lock_directory;
    if (layer->is_bundle)
      open_bundle(layer, config->signer, reason);
    else
      open_directory(layer, keep_root ? &store->lock_directory : NULL, reason);
  }
  return store;
}

void cache_store_close(struct cache_store *store) {
  if (!store)
    return;
  for (size_t i = 0; i < store->layer_count; i++) {
    if (store->layers[i].entries >= 0)
      store->io.close(store->io.context, store->layers[i].entries);
    free(store->layers[i].read);
    free(store->layers[i].root);
  }
  if (store->lock_directory >= 0)
    store->io.close(store->io.context, store->lock_directory);
  free(store->layers);
  free(store);
}

struct cache_counters cache_store_counters(const struct cache_store *store) {
  return (struct cache_counters){
      .hits = atomic_load(&store->hits),
      .misses = atomic_load(&store->misses),
      .damaged = atomic_load(&store->damaged),
      .published = atomic_load(&store->published),
      .publish_failures = atomic_load(&store->publish_failures),
      .evicted = atomic_load(&store->evicted),
  };
}

const struct cache_layer *cache_store_writable_layer(const struct cache_store *store) {
  if (store->layer_count == 0)
    return NULL;
  const struct cache_layer *last = &store->layers[store->layer_count - 1];
  return last->writable && last->entries >= 0 ? last : NULL;
}

bool cache_store_has_user_directory(const struct cache_store *store) {
  return cache_store_writable_layer(store);
}
