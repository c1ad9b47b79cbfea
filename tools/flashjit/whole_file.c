/* Reads and writes whole files. */
#include "tools/flashjit/whole_file.h"

#include "tools/flashjit/cli.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned char *read_open(FILE *file, size_t *size) {
  struct stat status;
  if (fstat(fileno(file), &status) != 0)
    return NULL;
  if (!S_ISREG(status.st_mode)) {
    errno = EISDIR;
    return NULL;
  }
  *size = (size_t)status.st_size;
  unsigned char *bytes = malloc(*size + 1);
  if (!bytes)
    return NULL;
  if (fread(bytes, 1, *size, file) != *size) {
    free(bytes);
    return NULL;
  }
  bytes[*size] = '\0';
  return bytes;
}

unsigned char *whole_file_read(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  unsigned char *bytes = file ? read_open(file, size) : NULL;
  if (!bytes)
    complain("%s: %s", path, strerror(errno));
  if (file)
    fclose(file);
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

bool whole_file_write(const char *path, const void *bytes, size_t size) {
  char *temporary;
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
