/* Keeps and writes the log of misses. */
#include "runtime/miss_log.h"

#include "flashjit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MODE = 0644 }; /* the umask applies */

void miss_log_free(struct miss_log *log) {
  free(log->keys);
  *log = (struct miss_log){.keys = NULL};
}

static bool grow(struct miss_log *log) {
  if (log->count < log->room)
    return true;
  const size_t room = 2 * log->room + 16;
  struct cache_key *keys = realloc(log->keys, room * sizeof *keys);
  if (!keys)
    return false;
  log->keys = keys;
  log->room = room;
  return true;
}

bool miss_log_is_new(struct miss_log *log, const struct cache_key *key) {
  for (size_t i = 0; i < log->count; i++) {
    if (cache_key_equal(&log->keys[i], key))
      return false;
  }
  if (grow(log))
    log->keys[log->count++] = *key;
  return true;
}

void miss_log_write(const struct cache_io *io, const char *path, const char *spec, struct cache_reason *reason) {
  char line[FI_SPEC_TEXT_SIZE + 1];
  const int size = snprintf(line, sizeof line, "%s\n", spec);
  const int file = io->open_at(io->context, AT_FDCWD, path,
                               O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
  cache_reason_clear(reason);
  if (file < 0) {
    cache_refuse(reason, "FLASHJIT_MISS_LOG: cannot open %s: %m", path);
    return;
  }
  if (io->write(io->context, file, line, (size_t)size) != size)
    cache_refuse(reason, "FLASHJIT_MISS_LOG: cannot write to %s: %m", path);
  io->close(io->context, file);
}
