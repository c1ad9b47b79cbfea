/* The one check that stands between stored bytes and the driver. Every layer that hands out entries goes
 * through it. */
#ifndef FLASHJIT_CACHE_VERIFY_H
#define FLASHJIT_CACHE_VERIFY_H

#include "cache/entry.h"

/* Are these bytes an undamaged entry of `key` with a plausible image? `entry` points into `bytes`. */
bool cache_verify(const void *bytes, size_t size, const struct cache_key *key, struct cache_entry *entry,
                  struct cache_reason *reason);

#endif
