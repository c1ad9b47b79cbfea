/* Names in the store. Strings only, no file is touched.
 *
 *   <root>/CACHEDIR.TAG                              tells backup programs to stay away
 *   <root>/flashjit.lock                             see lock.c; never deleted
 *   <root>/v1/<2 digits>/<32 digits>-<toolchain>.fik an entry; the first two digits of its key name the
 * directory <root>/v1/<2 digits>/.tmp-<pid>-<random>         an entry that is being written
 */
#ifndef FLASHJIT_CACHE_PATHS_H
#define FLASHJIT_CACHE_PATHS_H

#include "cache/key.h"

#include <stdint.h>

#define CACHE_FORMAT_DIRECTORY "v1"
#define CACHE_LOCK_FILE "flashjit.lock"
#define CACHE_TAG_FILE "CACHEDIR.TAG"

enum {
  CACHE_TOOLCHAIN_MAX = 31,
  CACHE_SUBDIRECTORY_SIZE = 2 + 1,
  CACHE_SUBDIRECTORIES = 256,
  CACHE_FILE_NAME_SIZE = CACHE_KEY_DIGITS + 1 + CACHE_TOOLCHAIN_MAX + 4 + 1,
  CACHE_TEMPORARY_NAME_SIZE = 64
};

/* 1 to CACHE_TOOLCHAIN_MAX of a-z 0-9 . _ - with a letter or digit first: the same on every file system. */
bool cache_toolchain_valid(const char *toolchain);

void cache_subdirectory_name(const struct cache_key *key, char name[CACHE_SUBDIRECTORY_SIZE]);
/* `toolchain` must be valid. */
void cache_file_name(const struct cache_key *key, const char *toolchain, char name[CACHE_FILE_NAME_SIZE]);
/* Never the name of an entry. */
void cache_temporary_name(long process, uint64_t random, char name[CACHE_TEMPORARY_NAME_SIZE]);

bool cache_is_file_name(const char *name);
bool cache_is_temporary_name(const char *name);
/* Is `name` that of an entry of `key`, of whatever toolchain? */
bool cache_is_file_name_of(const char *name, const struct cache_key *key);

/* The user's cache directory from the values of FLASHJIT_CACHE_DIR, XDG_CACHE_HOME and HOME, each of which
 * may be NULL or empty. The latter two count only when absolute. Returns a string to free, or NULL when none
 * says where. */
char *cache_user_directory(const char *flashjit_cache_dir, const char *xdg_cache_home, const char *home);

#endif
