/* Goes through bundles and directories alike. */
#include "cache/contents.h"

#include "cache/store_internal.h"
#include "cache/verify.h"
#include "cache/walk.h"

#include <stdlib.h>
#include <string.h>

struct going {
  cache_contents_visit *visit;
  void *visitor;
  struct cache_contents *contents;
};

static void take(const struct going *going, const struct cache_entry *entry) {
  going->contents->kernels++;
  if (going->visit)
    going->visit(going->visitor, entry);
}

static void take_row(const struct going *going, const struct cache_bundle_row *row) {
  struct cache_reason unused = {""};
  struct cache_entry entry;
  unsigned char *bytes = cache_bundle_unpack(row, &unused);
  if (bytes && cache_verify(bytes, row->size, &row->key, &entry, &unused) &&
      strcmp(entry.toolchain, row->toolchain) == 0)
    take(going, &entry);
  else
    going->contents->damaged++;
  free(bytes);
}

static bool take_file(void *user, const struct cache_walk_file *file) {
  const struct going *going = user;
  if (file->state == CACHE_WALK_ENTRY)
    take(going, &file->entry);
  going->contents->damaged += file->state == CACHE_WALK_DAMAGED;
  return false;
}

bool cache_contents(const struct cache_store *store, size_t number, cache_contents_visit *visit, void *visitor,
                    struct cache_contents *contents) {
  if (number >= store->layer_count)
    return false;
  const struct cache_layer *layer = &store->layers[number];
  struct going going = {.visit = visit, .visitor = visitor, .contents = contents};
  struct cache_walk_result result;
  struct cache_reason unused;
  *contents = (struct cache_contents){
      .path = layer->root,
      .is_bundle = layer->is_bundle,
      .is_users = layer->writable,
      .is_open = layer->is_bundle ? layer->bundle.rows > 0 : layer->entries >= 0,
  };
  for (uint32_t i = 0; layer->is_bundle && i < layer->bundle.rows; i++) {
    const struct cache_bundle_row row = cache_bundle_row(&layer->bundle, i);
    take_row(&going, &row);
  }
  if (!layer->is_bundle && contents->is_open)
    cache_walk(layer->root, &store->io, take_file, &going, &result, &unused);
  return true;
}
