/* Opens and makes the directories of a layer. */
#include "cache/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* The umask applies. */
static mode_t directory_mode(const struct cache_layer *layer) {
  return layer->shared ? 0755 : 0700;
}

mode_t cache_layer_file_mode(const struct cache_layer *layer) {
  return layer->shared ? 0644 : 0600;
}

bool cache_layer_trusts(const struct cache_layer *layer, const char *what, const struct stat *status,
                        struct cache_reason *reason) {
  const unsigned long owner = status->st_uid;
  const unsigned mode = status->st_mode & 07777;
  if (owner != layer->owner && (layer->writable || owner != 0))
    return cache_refuse(reason, "%s: %s belongs to user %lu, who is not trusted; it must be %s%lu", layer->root, what,
                        owner, layer->writable ? "" : "root or ", (unsigned long)layer->owner);
  if (mode & S_IWOTH)
    return cache_refuse(reason, "%s: %s may be written by anybody (mode %04o)", layer->root, what, mode);
  if ((mode & S_IWGRP) && (layer->writable || status->st_gid != 0))
    return cache_refuse(reason, "%s: %s may be written by its group, %lu (mode %04o)", layer->root, what,
                        (unsigned long)status->st_gid, mode);
  return true;
}

static int close_with(const struct cache_layer *layer, int file, int error) {
  layer->io->close(layer->io->context, file);
  errno = error;
  return -1;
}

/* That it just does not exist is no reason; errno is preserved. */
static void refuse_unopened(const struct cache_layer *layer, const char *path, struct cache_reason *reason) {
  const char *hint = layer->writable ? ""
                                     : ", as it is for its owner alone; what flashjit build makes, or a program "
                                       "with FLASHJIT_CACHE_SHARED=1, others may read";
  if (errno != ENOENT)
    cache_refuse(reason, "%s: cannot open directory %s: %m%s", layer->root, path, errno == EACCES ? hint : "");
}

static int open_trusted(const struct cache_layer *layer, int parent, const char *path, int flags,
                        struct cache_reason *reason) {
  const struct cache_io *io = layer->io;
  int directory = io->open_at(io->context, parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags, 0);
  if (directory < 0) {
    refuse_unopened(layer, path, reason);
    return -1;
  }
  struct stat status;
  if (io->status(io->context, directory, &status) != 0) {
    cache_refuse(reason, "%s: cannot check directory %s: %m", layer->root, path);
    return close_with(layer, directory, errno);
  }
  if (!cache_layer_trusts(layer, path, &status, reason))
    return close_with(layer, directory, EPERM);
  return directory;
}

static bool make_directory(const struct cache_layer *layer, int parent, const char *path, struct cache_reason *reason) {
  if (layer->io->make_directory_at(layer->io->context, parent, path, directory_mode(layer)) == 0 || errno == EEXIST)
    return true;
  return cache_refuse(reason, "%s: cannot make directory %s: %m", layer->root, path);
}

/* Failures to make a parent show when its child is made. */
static void make_parents(const struct cache_layer *layer) {
  char *path = strdup(layer->root);
  if (!path)
    return;
  for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    layer->io->make_directory_at(layer->io->context, AT_FDCWD, path, directory_mode(layer));
    *slash = '/';
  }
  free(path);
}

int cache_layer_open_root(const struct cache_layer *layer, struct cache_reason *reason) {
  int root = open_trusted(layer, AT_FDCWD, layer->root, 0, reason);
  if (root >= 0 || errno != ENOENT || !layer->writable)
    return root;
  make_parents(layer);
  if (!make_directory(layer, AT_FDCWD, layer->root, reason))
    return -1;
  return open_trusted(layer, AT_FDCWD, layer->root, 0, reason);
}

int cache_layer_open_below(const struct cache_layer *layer, int parent, const char *name, bool create,
                           struct cache_reason *reason) {
  int directory = open_trusted(layer, parent, name, O_NOFOLLOW, reason);
  if (directory >= 0 || errno != ENOENT || !create)
    return directory;
  if (!make_directory(layer, parent, name, reason))
    return -1;
  return open_trusted(layer, parent, name, O_NOFOLLOW, reason);
}
