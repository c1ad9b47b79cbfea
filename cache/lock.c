/* Single flight between processes: one lock file, one byte of it per key. The file is never deleted, since a
 * lock on a deleted file excludes nobody. */
#include "cache/store_internal.h"

#include "cache/bytes.h"
#include "cache/paths.h"

#include <errno.h>
#include <fcntl.h>

enum { LOCK_FILE_MODE = 0600, PAUSE_MS_MAX = 64 };

/* Opens the file anew each time, for locks belong to the open file: two threads with one would share the
 * lock. */
enum cache_lock_result cache_lock_try(struct cache_store *store, uint64_t offset, struct cache_lock *lock,
                                      struct cache_reason *reason) {
  const struct cache_io *io = &store->io;
  *lock = (struct cache_lock){.file = -1, .offset = offset};
  if (store->lock_directory < 0)
    return CACHE_LOCK_UNAVAILABLE;
  int file = io->open_at(io->context, store->lock_directory, CACHE_LOCK_FILE,
                         O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, LOCK_FILE_MODE);
  if (file < 0) {
    cache_refuse(reason, "cannot open the lock file: %m");
    return CACHE_LOCK_UNAVAILABLE;
  }
  if (io->lock(io->context, file, offset, true) == 0) {
    lock->file = file;
    return CACHE_LOCK_HELD;
  }
  int error = errno;
  io->close(io->context, file);
  if (error == EAGAIN)
    return CACHE_LOCK_BUSY;
  errno = error;
  cache_refuse(reason, "cannot lock: %m");
  return CACHE_LOCK_UNAVAILABLE;
}

enum cache_lock_result cache_store_lock(struct cache_store *store, const struct cache_key *key, uint32_t wait_ms,
                                        struct cache_lock *lock, struct cache_reason *reason) {
  cache_reason_clear(reason);
  const struct cache_io *io = &store->io;
  uint64_t offset = bytes_get_u64(key->bytes) % CACHE_LOCK_KEYS;
  uint64_t begin = io->monotonic_ms(io->context);
  uint32_t pause_ms = 1;
  for (;;) {
    enum cache_lock_result result = cache_lock_try(store, offset, lock, reason);
    uint64_t waited = io->monotonic_ms(io->context) - begin;
    if (result != CACHE_LOCK_BUSY || waited >= wait_ms)
      return result;
    uint64_t left = wait_ms - waited;
    io->pause_ms(io->context, left < pause_ms ? (uint32_t)left : pause_ms);
    pause_ms = pause_ms < PAUSE_MS_MAX ? pause_ms * 2 : PAUSE_MS_MAX;
  }
}

/* Releases before it closes: a child forked meanwhile has the same open file, and would go on holding the
 * lock. */
void cache_store_unlock(struct cache_store *store, struct cache_lock *lock) {
  if (lock->file < 0)
    return;
  store->io.lock(store->io.context, lock->file, lock->offset, false);
  store->io.close(store->io.context, lock->file);
  lock->file = -1;
}
