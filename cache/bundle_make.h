/* Makes bundles. Not part of the library: the command does it. */
#ifndef FLASHJIT_CACHE_BUNDLE_MAKE_H
#define FLASHJIT_CACHE_BUNDLE_MAKE_H

#include "cache/bundle.h"

/* Signs bundles. */
struct cache_signing {
  void *context;
  unsigned char signer[CACHE_SIGNER_SIZE];
  bool (*sign)(void *context, const void *bytes, size_t size, unsigned char signature[CACHE_SIGNATURE_SIZE],
               struct cache_reason *reason);
};

/* A bundle of these entries, in any order, each key and toolchain once; malloc'ed. `signing` may be NULL. */
bool cache_bundle_make(const struct cache_entry *entries, size_t count, const struct cache_signing *signing,
                       unsigned char **bytes, size_t *size, struct cache_reason *reason);

#endif
