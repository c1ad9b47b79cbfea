/* Goes through bundles and directories alike. */
#include "cache/contents.h"

#include "cache/store_internal.h"
#include "cache/verify.h"
#include "cache/walk.h"

#include <inttypes.h>
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

static void take_row(const struct going *going, uint32_t number, const struct cache_bundle_row *row) {
  struct cache_contents *contents = going->contents;
  struct cache_reason why = {""};
  struct cache_entry entry;
  unsigned char *bytes = cache_bundle_unpack(row, &why);
  bool is_good = bytes && cache_verify(bytes, row->size, &row->key, &entry, &why);
  if (is_good && strcmp(entry.toolchain, row->toolchain) != 0)
    is_good = cache_refuse(&why, "it belongs to another toolchain");
  if (is_good)
    take(going, &entry);
  else
    cache_refuse(&contents->reason, "%s: entry %" PRIu32 ": %s", contents->path, number, why.text);
  contents->damaged += !is_good;
  free(bytes);
}

static bool take_file(void *user, const struct cache_walk_file *file) {
  const struct going *going = user;
  struct cache_contents *contents = going->contents;
  const bool is_damaged = file->state == CACHE_WALK_DAMAGED;
  const bool is_unreadable = file->state == CACHE_WALK_UNREADABLE && file->why[0]; /* else it is gone by now */
  if (file->state == CACHE_WALK_ENTRY)
    take(going, &file->entry);
  if (is_damaged || is_unreadable)
    cache_refuse(&contents->reason, "%s: %s", file->path, file->why);
  contents->damaged += is_damaged;
  contents->is_whole &= !is_unreadable;
  return false;
}

static void go_through_directory(const struct cache_store *store, const struct cache_layer *layer,
                                 struct going *going) {
  struct cache_walk_result unused;
  struct cache_reason reason;
  const bool is_whole = cache_walk(layer->root, &store->io, take_file, going, &unused, &reason);
  going->contents->is_whole &= is_whole;
  if (reason.text[0])
    cache_refuse(&going->contents->reason, "%s", reason.text);
}

bool cache_contents(const struct cache_store *store, size_t number, cache_contents_visit *visit, void *visitor,
                    struct cache_contents *contents) {
  if (number >= store->layer_count)
    return false;
  const struct cache_layer *layer = &store->layers[number];
  struct going going = {.visit = visit, .visitor = visitor, .contents = contents};
  *contents = (struct cache_contents){
      .path = layer->root,
      .is_bundle = layer->is_bundle,
      .is_users = layer->writable,
      .is_open = layer->is_bundle ? layer->bundle.rows > 0 : layer->entries >= 0,
      .is_whole = true,
  };
  for (uint32_t i = 0; layer->is_bundle && i < layer->bundle.rows; i++) {
    const struct cache_bundle_row row = cache_bundle_row(&layer->bundle, i);
    take_row(&going, i, &row);
  }
  if (!layer->is_bundle && contents->is_open)
    go_through_directory(store, layer, &going);
  return true;
}
