/* Compression of entries in a bundle: the LZ4 block format, which is public, short and unpacks fast. */
#ifndef FLASHJIT_CACHE_LZ_H
#define FLASHJIT_CACHE_LZ_H

#include <stdbool.h>
#include <stddef.h>

/* Fills `bytes` when `packed` stands for exactly `size` bytes; else false. Reads and writes nothing beyond them. */
bool cache_lz_unpack(const void *packed, size_t packed_size, void *bytes, size_t size);

/* No packed bytes of this count stand for more: what is read of them may say any size. */
size_t cache_lz_most(size_t packed_size);

/* Packs less than 2 GiB into at most cache_lz_bound(size) bytes. The same bytes always give the same. Returns their
 * count, or 0 when memory runs out. */
size_t cache_lz_bound(size_t size);
size_t cache_lz_pack(const void *bytes, size_t size, void *packed);

/* The same of the fewest bytes, which takes longer, and 16 bytes of memory for each. */
size_t cache_lz_pack_small(const void *bytes, size_t size, void *packed);

#endif
