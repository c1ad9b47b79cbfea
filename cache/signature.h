/* Signatures of bundles, whoever makes and checks them. */
#ifndef FLASHJIT_CACHE_SIGNATURE_H
#define FLASHJIT_CACHE_SIGNATURE_H

#include "cache/reason.h"

#include <stddef.h>

enum { CACHE_SIGNER_SIZE = 32, CACHE_SIGNATURE_SIZE = 64 };

/* Is this the signature of the signer over the bytes? False with a reason, also when that cannot be told. */
typedef bool cache_check_signature(const unsigned char signer[CACHE_SIGNER_SIZE], const void *bytes, size_t size,
                                   const unsigned char signature[CACHE_SIGNATURE_SIZE], struct cache_reason *reason);

/* Whose bundles are opened. */
struct cache_signer {
  unsigned char key[CACHE_SIGNER_SIZE];
  cache_check_signature *check;
};

#endif
