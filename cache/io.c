/* The system calls themselves. */
#include "cache/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static int system_open_at(void *context, int directory, const char *path, int flags, mode_t mode) {
  (void)context;
  return openat(directory, path, flags, mode);
}

static ssize_t system_read(void *context, int file, void *buffer, size_t size) {
  (void)context;
  return read(file, buffer, size);
}

static ssize_t system_write(void *context, int file, const void *bytes, size_t size) {
  (void)context;
  return write(file, bytes, size);
}

static int system_sync(void *context, int file) {
  (void)context;
  return fsync(file);
}

static int system_close(void *context, int file) {
  (void)context;
  return close(file);
}

static int system_status(void *context, int file, struct stat *status) {
  (void)context;
  return fstat(file, status);
}

static int system_status_at(void *context, int directory, const char *name, struct stat *status) {
  (void)context;
  return fstatat(directory, name, status, AT_SYMLINK_NOFOLLOW);
}

static int system_rename_at(void *context, int directory, const char *from, const char *to) {
  (void)context;
  return renameat(directory, from, directory, to);
}

static int system_unlink_at(void *context, int directory, const char *name) {
  (void)context;
  return unlinkat(directory, name, 0);
}

static int system_make_directory_at(void *context, int directory, const char *path, mode_t mode) {
  (void)context;
  return mkdirat(directory, path, mode);
}

static int system_touch_at(void *context, int directory, const char *name) {
  (void)context;
  return utimensat(directory, name, NULL, AT_SYMLINK_NOFOLLOW);
}

/* Opens the directory anew: reading it would otherwise move the position that all users of `directory` share.
 */
static int system_list(void *context, int directory, cache_visit *visit, void *visitor) {
  (void)context;
  int file = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0)
    return -1;
  DIR *stream = fdopendir(file);
  if (!stream) {
    close(file);
    return -1;
  }
  struct dirent *member;
  errno = 0;
  while ((member = readdir(stream))) {
    if (strcmp(member->d_name, ".") != 0 && strcmp(member->d_name, "..") != 0)
      visit(visitor, member->d_name);
    errno = 0;
  }
  int error = errno;
  closedir(stream);
  errno = error;
  return error == 0 ? 0 : -1;
}

/* Open file description locks belong to the descriptor and not to the process: threads exclude each other
 * too, and they go away with a crash. */
static int system_lock(void *context, int file, uint64_t offset, bool take) {
  (void)context;
  struct flock range = {
      .l_type = take ? F_WRLCK : F_UNLCK,
      .l_whence = SEEK_SET,
      .l_start = (off_t)offset,
      .l_len = 1,
  };
  int result = fcntl(file, F_OFD_SETLK, &range);
  if (result < 0 && errno == EACCES)
    errno = EAGAIN;
  return result;
}

static int64_t system_wall_seconds(void *context) {
  (void)context;
  return (int64_t)time(NULL);
}

static uint64_t system_monotonic_ms(void *context) {
  (void)context;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void system_pause_ms(void *context, uint32_t ms) {
  (void)context;
  struct timespec length = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
  nanosleep(&length, NULL);
}

/* Only makes names unlikely to collide; a collision is noticed. So the clock will do where there is no
 * entropy. */
static uint64_t system_random(void *context) {
  (void)context;
  uint64_t value;
  if (getrandom(&value, sizeof value, GRND_NONBLOCK) == (ssize_t)sizeof value)
    return value;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec << 32 ^ (uint64_t)now.tv_nsec;
}

const struct cache_io cache_io_posix = {
    .open_at = system_open_at,
    .read = system_read,
    .write = system_write,
    .sync = system_sync,
    .close = system_close,
    .status = system_status,
    .status_at = system_status_at,
    .rename_at = system_rename_at,
    .unlink_at = system_unlink_at,
    .make_directory_at = system_make_directory_at,
    .touch_at = system_touch_at,
    .list = system_list,
    .lock = system_lock,
    .wall_seconds = system_wall_seconds,
    .monotonic_ms = system_monotonic_ms,
    .pause_ms = system_pause_ms,
    .random = system_random,
};
