/* Publishes entries. */
#include "cache/store_internal.h"

#include "cache/file.h"
#include "cache/image.h"
#include "cache/paths.h"

#include <errno.h>
#include <stdlib.h>

/* Errors that the next publication would meet again. */
static bool is_lasting(int error) {
  return error == ENOSPC || error == EDQUOT || error == EROFS;
}

static int write_entry(struct cache_store *store, const struct cache_layer *layer, const struct cache_entry *entry,
                       const unsigned char *bytes, size_t size, struct cache_reason *reason) {
  char subdirectory[CACHE_SUBDIRECTORY_SIZE];
  cache_subdirectory_name(&entry->key, subdirectory);
  int directory = cache_layer_open_below(layer, layer->entries, subdirectory, true, reason);
  if (directory < 0) {
    int error = errno;
    if (error == ENOENT)
      cache_refuse(reason, "%s: was deleted", layer->root);
    return error;
  }
  char name[CACHE_FILE_NAME_SIZE];
  cache_file_name(&entry->key, entry->toolchain, name);
  int error = cache_file_write(layer, directory, name, bytes, size, store->sync, reason);
  if (error == 0)
    cache_evict(store, layer, directory, entry->key.bytes[0], name);
  store->io.close(store->io.context, directory);
  return error;
}

/* What find would refuse is not written. */
static bool publish(struct cache_store *store, const struct cache_layer *layer, const struct cache_entry *entry,
                    struct cache_reason *reason) {
  unsigned char *bytes;
  size_t size;
  if (!cache_image_check(entry->image, entry->image_size, entry->target, entry->symbol, reason) ||
      !cache_entry_encode(entry, &bytes, &size, reason))
    return false;
  int error = write_entry(store, layer, entry, bytes, size, reason);
  free(bytes);
  if (is_lasting(error))
    atomic_store(&store->writing_stopped, true);
  return error == 0;
}

bool cache_store_publish(struct cache_store *store, const struct cache_entry *entry, struct cache_reason *reason) {
  cache_reason_clear(reason);
  const struct cache_layer *layer = cache_store_writable_layer(store);
  if (!layer)
    return false;
  bool published = !atomic_load(&store->writing_stopped) && publish(store, layer, entry, reason);
  atomic_fetch_add(published ? &store->published : &store->publish_failures, 1);
  return published;
}
