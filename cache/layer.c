/* Opens and makes the directories of a layer. */
#include "cache/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECTORY_MODE = 0700 };

bool cache_layer_trusts(const struct cache_layer *layer, const struct stat *status) {
  bool owner_trusted = status->st_uid == layer->owner || (!layer->writable && status->st_uid == 0);
  return owner_trusted && (status->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int close_with(const struct cache_layer *layer, int file, int error) {
  layer->io->close(layer->io->context, file);
  errno = error;
  return -1;
}

static int open_trusted(const struct cache_layer *layer, int parent, const char *path, int flags,
                        struct cache_reason *reason) {
  const struct cache_io *io = layer->io;
  int directory = io->open_at(io->context, parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags, 0);
  if (directory < 0) {
    if (errno != ENOENT)
      cache_refuse(reason, "%s: cannot open directory %s: %m", layer->root, path);
    return -1;
  }
  struct stat status;
  if (io->status(io->context, directory, &status) != 0) {
    cache_refuse(reason, "%s: cannot check directory %s: %m", layer->root, path);
    return close_with(layer, directory, errno);
  }
  if (!cache_layer_trusts(layer, &status)) {
    cache_refuse(reason, "%s: directory %s with owner %lu and mode %04o is open to others", layer->root, path,
                 (unsigned long)status.st_uid, (unsigned)status.st_mode & 07777);
    return close_with(layer, directory, EPERM);
  }
  return directory;
}

static bool make_directory(const struct cache_layer *layer, int parent, const char *path, struct cache_reason *reason) {
  if (layer->io->make_directory_at(layer->io->context, parent, path, DIRECTORY_MODE) == 0 || errno == EEXIST)
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
    layer->io->make_directory_at(layer->io->context, AT_FDCWD, path, DIRECTORY_MODE);
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
