/* Signs bundles with the private key of a PEM file, as `openssl genpkey -algorithm ed25519` makes it. Not part of the
 * library. */
#ifndef FLASHJIT_CACHE_ED25519_SIGN_H
#define FLASHJIT_CACHE_ED25519_SIGN_H

#include "cache/bundle_make.h"

/* Opens the key of a PEM text, to be closed again. */
bool cache_signing_open(struct cache_signing *signing, const char *pem, struct cache_reason *reason);
void cache_signing_close(struct cache_signing *signing);

#endif
