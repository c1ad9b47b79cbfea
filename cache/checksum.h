/* Hashes of texts and files. */
#ifndef FLASHJIT_CACHE_CHECKSUM_H
#define FLASHJIT_CACHE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

enum { CACHE_CHECKSUM_SIZE = 16 };

/* Canonical XXH3-128 of the bytes: what entries and bundles end with. */
void cache_checksum(const void *bytes, size_t size, unsigned char checksum[CACHE_CHECKSUM_SIZE]);

/* XXH3-64 of the bytes. */
uint64_t cache_hash(const void *bytes, size_t size);

#endif
