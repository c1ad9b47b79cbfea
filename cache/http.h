/* A cache that machines share: entries on a server with GET and PUT, after bundles and directories.
 *
 * An entry lies at URL/NAME, and NAME is 64 hex digits: its key, and the XXH3-128 of its toolchain. So servers that
 * take nothing but SHA-256 sums as names (bazel-remote) take it too, and it needs no folders.
 *
 * No failure here is an error of the program, as in store.h: each costs a compile, and at most the time-out, and is
 * told in `reason`. After HTTP_FAILURES in a row, of reading or of writing, that direction is left out for
 * HTTP_PAUSE_MS, and for twice as long, up to HTTP_PAUSE_MOST_MS, each time that the first request after it fails
 * again. A server that does not answer at all counts in both directions. Without libcurl it is left out for good.
 *
 * May be used by any number of threads. */
#ifndef FLASHJIT_CACHE_HTTP_H
#define FLASHJIT_CACHE_HTTP_H

#include "cache/io.h"
#include "cache/store.h"

enum {
  HTTP_FAILURES = 3,
  HTTP_PAUSE_MS = 30 * 1000,
  HTTP_PAUSE_MOST_MS = 600 * 1000,
  HTTP_TIMEOUT_MS = 2000,
  HTTP_NAME_SIZE = 64 + 1
};

struct cache_http;

/* Strings are copied. */
struct cache_http_config {
  const char *url;     /* see cache_http_url_check */
  const char *token;   /* sent as "Authorization: Bearer"; NULL or "": none */
  const char *ca_file; /* PEM, in place of the certificates that libcurl trusts; NULL or "": none */
  uint32_t timeout_ms; /* of one request; 0: HTTP_TIMEOUT_MS */
};

/* Whether a URL is one of http or https with a host, and nothing that is no part of a path: a password in it would be
 * told with it. */
bool cache_http_url_check(const char *url, struct cache_reason *reason);
/* Whether a token is visible ASCII. The reason does not tell it. */
bool cache_http_token_check(const char *token, struct cache_reason *reason);

/* Connects to nothing, and does not open libcurl yet. Returns NULL only when memory runs out. `io` is copied. */
struct cache_http *cache_http_open(const struct cache_http_config *config, const struct cache_io *io);
void cache_http_close(struct cache_http *http);

const char *cache_http_url(const struct cache_http *http);
void cache_http_name(const struct cache_key *key, const char *toolchain, char name[HTTP_NAME_SIZE]);

/* Fetches the entry of a key and toolchain. It is verified as one from a directory. */
bool cache_http_find(struct cache_http *http, const struct cache_key *key, const char *toolchain,
                     struct cache_found *found, struct cache_reason *reason);

/* Sends an entry, and waits until the server has it, or the time-out. */
bool cache_http_publish(struct cache_http *http, const struct cache_entry *entry, struct cache_reason *reason);

/* Whether the server answers a GET, with an entry or without. */
bool cache_http_probe(struct cache_http *http, struct cache_reason *reason);

#endif
