/* POSIX calls with failures in between. */
#include "fault.h"

#include <errno.h>
#include <signal.h>

static bool fails(struct fault *state, unsigned operation) {
  if ((state->operations & operation) == 0)
    return false;
  state->calls++;
  if (state->calls == state->kill_at)
    raise(SIGKILL);
  if (state->fail_at == 0 || state->calls < state->fail_at || (state->calls > state->fail_at && !state->lasting))
    return false;
  errno = state->error;
  return true;
}

static size_t limited(const struct fault *state, size_t size) {
  return state->chunk != 0 && size > state->chunk ? state->chunk : size;
}

static int fault_open_at(void *context, int directory, const char *path, int flags, mode_t mode) {
  struct fault *state = context;
  if (fails(state, FAULT_OPEN))
    return -1;
  int file = cache_io_posix.open_at(NULL, directory, path, flags, mode);
  state->open_files += file >= 0;
  return file;
}

static ssize_t fault_read(void *context, int file, void *buffer, size_t size) {
  struct fault *state = context;
  return fails(state, FAULT_READ) ? -1 : cache_io_posix.read(NULL, file, buffer, limited(state, size));
}

static ssize_t fault_write(void *context, int file, const void *bytes, size_t size) {
  struct fault *state = context;
  return fails(state, FAULT_WRITE) ? -1 : cache_io_posix.write(NULL, file, bytes, limited(state, size));
}

static int fault_sync(void *context, int file) {
  return fails(context, FAULT_SYNC) ? -1 : cache_io_posix.sync(NULL, file);
}

/* The descriptor is gone even when close reports an error. */
static int fault_close(void *context, int file) {
  struct fault *state = context;
  int result = cache_io_posix.close(NULL, file);
  state->open_files--;
  return fails(state, FAULT_CLOSE) ? -1 : result;
}

static int fault_status(void *context, int file, struct stat *status) {
  struct fault *state = context;
  if (fails(state, FAULT_STATUS))
    return -1;
  int result = cache_io_posix.status(NULL, file, status);
  if (state->fake_owner)
    status->st_uid = state->owner;
  return result;
}

static int fault_status_at(void *context, int directory, const char *name, struct stat *status) {
  return fails(context, FAULT_STATUS_AT) ? -1 : cache_io_posix.status_at(NULL, directory, name, status);
}

static int fault_rename_at(void *context, int directory, const char *from, const char *to) {
  struct fault *state = context;
  if (state->kill_at_rename)
    raise(SIGKILL);
  if (!fails(state, FAULT_RENAME))
    return cache_io_posix.rename_at(NULL, directory, from, to);
  if (state->late)
    cache_io_posix.rename_at(NULL, directory, from, to);
  errno = state->error;
  return -1;
}

static int fault_unlink_at(void *context, int directory, const char *name) {
  const struct fault *state = context;
  if (!fails(context, FAULT_UNLINK))
    return cache_io_posix.unlink_at(NULL, directory, name);
  if (state->late)
    cache_io_posix.unlink_at(NULL, directory, name);
  errno = state->error;
  return -1;
}

static int fault_make_directory_at(void *context, int directory, const char *path, mode_t mode) {
  return fails(context, FAULT_MAKE_DIRECTORY) ? -1 : cache_io_posix.make_directory_at(NULL, directory, path, mode);
}

static int fault_touch_at(void *context, int directory, const char *name) {
  return fails(context, FAULT_TOUCH) ? -1 : cache_io_posix.touch_at(NULL, directory, name);
}

static int fault_list(void *context, int directory, cache_visit *visit, void *visitor) {
  return fails(context, FAULT_LIST) ? -1 : cache_io_posix.list(NULL, directory, visit, visitor);
}

static int fault_lock(void *context, int file, uint64_t offset, bool take) {
  return fails(context, FAULT_LOCK) ? -1 : cache_io_posix.lock(NULL, file, offset, take);
}

static uint64_t fault_monotonic_ms(void *context) {
  struct fault *state = context;
  return state->fake_clock ? state->clock_ms : cache_io_posix.monotonic_ms(NULL);
}

static void fault_pause_ms(void *context, uint32_t ms) {
  struct fault *state = context;
  if (state->fake_clock)
    state->clock_ms += ms;
  else
    cache_io_posix.pause_ms(NULL, ms);
}

struct cache_io fault_io(struct fault *state) {
  struct cache_io io = cache_io_posix;
  io.context = state;
  io.open_at = fault_open_at;
  io.read = fault_read;
  io.write = fault_write;
  io.sync = fault_sync;
  io.close = fault_close;
  io.status = fault_status;
  io.status_at = fault_status_at;
  io.rename_at = fault_rename_at;
  io.unlink_at = fault_unlink_at;
  io.make_directory_at = fault_make_directory_at;
  io.touch_at = fault_touch_at;
  io.list = fault_list;
  io.lock = fault_lock;
  io.monotonic_ms = fault_monotonic_ms;
  io.pause_ms = fault_pause_ms;
  return io;
}
