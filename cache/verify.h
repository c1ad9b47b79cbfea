/* The one check that stands between stored bytes and the driver. Every layer that hands out entries goes
 * through it. */
#ifndef FLASHJIT_CACHE_VERIFY_H
#define FLASHJIT_CACHE_VERIFY_H

#include "cache/entry.h"

/* Are these bytes an undamaged entry of `key` with a plausible image? `entry` points into `bytes`. */
bool cache_verify(const void *bytes, size_t size, const cache_key *key, cache_entry *entry, cache_reason *reason);

#endif
