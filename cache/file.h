/* Whole files: read after checking who could have written them, written by temporary file and rename. */
#ifndef FLASHJIT_CACHE_FILE_H
#define FLASHJIT_CACHE_FILE_H

#include "cache/layer.h"

enum cache_file_result {
  CACHE_FILE_READ,
  CACHE_FILE_ABSENT,
  CACHE_FILE_UNREADABLE, /* an error, or not to be trusted: says nothing about the bytes */
  CACHE_FILE_DAMAGED     /* trusted, but of no possible size */
};

struct cache_file {
  unsigned char *bytes; /* malloc'ed */
  size_t size;
  int64_t modified; /* seconds since 1970 */
};

/* Tells a reason for the last two results. Reads with read and not mmap: a file that is cut short while it is
 * mapped kills the process. */
enum cache_file_result cache_file_read(const struct cache_layer *layer, int directory, const char *name,
                                       struct cache_file *file, struct cache_reason *reason);

/* The same for the file that is the layer's root, of at most `most` bytes. The root may be a symbolic link. */
enum cache_file_result cache_file_read_root(const struct cache_layer *layer, size_t most, struct cache_file *file,
                                            struct cache_reason *reason);

/* Makes `name` appear in the directory with these bytes, whole or not at all, in place of what was there.
 * With `sync` it is also on the disk. Returns 0, or the error that stopped it and a reason. */
int cache_file_write(const struct cache_layer *layer, int directory, const char *name, const void *bytes, size_t size,
                     bool sync, struct cache_reason *reason);

#endif
