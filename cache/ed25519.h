/* Ed25519 by libcrypto (OpenSSL 1.1.1 or later), which is opened when a signature is first needed. */
#ifndef FLASHJIT_CACHE_ED25519_H
#define FLASHJIT_CACHE_ED25519_H

#include "cache/signature.h"

/* A cache_check_signature. */
bool cache_ed25519_check(const unsigned char signer[CACHE_SIGNER_SIZE], const void *bytes, size_t size,
                         const unsigned char signature[CACHE_SIGNATURE_SIZE], struct cache_reason *reason);

/* A public key of 64 hex digits. */
bool cache_signer_parse(const char *text, unsigned char signer[CACHE_SIGNER_SIZE]);

#endif
