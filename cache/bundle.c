/* Opens bundles and takes entries out of them. */
#include "cache/bundle.h"

#include "cache/bytes.h"
#include "cache/bundle_layout.h"
#include "cache/lz.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool header_known(const unsigned char *bytes, size_t size, struct cache_reason *reason) {
  if (size < BUNDLE_HEADER_SIZE + CACHE_CHECKSUM_SIZE)
    return cache_refuse(reason, "%zu bytes are less than a bundle has", size);
  if (memcmp(bytes, bundle_magic, BUNDLE_MAGIC_SIZE) != 0)
    return cache_refuse(reason, "not a bundle: wrong magic");
  if (bytes_get_u16(bytes + BUNDLE_AT_FORMAT) != BUNDLE_FORMAT)
    return cache_refuse(reason, "format %u is not %d", bytes_get_u16(bytes + BUNDLE_AT_FORMAT), BUNDLE_FORMAT);
  if (bytes_get_u16(bytes + BUNDLE_AT_HEADER_SIZE) != BUNDLE_HEADER_SIZE)
    return cache_refuse(reason, "header size %u is not %d", bytes_get_u16(bytes + BUNDLE_AT_HEADER_SIZE),
                        BUNDLE_HEADER_SIZE);
  if (bytes_get_u32(bytes + BUNDLE_AT_FLAGS) & ~(uint32_t)BUNDLE_FLAG_SIGNED)
    return cache_refuse(reason, "unknown flags %#" PRIx32, bytes_get_u32(bytes + BUNDLE_AT_FLAGS));
  if (bytes_get_u32(bytes + BUNDLE_AT_ZERO))
    return cache_refuse(reason, "a word of the header is not zero");
  if (bytes_get_u64(bytes + BUNDLE_AT_SIZE) != size)
    return cache_refuse(reason, "header tells of %" PRIu64 " bytes, there are %zu",
                        bytes_get_u64(bytes + BUNDLE_AT_SIZE), size);
  return true;
}

static bool checksum_matches(const unsigned char *bytes, size_t size, struct cache_reason *reason) {
  unsigned char checksum[CACHE_CHECKSUM_SIZE];
  cache_checksum(bytes, size - CACHE_CHECKSUM_SIZE, checksum);
  return memcmp(checksum, bytes + size - CACHE_CHECKSUM_SIZE, CACHE_CHECKSUM_SIZE) == 0 ||
         cache_refuse(reason, "checksum does not match");
}

static void signer_text(const unsigned char signer[CACHE_SIGNER_SIZE], char text[2 * CACHE_SIGNER_SIZE + 1]) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < CACHE_SIGNER_SIZE; i++) {
    text[2 * i] = digits[signer[i] >> 4];
    text[2 * i + 1] = digits[signer[i] & 15];
  }
  text[2 * CACHE_SIGNER_SIZE] = '\0';
}

static bool is_signed_by(const struct cache_bundle *bundle, const struct cache_signer *wanted,
                         struct cache_reason *reason) {
  if (!bundle->signer)
    return cache_refuse(reason, "it is not signed, and a public key is given");
  if (memcmp(bundle->signer, wanted->key, CACHE_SIGNER_SIZE) != 0) {
    char signer[2 * CACHE_SIGNER_SIZE + 1];
    signer_text(bundle->signer, signer);
    return cache_refuse(reason, "it is signed by another key, %s", signer);
  }
  const unsigned char *signature = bundle->signer + CACHE_SIGNER_SIZE;
  return wanted->check(wanted->key, bundle->bytes, (size_t)(signature - bundle->bytes), signature, reason);
}

/* Keys and toolchains lie side by side in a row, and are compared as bytes. */
static bool row_follows(const unsigned char *before, const unsigned char *row) {
  return memcmp(before, row, BUNDLE_ROW_NAME_SIZE) < 0;
}

static bool toolchain_is_valid(const unsigned char *row) {
  const char *toolchain = (const char *)row + BUNDLE_ROW_AT_TOOLCHAIN;
  const char *end = memchr(toolchain, '\0', CACHE_TOOLCHAIN_MAX + 1);
  if (!end || !cache_toolchain_valid(toolchain))
    return false;
  for (; end <= toolchain + CACHE_TOOLCHAIN_MAX; end++) {
    if (*end)
      return false;
  }
  return true;
}

/* Every byte between the rows and the end belongs to exactly one of them. */
static bool rows_fit(const struct cache_bundle *bundle, size_t end, struct cache_reason *reason) {
  uint64_t at = BUNDLE_HEADER_SIZE + (uint64_t)bundle->rows * BUNDLE_ROW_SIZE;
  if (at > end)
    return cache_refuse(reason, "%" PRIu32 " rows do not fit %zu bytes", bundle->rows, end);
  const unsigned char *row = bundle->bytes + BUNDLE_HEADER_SIZE;
  for (uint32_t i = 0; i < bundle->rows; i++, row += BUNDLE_ROW_SIZE) {
    const uint32_t packed_size = bytes_get_u32(row + BUNDLE_ROW_AT_PACKED_SIZE);
    const uint32_t size = bytes_get_u32(row + BUNDLE_ROW_AT_SIZE);
    if (!toolchain_is_valid(row) || (i > 0 && !row_follows(row - BUNDLE_ROW_SIZE, row)))
      return cache_refuse(reason, "row %" PRIu32 " is out of order, or its toolchain is none", i);
    if (bytes_get_u64(row + BUNDLE_ROW_AT_OFFSET) != at || packed_size > end - at || packed_size > size ||
        size > cache_lz_most(packed_size) || size > CACHE_ENTRY_SIZE_MAX)
      return cache_refuse(reason, "row %" PRIu32 " lies outside of its place", i);
    at += packed_size;
  }
  return at == end || cache_refuse(reason, "%" PRIu64 " bytes belong to no row", end - at);
}

bool cache_bundle_open(const void *bytes, size_t size, const struct cache_signer *wanted, struct cache_bundle *bundle,
                       struct cache_reason *reason) {
  if (size > CACHE_BUNDLE_SIZE_MAX)
    return cache_refuse(reason, "a bundle of %zu bytes, allowed are %zu", size, CACHE_BUNDLE_SIZE_MAX);
  if (!header_known(bytes, size, reason) || !checksum_matches(bytes, size, reason))
    return false;
  *bundle = (struct cache_bundle){.bytes = bytes, .size = size};
  bundle->rows = bytes_get_u32(bundle->bytes + BUNDLE_AT_ROWS);
  size_t end = size - CACHE_CHECKSUM_SIZE;
  if (bytes_get_u32(bundle->bytes + BUNDLE_AT_FLAGS)) {
    if (end < BUNDLE_HEADER_SIZE + BUNDLE_SIGNED_SIZE)
      return cache_refuse(reason, "%zu bytes are less than a signed bundle has", size);
    end -= BUNDLE_SIGNED_SIZE;
    bundle->signer = bundle->bytes + end;
  }
  return rows_fit(bundle, end, reason) && (!wanted || is_signed_by(bundle, wanted, reason));
}

static const unsigned char *row_at(const struct cache_bundle *bundle, uint32_t number) {
  return bundle->bytes + BUNDLE_HEADER_SIZE + (size_t)number * BUNDLE_ROW_SIZE;
}

struct cache_bundle_row cache_bundle_row(const struct cache_bundle *bundle, uint32_t number) {
  const unsigned char *bytes = row_at(bundle, number);
  struct cache_bundle_row row = {
      .packed = bundle->bytes + bytes_get_u64(bytes + BUNDLE_ROW_AT_OFFSET),
      .packed_size = bytes_get_u32(bytes + BUNDLE_ROW_AT_PACKED_SIZE),
      .size = bytes_get_u32(bytes + BUNDLE_ROW_AT_SIZE),
  };
  memcpy(row.key.bytes, bytes, CACHE_KEY_SIZE);
  memcpy(row.toolchain, bytes + BUNDLE_ROW_AT_TOOLCHAIN, sizeof row.toolchain);
  return row;
}

uint32_t cache_bundle_first(const struct cache_bundle *bundle, const struct cache_key *key) {
  uint32_t low = 0;
  uint32_t high = bundle->rows;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (memcmp(row_at(bundle, middle), key->bytes, CACHE_KEY_SIZE) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

unsigned char *cache_bundle_unpack(const struct cache_bundle_row *row, struct cache_reason *reason) {
  unsigned char *bytes = malloc(row->size ? row->size : 1);
  if (!bytes) {
    cache_refuse(reason, "no memory for an entry of %" PRIu32 " bytes", row->size);
    return NULL;
  }
  if (row->packed_size == row->size) {
    memcpy(bytes, row->packed, row->size);
    return bytes;
  }
  if (cache_lz_unpack(row->packed, row->packed_size, bytes, row->size))
    return bytes;
  cache_refuse(reason, "packed bytes are no entry");
  free(bytes);
  return NULL;
}
