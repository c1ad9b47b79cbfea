/* Scratch directories, sample entries and file helpers. */
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLE_IMAGE_SIZE = 1000 };

char scratch[SCRATCH_PATH_SIZE];

void scratch_begin(void) {
  const char *base = getenv("TMPDIR");
  snprintf(scratch, sizeof scratch, "%s/flashjit-test-XXXXXX", base ? base : "/tmp");
  if (!mkdtemp(scratch))
    abort();
}

static int remove_member(const char *path, const struct stat *status, int type, struct FTW *at) {
  (void)status, (void)type, (void)at;
  return remove(path);
}

static int open_member(const char *path, const struct stat *status, int type, struct FTW *at) {
  (void)status, (void)at;
  return type == FTW_D || type == FTW_DNR ? chmod(path, 0700) : 0;
}

void scratch_end(void) {
  nftw(scratch, open_member, 16, FTW_PHYS);
  nftw(scratch, remove_member, 16, FTW_PHYS | FTW_DEPTH);
}

char *scratch_path(const char *below) {
  char *path;
  if (asprintf(&path, "%s/%s", scratch, below) < 0)
    abort();
  return path;
}

struct cache_key sample_key(unsigned number) {
  struct cache_key_builder builder;
  cache_key_begin(&builder);
  cache_key_add(&builder, "number", &number, sizeof number);
  struct cache_key key = cache_key_end(&builder);
  key.bytes[0] = SAMPLE_SUBDIRECTORY;
  return key;
}

void sample_make(struct sample *made, unsigned number, size_t image_size) {
  static const char head[] = ".version 9.0\n.target sm_90a\n.visible .entry fi_kernel()\n{ ret; }\n// ";
  size_t size = sizeof head + image_size;
  char *image = malloc(size);
  if (!image)
    abort();
  memcpy(image, head, sizeof head - 1);
  uint64_t state = number + 1;
  for (size_t i = sizeof head - 1; i < size - 1; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    image[i] = (char)('a' + (state >> 60));
  }
  image[size - 1] = '\0';
  snprintf(made->spec, sizeof made->spec, "decode.sm90a.hd128.g%u", number);
  made->image = image;
  made->entry = (struct cache_entry){
      .key = sample_key(number),
      .toolchain = SAMPLE_TOOLCHAIN,
      .target = "compute_90a",
      .spec = made->spec,
      .options = "--minimal -std=c++17",
      .symbol = "fi_kernel",
      .log = "",
      .image = image,
      .image_size = size,
      .facts = {.threads = 128, .dynamic_shared = number},
      .created = 1700000000u + number,
  };
}

void sample_free(struct sample *made) {
  free(made->image);
}

bool sample_equals(const struct sample *expected, const struct cache_entry *found) {
  const struct cache_entry *entry = &expected->entry;
  return cache_key_equal(&entry->key, &found->key) && strcmp(entry->toolchain, found->toolchain) == 0 &&
         strcmp(entry->target, found->target) == 0 && strcmp(entry->spec, found->spec) == 0 &&
         strcmp(entry->options, found->options) == 0 && strcmp(entry->symbol, found->symbol) == 0 &&
         strcmp(entry->log, found->log) == 0 && entry->image_size == found->image_size &&
         memcmp(entry->image, found->image, found->image_size) == 0 &&
         memcmp(&entry->facts, &found->facts, sizeof entry->facts) == 0 && entry->created == found->created;
}

char *entry_file(const char *root, const struct cache_key *key, const char *toolchain) {
  char subdirectory[CACHE_SUBDIRECTORY_SIZE], name[CACHE_FILE_NAME_SIZE], *path;
  cache_subdirectory_name(key, subdirectory);
  cache_file_name(key, toolchain, name);
  if (asprintf(&path, "%s/v1/%s/%s", root, subdirectory, name) < 0)
    abort();
  return path;
}

unsigned char *file_bytes(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file)
    return NULL;
  enum { MOST = 1 << 22 };
  unsigned char *bytes = malloc(MOST);
  if (!bytes)
    abort();
  *size = fread(bytes, 1, MOST, file);
  fclose(file);
  return bytes;
}

bool file_put(const char *path, const void *bytes, size_t size) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool written = file >= 0 && write(file, bytes, size) == (ssize_t)size;
  return file >= 0 && close(file) == 0 && written;
}

bool file_exists(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0;
}

bool file_set_age(const char *path, long seconds) {
  time_t then = time(NULL) - seconds;
  struct timespec times[2] = {{.tv_sec = then}, {.tv_sec = then}};
  return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) == 0;
}

unsigned count_names(const char *directory, bool (*accepts)(const char *name)) {
  unsigned count = 0;
  DIR *stream = opendir(directory);
  if (!stream)
    return 0;
  for (struct dirent *member = readdir(stream); member; member = readdir(stream))
    count += accepts(member->d_name);
  closedir(stream);
  return count;
}

struct cache_store *store_on(const char *user, const struct cache_io *io) {
  struct cache_reason reason;
  return cache_store_open(&(struct cache_config){.user = user}, io, &reason);
}

bool publish_sample(struct cache_store *store, unsigned number) {
  struct sample made;
  struct cache_reason reason;
  sample_make(&made, number, SAMPLE_IMAGE_SIZE);
  bool published = cache_store_publish(store, &made.entry, &reason);
  sample_free(&made);
  return published;
}

bool finds_sample(struct cache_store *store, unsigned number) {
  struct sample made;
  struct cache_found found;
  struct cache_reason reason;
  struct cache_key key = sample_key(number);
  if (!cache_store_find_own(store, &key, SAMPLE_TOOLCHAIN, &found, &reason))
    return false;
  sample_make(&made, number, SAMPLE_IMAGE_SIZE);
  bool equal = sample_equals(&made, &found.entry);
  sample_free(&made);
  cache_found_free(&found);
  return equal;
}
