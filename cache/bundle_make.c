/* Makes bundles: packs each entry, puts rows in order, adds signature and checksum. */
#include "cache/bundle_make.h"

#include "cache/bundle_layout.h"
#include "cache/bytes.h"
#include "cache/lz.h"

#include <stdlib.h>
#include <string.h>

struct member {
  unsigned char name[BUNDLE_ROW_NAME_SIZE]; /* key and toolchain, as a row has them */
  unsigned char *packed;
  size_t packed_size;
  size_t size;
};

static void free_members(struct member *members, size_t count) {
  for (size_t i = 0; i < count; i++)
    free(members[i].packed);
  free(members);
}

/* Keeps the entry as it is when packing does not make it smaller. */
static bool pack(struct member *member, unsigned char *bytes, size_t size, struct cache_reason *reason) {
  unsigned char *packed = malloc(cache_lz_bound(size));
  const size_t packed_size = packed ? cache_lz_pack(bytes, size, packed) : 0;
  if (!packed_size) {
    free(packed);
    free(bytes);
    return cache_refuse(reason, "no memory to pack %zu bytes", size);
  }
  const bool is_smaller = packed_size < size;
  member->packed = is_smaller ? packed : bytes;
  member->packed_size = is_smaller ? packed_size : size;
  member->size = size;
  free(is_smaller ? bytes : packed);
  return true;
}

/* Without what differs from one compile to the next. */
static bool make_member(struct member *member, const struct cache_entry *entry, struct cache_reason *reason) {
  struct cache_entry plain = *entry;
  unsigned char *bytes;
  size_t size;
  plain.log = "";
  plain.created = 0;
  plain.refused_by = 0;
  if (!cache_entry_encode(&plain, &bytes, &size, reason))
    return false;
  memcpy(member->name, entry->key.bytes, CACHE_KEY_SIZE);
  memcpy(member->name + BUNDLE_ROW_AT_TOOLCHAIN, entry->toolchain, strlen(entry->toolchain));
  return pack(member, bytes, size, reason);
}

static int compare_members(const void *left, const void *right) {
  return memcmp(((const struct member *)left)->name, ((const struct member *)right)->name, BUNDLE_ROW_NAME_SIZE);
}

static bool make_members(struct member *members, const struct cache_entry *entries, size_t count,
                         struct cache_reason *reason) {
  for (size_t i = 0; i < count; i++) {
    if (!make_member(&members[i], &entries[i], reason))
      return false;
  }
  qsort(members, count, sizeof *members, compare_members);
  for (size_t i = 1; i < count; i++) {
    if (compare_members(&members[i - 1], &members[i]) == 0)
      return cache_refuse(reason, "an entry is there twice");
  }
  return true;
}

static size_t size_of(const struct member *members, size_t count, bool is_signed) {
  size_t size = BUNDLE_HEADER_SIZE + CACHE_CHECKSUM_SIZE + (is_signed ? BUNDLE_SIGNED_SIZE : 0);
  for (size_t i = 0; i < count; i++)
    size += BUNDLE_ROW_SIZE + members[i].packed_size;
  return size;
}

static void put_header(unsigned char *bytes, size_t size, size_t count, bool is_signed) {
  memcpy(bytes, bundle_magic, BUNDLE_MAGIC_SIZE);
  bytes_put(bytes + BUNDLE_AT_FORMAT, 2, BUNDLE_FORMAT);
  bytes_put(bytes + BUNDLE_AT_HEADER_SIZE, 2, BUNDLE_HEADER_SIZE);
  bytes_put(bytes + BUNDLE_AT_FLAGS, 4, is_signed ? BUNDLE_FLAG_SIGNED : 0);
  bytes_put(bytes + BUNDLE_AT_SIZE, 8, size);
  bytes_put(bytes + BUNDLE_AT_ROWS, 4, count);
}

/* Returns where the last one ends. */
static size_t put_members(unsigned char *bytes, const struct member *members, size_t count) {
  size_t at = BUNDLE_HEADER_SIZE + count * BUNDLE_ROW_SIZE;
  unsigned char *row = bytes + BUNDLE_HEADER_SIZE;
  for (size_t i = 0; i < count; i++, row += BUNDLE_ROW_SIZE) {
    memcpy(row, members[i].name, BUNDLE_ROW_NAME_SIZE);
    bytes_put(row + BUNDLE_ROW_AT_OFFSET, 8, at);
    bytes_put(row + BUNDLE_ROW_AT_PACKED_SIZE, 4, members[i].packed_size);
    bytes_put(row + BUNDLE_ROW_AT_SIZE, 4, members[i].size);
    memcpy(bytes + at, members[i].packed, members[i].packed_size);
    at += members[i].packed_size;
  }
  return at;
}

static bool put_signature(unsigned char *bytes, size_t at, const struct cache_signing *signing,
                          struct cache_reason *reason) {
  memcpy(bytes + at, signing->signer, CACHE_SIGNER_SIZE);
  at += CACHE_SIGNER_SIZE;
  return signing->sign(signing->context, bytes, at, bytes + at, reason);
}

static unsigned char *assemble(const struct member *members, size_t count, const struct cache_signing *signing,
                               size_t *size, struct cache_reason *reason) {
  *size = size_of(members, count, signing);
  if (*size > CACHE_BUNDLE_SIZE_MAX) {
    cache_refuse(reason, "a bundle of %zu bytes, allowed are %zu", *size, CACHE_BUNDLE_SIZE_MAX);
    return NULL;
  }
  unsigned char *bytes = calloc(1, *size);
  if (!bytes) {
    cache_refuse(reason, "no memory for a bundle of %zu bytes", *size);
    return NULL;
  }
  put_header(bytes, *size, count, signing);
  const size_t end = put_members(bytes, members, count);
  if (signing && !put_signature(bytes, end, signing, reason)) {
    free(bytes);
    return NULL;
  }
  cache_checksum(bytes, *size - CACHE_CHECKSUM_SIZE, bytes + *size - CACHE_CHECKSUM_SIZE);
  return bytes;
}

bool cache_bundle_make(const struct cache_entry *entries, size_t count, const struct cache_signing *signing,
                       unsigned char **bytes, size_t *size, struct cache_reason *reason) {
  struct member *members = calloc(count + 1, sizeof *members);
  if (!members)
    return cache_refuse(reason, "no memory for %zu entries", count);
  *bytes = make_members(members, entries, count, reason) ? assemble(members, count, signing, size, reason) : NULL;
  free_members(members, count);
  return *bytes;
}
