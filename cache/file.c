/* Reads and writes whole files. */
#include "cache/file.h"

#include "cache/entry.h"
#include "cache/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEMPORARY_NAME_ATTEMPTS = 4 };

/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
enum { READ_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK };
enum { WRITE_FLAGS = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW };

/* The count of bytes read, less than `size` at the end of the file; or -1. */
static ssize_t read_up_to(const struct cache_io *io, int file, unsigned char *bytes, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t count = io->read(io->context, file, bytes + done, size - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return -1;
    if (count == 0)
      break;
    done += (size_t)count;
  }
  return (ssize_t)done;
}

static enum cache_file_result read_open_file(const struct cache_layer *layer, int descriptor, const char *name,
                                             size_t most, struct cache_file *file, struct cache_reason *reason) {
  const struct cache_io *io = layer->io;
  struct stat status;
  if (io->status(io->context, descriptor, &status) != 0) {
    cache_refuse(reason, "%s: cannot check %s: %m", layer->root, name);
    return CACHE_FILE_UNREADABLE;
  }
  if (!S_ISREG(status.st_mode)) {
    cache_refuse(reason, "%s: %s is no regular file", layer->root, name);
    return CACHE_FILE_UNREADABLE;
  }
  if (!cache_layer_trusts(layer, name, &status, reason))
    return CACHE_FILE_UNREADABLE;
  if (status.st_size <= 0 || (uint64_t)status.st_size > most) {
    cache_refuse(reason, "%s: %s has %lld bytes", layer->root, name, (long long)status.st_size);
    return CACHE_FILE_DAMAGED;
  }
  file->size = (size_t)status.st_size;
  file->modified = (int64_t)status.st_mtime;
  file->bytes = malloc(file->size);
  if (!file->bytes) {
    cache_refuse(reason, "no memory for %s of %zu bytes", name, file->size);
    return CACHE_FILE_UNREADABLE;
  }
  ssize_t count = read_up_to(io, descriptor, file->bytes, file->size);
  if (count == (ssize_t)file->size)
    return CACHE_FILE_READ;
  if (count < 0)
    cache_refuse(reason, "%s: cannot read %s: %m", layer->root, name);
  else
    cache_refuse(reason, "%s: %s became shorter while it was read", layer->root, name);
  free(file->bytes);
  file->bytes = NULL;
  return CACHE_FILE_UNREADABLE;
}

static enum cache_file_result read_file(const struct cache_layer *layer, int directory, const char *name, int flags,
                                        size_t most, struct cache_file *file, struct cache_reason *reason) {
  const struct cache_io *io = layer->io;
  int descriptor = io->open_at(io->context, directory, name, READ_FLAGS | flags, 0);
  if (descriptor < 0 && errno == ENOENT)
    return CACHE_FILE_ABSENT;
  if (descriptor < 0) {
    cache_refuse(reason, "%s: cannot open %s: %m", layer->root, name);
    return CACHE_FILE_UNREADABLE;
  }
  enum cache_file_result result = read_open_file(layer, descriptor, name, most, file, reason);
  io->close(io->context, descriptor);
  return result;
}

enum cache_file_result cache_file_read(const struct cache_layer *layer, int directory, const char *name,
                                       struct cache_file *file, struct cache_reason *reason) {
  return read_file(layer, directory, name, O_NOFOLLOW, CACHE_ENTRY_SIZE_MAX, file, reason);
}

enum cache_file_result cache_file_read_root(const struct cache_layer *layer, size_t most, struct cache_file *file,
                                            struct cache_reason *reason) {
  return read_file(layer, AT_FDCWD, layer->root, 0, most, file, reason);
}

static int write_all(const struct cache_io *io, int file, const unsigned char *bytes, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t count = io->write(io->context, file, bytes + done, size - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return count < 0 ? errno : EIO;
    done += (size_t)count;
  }
  return 0;
}

static int create_temporary(const struct cache_layer *layer, int directory, char name[CACHE_TEMPORARY_NAME_SIZE]) {
  const struct cache_io *io = layer->io;
  int descriptor = -1;
  errno = EEXIST;
  for (int i = 0; i < TEMPORARY_NAME_ATTEMPTS && descriptor < 0 && errno == EEXIST; i++) {
    cache_temporary_name((long)getpid(), io->random(io->context), name);
    descriptor = io->open_at(io->context, directory, name, WRITE_FLAGS, cache_layer_file_mode(layer));
  }
  return descriptor;
}

static int write_and_close(const struct cache_io *io, int descriptor, const void *bytes, size_t size, bool sync) {
  int error = write_all(io, descriptor, bytes, size);
  if (error == 0 && sync && io->sync(io->context, descriptor) != 0)
    error = errno;
  if (io->close(io->context, descriptor) != 0 && error == 0)
    error = errno;
  return error;
}

int cache_file_write(const struct cache_layer *layer, int directory, const char *name, const void *bytes, size_t size,
                     bool sync, struct cache_reason *reason) {
  const struct cache_io *io = layer->io;
  char temporary[CACHE_TEMPORARY_NAME_SIZE];
  int descriptor = create_temporary(layer, directory, temporary);
  if (descriptor < 0) {
    int error = errno;
    cache_refuse(reason, "%s: cannot create a file: %m", layer->root);
    return error;
  }
  int error = write_and_close(io, descriptor, bytes, size, sync);
  if (error == 0 && io->rename_at(io->context, directory, temporary, name) != 0)
    error = errno;
  if (error != 0)
    io->unlink_at(io->context, directory, temporary);
  else if (sync && io->sync(io->context, directory) != 0)
    error = errno;
  errno = error;
  if (error != 0)
    cache_refuse(reason, "%s: cannot write %s: %m", layer->root, name);
  return error;
}
