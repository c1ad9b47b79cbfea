/* The one table of options and their environment variables, and its reader. */
#include "runtime/options.h"

#include "cache/paths.h"
#include "generator/error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Of an environment variable that is empty nothing is taken, but of those where that says something. */
enum kind { TEXT, TEXT_OR_EMPTY, NUMBER, MODE };

/* No field of fi_options; its field 0 is struct_size, which is no option. */
enum { ENVIRONMENT_ONLY = 0 };

struct variable {
  const char *name;
  const char *meaning;
  enum kind kind;
  size_t public_offset; /* in fi_options */
  size_t public_size;
  size_t offset; /* in struct options */
  uint64_t default_number;
  uint64_t maximum;
};

#define FIELD(field) offsetof(fi_options, field), sizeof(((fi_options *)NULL)->field), offsetof(struct options, field)
#define PRIVATE(field) ENVIRONMENT_ONLY, 0, offsetof(struct options, field)

static const struct variable variables[] = {
    {"FLASHJIT_MODE", "on, load_only or memory_only", MODE, FIELD(mode), FI_MODE_ON, FI_MODE_MEMORY_ONLY},
    {"FLASHJIT_TARGET", "target of all kernels", TEXT, FIELD(target), 0, 0},
    {"FLASHJIT_CACHE_DIR", "the user's cache directory", TEXT_OR_EMPTY, FIELD(cache_dir), 0, 0},
    {"FLASHJIT_BUNDLES", "files of bundles", TEXT, FIELD(bundles), 0, 0},
    {"FLASHJIT_BUNDLE_KEY", "public key that bundles are signed with", TEXT_OR_EMPTY, FIELD(bundle_key), 0, 0},
    {"FLASHJIT_HTTP_URL", "server that machines share kernels on", TEXT, FIELD(http_url), 0, 0},
    {"FLASHJIT_HTTP_TOKEN", "bearer token for it", TEXT, PRIVATE(http_token), 0, 0},
    {"FLASHJIT_HTTP_CA", "file of the certificates that it is checked with", TEXT, PRIVATE(http_ca), 0, 0},
    {"FLASHJIT_HTTP_TIMEOUT_MS", "longest wait for one of its answers", NUMBER, PRIVATE(http_timeout_ms), 2000, 600000},
    {"FLASHJIT_CACHE_RO", "read-only cache directories", TEXT, FIELD(read_only_dirs), 0, 0},
    {"FLASHJIT_CACHE_BYTES", "budget of the cache directory", NUMBER, FIELD(cache_bytes), 0, UINT64_MAX},
    {"FLASHJIT_CACHE_SYNC", "1: force entries to the disk", NUMBER, PRIVATE(cache_sync), 0, 1},
    {"FLASHJIT_CACHE_SHARED", "1: others may read what is written", NUMBER, FIELD(cache_shared), 0, 1},
    {"FLASHJIT_LOCK_DIR", "directory of the lock file", TEXT, PRIVATE(lock_dir), 0, 0},
    {"FLASHJIT_LOCK_WAIT_MS", "longest wait for another process's compile", NUMBER, PRIVATE(lock_wait_ms), 30000,
     UINT32_MAX},
    {"FLASHJIT_MISS_LOG", "file that gets the specs no cache has", TEXT, PRIVATE(miss_log), 0, 0},
    {"FLASHJIT_SOURCE", "file with a source in place of that of the spec in its first line", TEXT, PRIVATE(source), 0,
     0},
    {"FLASHJIT_NVRTC", "path of libnvrtc", TEXT, FIELD(nvrtc), 0, 0},
    {"FLASHJIT_DRIVER", "path of libcuda, or sim", TEXT, FIELD(driver), 0, 0},
    {"FLASHJIT_DEADLINE_MS", "most milliseconds of one compile", NUMBER, FIELD(deadline_ms), 0, UINT32_MAX},
};

static const char *const mode_names[] = {
    [FI_MODE_ON] = "on",
    [FI_MODE_LOAD_ONLY] = "load_only",
    [FI_MODE_MEMORY_ONLY] = "memory_only",
};

enum { VARIABLE_COUNT = sizeof variables / sizeof *variables };

struct cache_http_config options_http(const struct options *options) {
  return (struct cache_http_config){.url = options->http_url,
                                    .token = options->http_token,
                                    .ca_file = options->http_ca,
                                    .timeout_ms = (uint32_t)options->http_timeout_ms};
}

const char *options_variable_name(size_t number) {
  return number < VARIABLE_COUNT ? variables[number].name : NULL;
}

const char *options_variable_meaning(size_t number) {
  return number < VARIABLE_COUNT ? variables[number].meaning : NULL;
}

static bool parse_number(const char *text, uint64_t maximum, uint64_t *number) {
  char *end;
  errno = 0;
  const unsigned long long value = strtoull(text, &end, 10);
  *number = value;
  return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && value <= maximum;
}

static bool parse_mode(const char *text, uint64_t *mode) {
  for (*mode = FI_MODE_ON; *mode <= FI_MODE_MEMORY_ONLY; ++*mode) {
    if (strcmp(text, mode_names[*mode]) == 0)
      return true;
  }
  return false;
}

static bool is_text(const struct variable *variable) {
  return variable->kind == TEXT || variable->kind == TEXT_OR_EMPTY;
}

static const char *text_of_environment(const struct variable *variable) {
  const char *text = secure_getenv(variable->name);
  return text && (text[0] || variable->kind == TEXT_OR_EMPTY) ? text : NULL;
}

static fi_status read_text(const struct variable *variable, const fi_options *given, char **text) {
  const char *value = NULL;
  if (given && variable->public_offset != ENVIRONMENT_ONLY)
    memcpy(&value, (const char *)given + variable->public_offset, sizeof value);
  if (!value)
    value = text_of_environment(variable);
  if (!value)
    return FI_OK;
  *text = strdup(value);
  return *text ? FI_OK : error_set(FI_ERROR_MEMORY, "no memory for options");
}

static uint64_t public_number(const struct variable *variable, const fi_options *given) {
  uint32_t narrow = 0;
  uint64_t wide = 0;
  if (!given || variable->public_offset == ENVIRONMENT_ONLY)
    return 0;
  const char *field = (const char *)given + variable->public_offset;
  if (variable->public_size == sizeof wide)
    memcpy(&wide, field, sizeof wide);
  else
    memcpy(&narrow, field, sizeof narrow);
  return wide | narrow;
}

static fi_status read_number(const struct variable *variable, const fi_options *given, uint64_t *number) {
  *number = public_number(variable, given);
  /* Other numbers may be all that their field holds. */
  if (variable->kind == MODE && *number > variable->maximum)
    return error_set(FI_ERROR_ARGUMENT,
                     "options.mode is %llu; it must be FI_MODE_ON, _LOAD_ONLY or _MEMORY_ONLY (%d to %d), or 0 "
                     "for what %s says",
                     (unsigned long long)*number, FI_MODE_ON, FI_MODE_MEMORY_ONLY, variable->name);
  if (*number)
    return FI_OK;
  const char *text = secure_getenv(variable->name);
  *number = variable->default_number;
  if (!text || !*text)
    return FI_OK;
  if (variable->kind == MODE ? parse_mode(text, number) : parse_number(text, variable->maximum, number))
    return FI_OK;
  if (variable->kind == MODE)
    return error_set(FI_ERROR_ARGUMENT, "%s is \"%s\"; it must be %s", variable->name, text, variable->meaning);
  return error_set(FI_ERROR_ARGUMENT, "%s is \"%s\"; it must be a number of at most %llu (%s)", variable->name, text,
                   (unsigned long long)variable->maximum, variable->meaning);
}

fi_status options_read(const fi_options *given, struct options *options) {
  *options = (struct options){0};
  if (given) {
    options->on_event = given->on_event;
    options->user = given->user;
    options->bundle = given->bundle;
    options->bundle_bytes = given->bundle_bytes;
  }
  fi_status status = FI_OK;
  for (size_t i = 0; i < VARIABLE_COUNT && !status; i++) {
    void *field = (char *)options + variables[i].offset;
    status = is_text(&variables[i]) ? read_text(&variables[i], given, field) : read_number(&variables[i], given, field);
  }
  if (status)
    options_free(options);
  return status;
}

void options_free(struct options *options) {
  for (size_t i = 0; i < VARIABLE_COUNT; i++) {
    if (is_text(&variables[i]))
      free(*(char **)(void *)((char *)options + variables[i].offset));
  }
  *options = (struct options){0};
}

char *options_cache_directory(const struct options *options) {
  if (options->cache_dir)
    return options->cache_dir[0] ? strdup(options->cache_dir) : NULL;
  return cache_user_directory(NULL, secure_getenv("XDG_CACHE_HOME"), secure_getenv("HOME"));
}
