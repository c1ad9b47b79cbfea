/* The checksum that entries and bundles end with. */
#ifndef FLASHJIT_CACHE_CHECKSUM_H
#define FLASHJIT_CACHE_CHECKSUM_H

#include <stddef.h>

enum { CACHE_CHECKSUM_SIZE = 16 };

/* Canonical XXH3-128 of the bytes. */
void cache_checksum(const void *bytes, size_t size, unsigned char checksum[CACHE_CHECKSUM_SIZE]);

#endif
