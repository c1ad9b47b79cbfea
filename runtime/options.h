/* The options of a context, each from fi_options, else from the environment, else the default. */
#ifndef RUNTIME_OPTIONS_H
#define RUNTIME_OPTIONS_H

#include "cache/http.h"
#include "flashjit.h"

/* Texts are owned. NULL means that nobody gave the option. */
struct options {
  char *target;
  char *cache_dir;
  char *read_only_dirs;
  char *nvrtc;
  char *driver;
  char *lock_dir;
  char *miss_log;
  char *source;
  char *bundles;
  char *bundle_key;
  char *http_url;
  char *http_token; /* never told */
  char *http_ca;
  const void *bundle; /* borrowed */
  uint64_t bundle_bytes;
  uint64_t mode;
  uint64_t cache_bytes;
  uint64_t deadline_ms;
  uint64_t lock_wait_ms;
  uint64_t http_timeout_ms;
  uint64_t cache_sync;
  uint64_t cache_shared;
  fi_event_callback on_event;
  void *user;
};

/* given may be NULL. On failure nothing needs to be freed. */
fi_status options_read(const fi_options *given, struct options *options);
void options_free(struct options *options);

/* The user's cache directory by the options and the XDG rules, to be freed; NULL when there is none. */
char *options_cache_directory(const struct options *options);

/* How the server is reached that http_url names; the strings stay those of the options. */
struct cache_http_config options_http(const struct options *options);

/* One row of the table of variables; NULL after the last. */
const char *options_variable_name(size_t number);

/* Its meaning, in a few words. */
const char *options_variable_meaning(size_t number);

#endif
