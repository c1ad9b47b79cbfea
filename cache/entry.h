/* One compiled kernel in memory, and its encoding as one self-describing checksummed block of bytes. */
#ifndef FLASHJIT_CACHE_ENTRY_H
#define FLASHJIT_CACHE_ENTRY_H

#include "cache/key.h"
#include "cache/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nothing larger is written or read. */
#define CACHE_ENTRY_SIZE_MAX ((size_t)64 << 20)

/* What the compiler reported of the kernel, and what its launch needs. All zero but `threads` for PTX, which
 * has no registers yet. */
struct cache_facts {
  uint32_t registers;      /* per thread */
  uint32_t static_shared;  /* bytes per CTA */
  uint32_t dynamic_shared; /* bytes per CTA */
  uint32_t spill_bytes;    /* stores and loads together */
  uint32_t local_bytes;    /* stack frame of a thread */
  uint32_t threads;        /* per CTA */
  uint32_t min_blocks;     /* CTAs per SM that the kernel was compiled for; 0 when it did not say */
};

/* Strings are NUL-terminated. All pointers are borrowed: from the caller for encoding, from the encoded bytes
 * after decoding. */
struct cache_entry {
  struct cache_key key;
  const char *toolchain; /* "nv13.0-1a2b3c4d"; part of a file name, see cache_toolchain_valid */
  const char *target;    /* "sm_90a": the image is a cubin; "compute_90a": it is PTX */
  const char *spec;      /* canonical text form */
  const char *options;   /* of the compiler, joined by spaces */
  const char *symbol;    /* entry point in the image */
  const char *log;       /* of the compiler; may be empty */
  const char *snippet;   /* C text of the caller's in the kernel; NULL: none */
  const void *image;
  size_t image_size;
  struct cache_facts facts;
  uint32_t choice;          /* number of the source that was compiled, of those that the key's owner may choose from */
  struct cache_key variant; /* the key that this source has itself; not read for choice 0, where it is `key` */
  uint32_t refused_by;      /* version of the driver that would not load the image when it was made; 0: none */
  uint64_t created;         /* seconds since 1970; information only */
};

/* Encodes into a malloc'ed block that the caller frees. Refuses what cache_entry_decode would refuse. */
bool cache_entry_encode(const struct cache_entry *entry, unsigned char **bytes, size_t *size,
                        struct cache_reason *reason);

/* Checks everything about the block but the image itself (see image.h) and, when `key` is not NULL, that the
 * entry belongs to it. Copies nothing: `entry` is valid for as long as `bytes` is. */
bool cache_entry_decode(const void *bytes, size_t size, const struct cache_key *key, struct cache_entry *entry,
                        struct cache_reason *reason);

#endif
