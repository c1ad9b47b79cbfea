/* Goes through a cache directory by the store's own rules of trust. */
#include "cache/walk.h"

#include "cache/file.h"
#include "cache/paths.h"
#include "cache/verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct names {
  char **at;
  size_t count;
  size_t room;
  bool is_short; /* of memory */
};

static void add_name(void *visitor, const char *name) {
  struct names *names = visitor;
  if (names->count == names->room) {
    const size_t room = names->room * 2 + 64;
    char **at = realloc(names->at, room * sizeof *at);
    names->is_short |= !at;
    if (!at)
      return;
    names->at = at;
    names->room = room;
  }
  names->at[names->count] = strdup(name);
  names->is_short |= !names->at[names->count];
  names->count += names->at[names->count] ? 1 : 0;
}

static void free_names(struct names *names) {
  for (size_t i = 0; i < names->count; i++)
    free(names->at[i]);
  free(names->at);
}

struct walk {
  struct cache_layer layer;
  cache_walk_visit *visit;
  void *visitor;
  struct cache_walk_result *result;
  struct cache_reason *reason;
};

/* The name says the key and the toolchain, so an entry under another name would never be found. */
static bool is_entry_of_name(const struct cache_file *bytes, const char *name, struct cache_entry *entry,
                             struct cache_reason *why) {
  char expected[CACHE_FILE_NAME_SIZE];
  if (!cache_verify(bytes->bytes, bytes->size, NULL, entry, why))
    return false;
  cache_file_name(&entry->key, entry->toolchain, expected);
  return strcmp(name, expected) == 0 || cache_refuse(why, "the entry is not that of its name");
}

static enum cache_walk_state read_entry(const struct walk *walk, int directory, const char *name,
                                        struct cache_file *bytes, struct cache_entry *entry, struct cache_reason *why) {
  const enum cache_file_result result = cache_file_read(&walk->layer, directory, name, bytes, why);
  if (result == CACHE_FILE_DAMAGED)
    return CACHE_WALK_DAMAGED;
  if (result != CACHE_FILE_READ)
    return CACHE_WALK_UNREADABLE;
  return is_entry_of_name(bytes, name, entry, why) ? CACHE_WALK_ENTRY : CACHE_WALK_DAMAGED;
}

static void delete_file(const struct walk *walk, int directory, const char *name, const char *path) {
  const struct cache_io *io = walk->layer.io;
  if (io->unlink_at(io->context, directory, name) == 0) {
    walk->result->deleted++;
    return;
  }
  walk->result->undeleted++;
  cache_refuse(walk->reason, "%s: cannot be deleted: %m", path);
}

static void walk_file(const struct walk *walk, int directory, const char *subdirectory, const char *name) {
  const struct cache_io *io = walk->layer.io;
  struct cache_walk_file file = {.state = CACHE_WALK_FOREIGN};
  struct cache_file bytes = {.bytes = NULL};
  struct cache_reason why = {""};
  struct stat status;
  char *path;
  if (asprintf(&path, "%s/" CACHE_FORMAT_DIRECTORY "/%s/%s", walk->layer.root, subdirectory, name) < 0)
    return;
  if (io->status_at(io->context, directory, name, &status) == 0) {
    file.path = path;
    file.size = (uint64_t)status.st_size;
    file.used = (int64_t)status.st_mtime;
    if (cache_is_temporary_name(name))
      file.state = CACHE_WALK_TEMPORARY;
    else if (cache_is_file_name(name))
      file.state = read_entry(walk, directory, name, &bytes, &file.entry, &why);
    file.why = why.text;
    if (walk->visit(walk->visitor, &file))
      delete_file(walk, directory, name, path);
  }
  free(bytes.bytes);
  free(path);
}

/* The names first: files are deleted on the way. */
static bool list(const struct walk *walk, int directory, const char *what, struct names *names) {
  const struct cache_io *io = walk->layer.io;
  if (io->list(io->context, directory, add_name, names) != 0)
    return cache_refuse(walk->reason, "%s: cannot list %s: %m", walk->layer.root, what);
  return !names->is_short || cache_refuse(walk->reason, "no memory for the names in %s", what);
}

static bool walk_subdirectory(const struct walk *walk, int entries, const char *name) {
  const struct cache_io *io = walk->layer.io;
  struct names names = {.at = NULL};
  const int directory = cache_layer_open_below(&walk->layer, entries, name, false, walk->reason);
  if (directory < 0)
    return errno == ENOENT;
  const bool is_listed = list(walk, directory, name, &names);
  for (size_t i = 0; i < names.count; i++)
    walk_file(walk, directory, name, names.at[i]);
  free_names(&names);
  io->close(io->context, directory);
  return is_listed;
}

static bool walk_entries(const struct walk *walk, int entries) {
  bool is_whole = true;
  for (unsigned i = 0; i < CACHE_SUBDIRECTORIES; i++) {
    char name[CACHE_SUBDIRECTORY_SIZE];
    snprintf(name, sizeof name, "%02x", i);
    is_whole &= walk_subdirectory(walk, entries, name);
  }
  return is_whole;
}

/* Opened as one that is only read: it is not made, and root may own it. */
bool cache_walk(const char *root, const struct cache_io *io, cache_walk_visit *visit, void *visitor,
                struct cache_walk_result *result, struct cache_reason *reason) {
  struct walk walk = {
      .layer = {.io = io, .root = strdup(root), .owner = geteuid(), .entries = -1},
      .visit = visit,
      .visitor = visitor,
      .result = result,
      .reason = reason,
  };
  cache_reason_clear(reason);
  *result = (struct cache_walk_result){0};
  if (!walk.layer.root)
    return cache_refuse(reason, "no memory for a path");
  const int top = cache_layer_open_root(&walk.layer, reason);
  const int entries = top < 0 ? -1 : cache_layer_open_below(&walk.layer, top, CACHE_FORMAT_DIRECTORY, false, reason);
  result->is_open = entries >= 0 || errno == ENOENT;
  const bool is_whole = result->is_open && (entries < 0 || walk_entries(&walk, entries));
  if (entries >= 0)
    io->close(io->context, entries);
  if (top >= 0)
    io->close(io->context, top);
  free(walk.layer.root);
  return is_whole;
}
