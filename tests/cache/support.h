/* What the cache tests share: a scratch directory per process, struct sample entries, and small file helpers. */
#ifndef FLASHJIT_TESTS_CACHE_SUPPORT_H
#define FLASHJIT_TESTS_CACHE_SUPPORT_H

#include "cache/paths.h"
#include "cache/store.h"

#define SAMPLE_TOOLCHAIN "nv13.0-1a2b3c4d"
#define SAMPLE_SUBDIRECTORY 0xab

enum { SCRATCH_PATH_SIZE = 512 };

/* A directory for this test alone. Removed, whatever is in it, by scratch_end. */
extern char scratch[SCRATCH_PATH_SIZE];
void scratch_begin(void);
void scratch_end(void);

/* `scratch` and a path below it, in a buffer that the caller frees. */
char *scratch_path(const char *below);

/* An entry with PTX of at least `image_size` bytes, all of it determined by the number. Keys of all samples
 * share their first byte, and so their directory. */
struct sample {
  struct cache_entry entry;
  char *image;
  char spec[64];
};

void sample_make(struct sample *made, unsigned number, size_t image_size);
void sample_free(struct sample *made);
struct cache_key sample_key(unsigned number);
/* Every field and every byte of the image. */
bool sample_equals(const struct sample *expected, const struct cache_entry *found);

/* Path of an entry in the store below `root`; the caller frees it. */
char *entry_file(const char *root, const struct cache_key *key, const char *toolchain);

/* Whole files. Reading returns malloc'ed bytes or NULL. */
unsigned char *file_bytes(const char *path, size_t *size);
bool file_put(const char *path, const void *bytes, size_t size);
bool file_exists(const char *path);
bool file_set_age(const char *path, long seconds);
/* How many names in a directory the predicate accepts. */
unsigned count_names(const char *directory, bool (*accepts)(const char *name));

/* A store on this user directory with nothing else configured. */
struct cache_store *store_on(const char *user, const struct cache_io *io);
bool publish_sample(struct cache_store *store, unsigned number);
/* Finds the sample, and what is found is the sample. */
bool finds_sample(struct cache_store *store, unsigned number);

#endif
