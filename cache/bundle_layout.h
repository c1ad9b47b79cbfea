/* Where the parts of a bundle are; what bundle.h says in words. */
#ifndef FLASHJIT_CACHE_BUNDLE_LAYOUT_H
#define FLASHJIT_CACHE_BUNDLE_LAYOUT_H

#include "cache/paths.h"
#include "cache/signature.h"

enum {
  BUNDLE_FORMAT = 1,
  BUNDLE_MAGIC_SIZE = 8,
  BUNDLE_AT_FORMAT = 8,
  BUNDLE_AT_HEADER_SIZE = 10,
  BUNDLE_AT_FLAGS = 12,
  BUNDLE_AT_SIZE = 16,
  BUNDLE_AT_ROWS = 24,
  BUNDLE_AT_ZERO = 28,
  BUNDLE_HEADER_SIZE = 32,
  BUNDLE_FLAG_SIGNED = 1,

  BUNDLE_ROW_AT_TOOLCHAIN = CACHE_KEY_SIZE,
  BUNDLE_ROW_NAME_SIZE = CACHE_KEY_SIZE + CACHE_TOOLCHAIN_MAX + 1,
  BUNDLE_ROW_AT_OFFSET = BUNDLE_ROW_NAME_SIZE,
  BUNDLE_ROW_AT_PACKED_SIZE = BUNDLE_ROW_AT_OFFSET + 8,
  BUNDLE_ROW_AT_SIZE = BUNDLE_ROW_AT_PACKED_SIZE + 4,
  BUNDLE_ROW_SIZE = BUNDLE_ROW_AT_SIZE + 4,

  BUNDLE_SIGNED_SIZE = CACHE_SIGNER_SIZE + CACHE_SIGNATURE_SIZE,
  BUNDLE_CHECKSUM_SIZE = 16
};

_Static_assert(BUNDLE_ROW_SIZE == 64, "a row has 64 bytes");

extern const unsigned char bundle_magic[BUNDLE_MAGIC_SIZE];

void bundle_checksum(const unsigned char *bytes, size_t size, unsigned char checksum[BUNDLE_CHECKSUM_SIZE]);

#endif
