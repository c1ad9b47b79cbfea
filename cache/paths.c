/* Composes and recognises the names in the store. */
#include "cache/paths.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char extension[] = ".fik";
static const char temporary_prefix[] = ".tmp-";

static bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool toolchain_valid(const char *toolchain, size_t size) {
  if (size == 0 || size > CACHE_TOOLCHAIN_MAX || !is_lower_or_digit(toolchain[0]))
    return false;
  for (size_t i = 1; i < size; i++)
    if (!is_lower_or_digit(toolchain[i]) && !memchr("._-", toolchain[i], 3))
      return false;
  return true;
}

bool cache_toolchain_valid(const char *toolchain) {
  return toolchain_valid(toolchain, strlen(toolchain));
}

void cache_subdirectory_name(const struct cache_key *key, char name[CACHE_SUBDIRECTORY_SIZE]) {
  char hex[CACHE_KEY_DIGITS + 1];
  cache_key_hex(key, hex);
  memcpy(name, hex, 2);
  name[2] = '\0';
}

void cache_file_name(const struct cache_key *key, const char *toolchain, char name[CACHE_FILE_NAME_SIZE]) {
  char hex[CACHE_KEY_DIGITS + 1];
  cache_key_hex(key, hex);
  snprintf(name, CACHE_FILE_NAME_SIZE, "%s-%s%s", hex, toolchain, extension);
}

void cache_temporary_name(long process, uint64_t random, char name[CACHE_TEMPORARY_NAME_SIZE]) {
  snprintf(name, CACHE_TEMPORARY_NAME_SIZE, "%s%ld-%016" PRIx64, temporary_prefix, process, random);
}

bool cache_is_file_name(const char *name) {
  size_t size = strlen(name);
  size_t frame = CACHE_KEY_DIGITS + 1 + sizeof extension - 1;
  if (size <= frame || name[CACHE_KEY_DIGITS] != '-' || strcmp(name + size - (sizeof extension - 1), extension) != 0)
    return false;
  for (size_t i = 0; i < CACHE_KEY_DIGITS; i++)
    if (!is_hex_digit(name[i]))
      return false;
  return toolchain_valid(name + CACHE_KEY_DIGITS + 1, size - frame);
}

bool cache_is_temporary_name(const char *name) {
  return strncmp(name, temporary_prefix, sizeof temporary_prefix - 1) == 0;
}

bool cache_is_file_name_of(const char *name, const struct cache_key *key) {
  char hex[CACHE_KEY_DIGITS + 1];
  cache_key_hex(key, hex);
  return cache_is_file_name(name) && memcmp(name, hex, CACHE_KEY_DIGITS) == 0;
}

static char *join(const char *directory, const char *below) {
  size_t size = strlen(directory) + 1 + strlen(below) + 1;
  char *path = malloc(size);
  if (path)
    snprintf(path, size, "%s/%s", directory, below);
  return path;
}

char *cache_user_directory(const char *flashjit_cache_dir, const char *xdg_cache_home, const char *home) {
  if (flashjit_cache_dir && flashjit_cache_dir[0] != '\0')
    return strdup(flashjit_cache_dir);
  if (xdg_cache_home && xdg_cache_home[0] == '/')
    return join(xdg_cache_home, "flashjit");
  if (home && home[0] == '/')
    return join(home, ".cache/flashjit");
  return NULL;
}
