/* Entry codec and image check in one. */
#include "cache/verify.h"

#include "cache/image.h"

bool cache_verify(const void *bytes, size_t size, const struct cache_key *key, struct cache_entry *entry,
                  struct cache_reason *reason) {
  return cache_entry_decode(bytes, size, key, entry, reason) &&
         cache_image_check(entry->image, entry->image_size, entry->target, entry->symbol, reason);
}
