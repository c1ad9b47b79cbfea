/* Goes through all files of a cache directory, for programs that look after it. Not part of the library. */
#ifndef FLASHJIT_CACHE_WALK_H
#define FLASHJIT_CACHE_WALK_H

#include "cache/entry.h"
#include "cache/io.h"

enum cache_walk_state {
  CACHE_WALK_ENTRY,      /* undamaged */
  CACHE_WALK_DAMAGED,    /* not what its name says */
  CACHE_WALK_UNREADABLE, /* not to be read, or not to be trusted */
  CACHE_WALK_TEMPORARY,  /* left behind, or being written */
  CACHE_WALK_FOREIGN     /* no file of the cache */
};

struct cache_walk_file {
  enum cache_walk_state state;
  const char *path;
  uint64_t size;
  int64_t used;             /* seconds since 1970: modification time */
  struct cache_entry entry; /* of CACHE_WALK_ENTRY */
  const char *why;          /* of DAMAGED and UNREADABLE */
};

/* True: the file is deleted. */
typedef bool cache_walk_visit(void *visitor, const struct cache_walk_file *file);

struct cache_walk_result {
  bool is_open; /* all was gone through but what the reason tells of; false: nothing was */
  uint64_t deleted;
  uint64_t undeleted; /* could not be */
};

/* Calls `visit` for each file below <root>/v1, in no order. False with a reason when the directory cannot be gone
 * through, or is not to be trusted; one that does not exist is empty. Members that cannot be read are in the reason,
 * too. */
bool cache_walk(const char *root, const struct cache_io *io, cache_walk_visit *visit, void *visitor,
                struct cache_walk_result *result, struct cache_reason *reason);

#endif
