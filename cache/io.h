/* Every system call of the store goes through this table, so that a test can make any of them fail. Functions
 * return what their POSIX counterparts do: -1 and errno for failure. */
#ifndef FLASHJIT_CACHE_IO_H
#define FLASHJIT_CACHE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Called with the name of each member of a directory, "." and ".." left out. */
typedef void cache_visit(void *visitor, const char *name);

struct cache_io {
  void *context; /* first argument of every function; may be used by several threads at once */

  int (*open_at)(void *context, int directory, const char *path, int flags, mode_t mode);
  ssize_t (*read)(void *context, int file, void *buffer, size_t size);
  ssize_t (*write)(void *context, int file, const void *bytes, size_t size);
  int (*sync)(void *context, int file);
  int (*close)(void *context, int file);
  int (*status)(void *context, int file, struct stat *status);

  int (*status_at)(void *context, int directory, const char *name, struct stat *status); /* of a link itself */
  int (*rename_at)(void *context, int directory, const char *from, const char *to);
  int (*unlink_at)(void *context, int directory, const char *name);
  int (*make_directory_at)(void *context, int directory, const char *path, mode_t mode);
  int (*touch_at)(void *context, int directory, const char *name); /* modification time = now */
  int (*list)(void *context, int directory, cache_visit *visit, void *visitor);

  /* Takes or releases one byte of a file for this open file description, without waiting: -1 and EAGAIN when
   * another has it. */
  int (*lock)(void *context, int file, uint64_t offset, bool take);

  int64_t (*wall_seconds)(void *context); /* comparable with modification times */
  uint64_t (*monotonic_ms)(void *context);
  void (*pause_ms)(void *context, uint32_t ms);
  uint64_t (*random)(void *context);
};

extern const struct cache_io cache_io_posix;

#endif
