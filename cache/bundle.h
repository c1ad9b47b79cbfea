/* Many entries in one block of bytes: what `flashjit bundle create` writes, and a program has in a file or linked in.
 *
 *   bundle   = header row... packed... [signer signature] checksum
 *   header   = 32 bytes, all integers little-endian:
 *                0  magic        8  "FIBUND\r\n"
 *                8  format       2  1
 *               10  header size  2  32
 *               12  flags        4  1: signed, else 0
 *               16  size         8  of the bundle
 *               24  rows         4
 *               28  zero         4
 *   row      = 64 bytes, in ascending order of key and toolchain, no two the same:
 *                0  key         16
 *               16  toolchain   32  of the entry, with zeros up to the end
 *               48  offset       8  of its packed bytes; the first are after the rows, others after those before
 *               56  packed size  4
 *               60  size         4  of the entry; the packed size when it is stored as it is, at most 255 times that
 *   packed   = an entry in the LZ4 block format, or as it is
 *   signer   = 32 bytes, an Ed25519 public key
 *   signature = 64 bytes, Ed25519 over all bytes before it
 *   checksum = 16 bytes, canonical XXH3-128 over all bytes before it
 *
 * Entries in a bundle have no time and no log, and what a driver refused is not said: the same kernels give the same
 * bytes. */
#ifndef FLASHJIT_CACHE_BUNDLE_H
#define FLASHJIT_CACHE_BUNDLE_H

#include "cache/entry.h"
#include "cache/paths.h"
#include "cache/signature.h"

/* No larger bundle is read or made. */
#define CACHE_BUNDLE_SIZE_MAX ((size_t)1 << 30)

/* The bytes are borrowed, and must not change. */
struct cache_bundle {
  const unsigned char *bytes;
  size_t size;
  uint32_t rows;
  const unsigned char *signer; /* NULL: not signed */
};

struct cache_bundle_row {
  struct cache_key key;
  char toolchain[CACHE_TOOLCHAIN_MAX + 1];
  const unsigned char *packed;
  uint32_t packed_size;
  uint32_t size;
};

/* Checks all of it, and with `wanted` that it is signed by that one. A bundle is opened whole or not at all. */
bool cache_bundle_open(const void *bytes, size_t size, const struct cache_signer *wanted, struct cache_bundle *bundle,
                       struct cache_reason *reason);

/* Row `number` below bundle->rows. */
struct cache_bundle_row cache_bundle_row(const struct cache_bundle *bundle, uint32_t number);

/* The first row of the key or after it; bundle->rows when there is none. */
uint32_t cache_bundle_first(const struct cache_bundle *bundle, const struct cache_key *key);

/* The bytes of the entry, row->size of them, malloc'ed. They are not verified yet. */
unsigned char *cache_bundle_unpack(const struct cache_bundle_row *row, struct cache_reason *reason);

#endif
