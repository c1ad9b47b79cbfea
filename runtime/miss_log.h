/* The file that gets the spec of every kernel that no cache had, for `flashjit build --specs`. */
#ifndef RUNTIME_MISS_LOG_H
#define RUNTIME_MISS_LOG_H

#include "cache/io.h"
#include "cache/key.h"
#include "cache/reason.h"

/* Keys that are in the file already, of one context. All zero is empty. */
struct miss_log {
  struct cache_key *keys;
  size_t count;
  size_t room;
};

void miss_log_free(struct miss_log *log);

/* Whether the key is new; then it is not any more. Also when memory is short: a line twice is better than none. */
bool miss_log_is_new(struct miss_log *log, const struct cache_key *key);

/* Adds a line in one write, so that lines of several processes do not mix. */
void miss_log_write(const struct cache_io *io, const char *path, const char *spec, struct cache_reason *reason);

#endif
