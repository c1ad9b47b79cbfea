/* Reads and writes whole files. */
#include "tools/flashjit/whole_file.h"

#include "cache/bundle.h"
#include "tools/flashjit/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Why a file of this kind is neither read nor replaced; NULL where it is regular. */
static const char *refusal_of(mode_t mode) {
  return S_ISREG(mode) ? NULL : S_ISDIR(mode) ? "a folder" : "not a regular file";
}

/* Why not is in *reason, where it is not NULL, or in errno. */
static unsigned char *read_open(FILE *file, size_t *size, const char **reason) {
  struct stat status;
  if (fstat(fileno(file), &status) != 0)
    return NULL;
  *reason = refusal_of(status.st_mode);
  if (!*reason && (size_t)status.st_size > CACHE_BUNDLE_SIZE_MAX) /* a bundle is the largest of what is read */
    *reason = "larger than 1 GiB";
  if (*reason)
    return NULL;
  *size = (size_t)status.st_size;
  unsigned char *bytes = malloc(*size + 1);
  if (!bytes)
    return NULL;
  if (fread(bytes, 1, *size, file) != *size) {
    *reason = ferror(file) ? NULL : "it grew shorter while it was read";
    free(bytes);
    return NULL;
  }
  bytes[*size] = '\0';
  return bytes;
}

unsigned char *whole_file_read(const char *path, size_t *size) {
  const char *reason = NULL;
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer does not hang */
  FILE *file = descriptor >= 0 ? fdopen(descriptor, "rb") : NULL;
  unsigned char *bytes = file ? read_open(file, size, &reason) : NULL;
  if (!bytes)
    complain("%s: %s", path, reason ? reason : strerror(errno));
  if (file)
    fclose(file);
  else if (descriptor >= 0)
    close(descriptor);
  return bytes;
}

static bool write_open(int descriptor, const void *bytes, size_t size) {
  FILE *file = fdopen(descriptor, "wb");
  if (!file)
    return false;
  const bool is_written = fwrite(bytes, 1, size, file) == size && fflush(file) == 0;
  const mode_t mask = umask(0);
  umask(mask);
  return fchmod(descriptor, 0666 & ~mask) == 0 && fclose(file) == 0 && is_written;
}

/* A device or a folder would be gone. */
static bool may_replace(const char *path) {
  struct stat status;
  const char *reason = stat(path, &status) == 0 ? refusal_of(status.st_mode) : NULL;
  if (reason)
    complain("%s: cannot be written: %s", path, reason);
  return !reason;
}

/* Whether a file may be made in the folder of the path. */
static bool folder_takes(const char *path) {
  char *copy = strdup(path);
  const bool takes = copy && access(dirname(copy), W_OK | X_OK) == 0;
  free(copy);
  if (!takes)
    complain("%s: cannot be written: %s", path, strerror(errno));
  return takes;
}

static bool has_name(const char *path) {
  if (!*path)
    complain("\"\": cannot be written: it names no file");
  return *path;
}

bool whole_file_check(const char *path) {
  return has_name(path) && may_replace(path) && folder_takes(path);
}

/*
 * Whether somebody reads a pipe: else to open it would wait for ever. What is opened here stays open until the process
 * ends, since the reader would see an end.
 */
static bool is_read(const char *path) {
  return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) >= 0;
}

bool output_file_check(const char *path) {
  struct stat status;
  if (!has_name(path))
    return false;
  if (stat(path, &status) != 0)
    return folder_takes(path);
  const char *reason = S_ISDIR(status.st_mode) ? refusal_of(status.st_mode) : NULL;
  if (!reason && S_ISFIFO(status.st_mode) && !is_read(path))
    reason = errno == ENXIO ? "a pipe that nobody reads" : strerror(errno);
  if (!reason && access(path, W_OK) != 0)
    reason = strerror(errno);
  if (reason)
    complain("%s: cannot be written: %s", path, reason);
  return !reason;
}

bool whole_file_write(const char *path, const void *bytes, size_t size) {
  char *temporary;
  if (!may_replace(path))
    return false;
  if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
    complain("out of memory");
    return false;
  }
  const int descriptor = mkstemp(temporary);
  const bool is_written = descriptor >= 0 && write_open(descriptor, bytes, size) && rename(temporary, path) == 0;
  if (!is_written) {
    complain("%s: cannot be written: %s", path, strerror(errno));
    if (descriptor >= 0)
      unlink(temporary);
  }
  free(temporary);
  return is_written;
}
