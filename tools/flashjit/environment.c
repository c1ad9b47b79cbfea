/* Reads the environment with runtime/options.c, which is linked into the command. */
#include "tools/flashjit/environment.h"

#include "cache/ed25519.h"
#include "generator/error.h"
#include "tools/flashjit/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char problem[1024];

/* For runtime/options.c: in the library it is the thread's last error. */
fi_status error_set(fi_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(problem, sizeof problem, format, arguments);
  va_end(arguments);
  return status;
}

bool environment_read(struct options *options) {
  const fi_status status = options_read(NULL, options);
  if (status)
    complain("%s", problem);
  return !status;
}

char *environment_cache_directory(void) {
  struct options options;
  if (!environment_read(&options))
    return NULL;
  char *directory = options_cache_directory(&options);
  if (!directory)
    complain(
        "there is no cache directory: FLASHJIT_CACHE_DIR is empty, or neither it nor XDG_CACHE_HOME nor HOME is set");
  options_free(&options);
  return directory;
}

static struct cache_store *open_store(const struct options *options, char *user, struct cache_reason *reason) {
  struct cache_signer signer = {.check = cache_ed25519_check};
  if (options->bundle_key && !cache_signer_parse(options->bundle_key, signer.key)) {
    complain("FLASHJIT_BUNDLE_KEY is \"%s\", no Ed25519 public key of %d hex digits", options->bundle_key,
             2 * CACHE_SIGNER_SIZE);
    return NULL;
  }
  const struct cache_config config = {
      .bundles = options->bundles,
      .signer = options->bundle_key ? &signer : NULL,
      .read_only = options->read_only_dirs,
      .user = user,
      .lock_directory = options->lock_dir,
      .budget = options->cache_bytes,
      .sync = options->cache_sync != 0,
      .shared = true,
  };
  struct cache_store *store = cache_store_open(&config, &cache_io_posix, reason);
  if (!store)
    complain("out of memory");
  return store;
}

struct cache_store *environment_open_store_quietly(struct cache_reason *reason) {
  struct options options;
  cache_reason_clear(reason);
  if (!environment_read(&options))
    return NULL;
  char *user = options_cache_directory(&options);
  struct cache_store *store = open_store(&options, user, reason);
  free(user);
  options_free(&options);
  return store;
}

struct cache_store *environment_open_store(void) {
  struct cache_reason reason;
  struct cache_store *store = environment_open_store_quietly(&reason);
  if (store && reason.text[0])
    complain("%s", reason.text);
  return store;
}
