/* Entries on a server, and when to leave it alone. */
#include "cache/http.h"

#include "cache/bytes.h"
#include "cache/checksum.h"
#include "cache/http_request.h"
#include "cache/image.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum direction { READING, WRITING, DIRECTIONS };

/* Failures in a row, and what they led to. */
struct backoff {
  uint32_t failures;
  uint64_t pause_ms; /* the last one */
  uint64_t until_ms;
};

struct cache_http {
  struct cache_io io;
  char *url; /* without a slash at the end */
  char *token;
  char *ca_file;
  uint32_t timeout_ms;
  pthread_mutex_t lock;
  struct backoff backoffs[DIRECTIONS];
};

/* -------------------------------------------------------------------------------- configuration */

static bool is_visible(char c) {
  return c > ' ' && c <= '~';
}

static bool all_visible(const char *text) {
  while (is_visible(*text))
    text++;
  return *text == '\0';
}

static size_t scheme_size(const char *url) {
  static const char *const schemes[] = {"http://", "https://"};
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
      return strlen(schemes[i]);
  }
  return 0;
}

bool cache_http_url_check(const char *url, struct cache_reason *reason) {
  const size_t scheme = scheme_size(url);
  if (!scheme || !all_visible(url))
    return cache_refuse(reason, "it begins with http:// or https:// and has visible ASCII characters only");
  if (strpbrk(url, "@?#"))
    return cache_refuse(reason, "it has no user, password, query or fragment: what authorises is FLASHJIT_HTTP_TOKEN");
  return strcspn(url + scheme, "/:") > 0 || cache_refuse(reason, "it names a host");
}

bool cache_http_token_check(const char *token, struct cache_reason *reason) {
  return all_visible(token) || cache_refuse(reason, "it has visible ASCII characters only");
}

/* NULL for none. */
static bool copy_text(const char *text, char **copy) {
  *copy = text && text[0] ? strdup(text) : NULL;
  return *copy || !text || !text[0];
}

static void cut_slashes(char *url) {
  size_t size = strlen(url);
  while (size > 0 && url[size - 1] == '/')
    url[--size] = '\0';
}

struct cache_http *cache_http_open(const struct cache_http_config *config, const struct cache_io *io) {
  struct cache_http *http = calloc(1, sizeof *http);
  if (!http)
    return NULL;
  http->io = *io;
  http->timeout_ms = config->timeout_ms ? config->timeout_ms : HTTP_TIMEOUT_MS;
  pthread_mutex_init(&http->lock, NULL);
  if (!copy_text(config->url, &http->url) || !copy_text(config->token, &http->token) ||
      !copy_text(config->ca_file, &http->ca_file)) {
    cache_http_close(http);
    return NULL;
  }
  cut_slashes(http->url);
  return http;
}

void cache_http_close(struct cache_http *http) {
  if (!http)
    return;
  pthread_mutex_destroy(&http->lock);
  free(http->url);
  free(http->token);
  free(http->ca_file);
  free(http);
}

const char *cache_http_url(const struct cache_http *http) {
  return http->url;
}

/* -------------------------------------------------------------------------------- back-off */

static bool is_left_out(struct cache_http *http, enum direction direction) {
  pthread_mutex_lock(&http->lock);
  const bool is_pausing = http->io.monotonic_ms(http->io.context) < http->backoffs[direction].until_ms;
  pthread_mutex_unlock(&http->lock);
  return is_pausing;
}

/* Returns the pause that the failure leads to. What fails during a pause was under way when it began. */
static uint64_t count_failure(struct backoff *backoff, uint64_t now) {
  if (now < backoff->until_ms || ++backoff->failures < HTTP_FAILURES)
    return 0;
  const uint64_t doubled = backoff->pause_ms ? 2 * backoff->pause_ms : HTTP_PAUSE_MS;
  backoff->pause_ms = doubled < HTTP_PAUSE_MOST_MS ? doubled : HTTP_PAUSE_MOST_MS;
  backoff->until_ms = now + backoff->pause_ms;
  return backoff->pause_ms;
}

static void note(struct cache_http *http, enum direction direction, enum http_outcome outcome,
                 struct cache_reason *reason) {
  uint64_t pause_ms = 0;
  pthread_mutex_lock(&http->lock);
  const uint64_t now = http->io.monotonic_ms(http->io.context);
  if (outcome == HTTP_DONE || outcome == HTTP_ABSENT)
    http->backoffs[direction] = (struct backoff){0};
  else
    pause_ms = count_failure(&http->backoffs[direction], now);
  if (outcome == HTTP_UNREACHABLE)
    count_failure(&http->backoffs[!direction], now);
  if (outcome == HTTP_NO_CLIENT)
    http->backoffs[READING].until_ms = http->backoffs[WRITING].until_ms = UINT64_MAX;
  pthread_mutex_unlock(&http->lock);
  if (outcome == HTTP_NO_CLIENT)
    cache_refuse(reason, "it is not asked again");
  else if (pause_ms)
    cache_refuse(reason, "it is not asked again for %u s", (unsigned)(pause_ms / 1000));
}

/* -------------------------------------------------------------------------------- requests */

void cache_http_name(const struct cache_key *key, const char *toolchain, char name[HTTP_NAME_SIZE]) {
  unsigned char checksum[CACHE_CHECKSUM_SIZE];
  cache_checksum(toolchain, strlen(toolchain), checksum);
  bytes_print_hex(key->bytes, CACHE_KEY_SIZE, name);
  bytes_print_hex(checksum, CACHE_CHECKSUM_SIZE, name + 2 * CACHE_KEY_SIZE);
}

static char *url_of(const struct cache_http *http, const char *name) {
  const size_t size = strlen(http->url) + 1 + strlen(name) + 1;
  char *url = malloc(size);
  if (url)
    snprintf(url, size, "%s/%s", http->url, name);
  return url;
}

/* Whether `why` is the sentence about a failure, which is told with the server and what was asked of it. */
static void tell(const struct cache_http *http, const char *what, const char *name, const struct cache_reason *why,
                 struct cache_reason *reason) {
  if (why->text[0])
    cache_refuse(reason, "%s: cannot %s %s: %s", http->url, what, name, why->text);
}

static enum http_outcome ask(const struct cache_http *http, const char *url, const void *put, size_t put_size,
                             struct http_body *body, struct cache_reason *reason) {
  const struct http_request request = {
      .url = url,
      .token = http->token,
      .ca_file = http->ca_file,
      .timeout_ms = http->timeout_ms,
      .put = put,
      .put_size = put_size,
  };
  return http_request_run(&request, body, reason);
}

/* The path of what is found is its URL. */
static enum http_outcome find(struct cache_http *http, const char *name, const struct cache_key *key,
                              const char *toolchain, struct cache_found *found, struct cache_reason *reason) {
  struct http_body body = {0};
  char *url = url_of(http, name);
  if (!url) {
    cache_refuse(reason, "no memory");
    return HTTP_FAILED;
  }
  enum http_outcome outcome = ask(http, url, NULL, 0, &body, reason);
  if (outcome == HTTP_DONE && !http_body_check(&body, key, toolchain, &found->entry, reason))
    outcome = HTTP_FAILED;
  if (outcome == HTTP_DONE) {
    *found = (struct cache_found){.entry = found->entry,
                                  .bytes = body.bytes,
                                  .size = body.size,
                                  .path = url,
                                  .layer = CACHE_AFTER_LAYERS,
                                  .origin = CACHE_FROM_HTTP};
    return HTTP_DONE;
  }
  http_body_free(&body);
  free(url);
  return outcome;
}

bool cache_http_find(struct cache_http *http, const struct cache_key *key, const char *toolchain,
                     struct cache_found *found, struct cache_reason *reason) {
  struct cache_reason why = {""};
  char name[HTTP_NAME_SIZE];
  cache_reason_clear(reason);
  *found = (struct cache_found){0};
  if (is_left_out(http, READING))
    return false;
  cache_http_name(key, toolchain, name);
  const enum http_outcome outcome = find(http, name, key, toolchain, found, &why);
  note(http, READING, outcome, &why);
  tell(http, "read", name, &why, reason);
  return outcome == HTTP_DONE;
}

static enum http_outcome put(const struct cache_http *http, const char *name, const struct cache_entry *entry,
                             struct cache_reason *reason) {
  struct http_body body;
  unsigned char *bytes = NULL;
  size_t size;
  char *url = url_of(http, name);
  enum http_outcome outcome = HTTP_FAILED;
  if (!url)
    cache_refuse(reason, "no memory");
  else if (cache_image_check(entry->image, entry->image_size, entry->target, entry->symbol, reason) &&
           cache_entry_encode(entry, &bytes, &size, reason))
    outcome = ask(http, url, bytes, size, &body, reason);
  free(bytes);
  free(url);
  return outcome;
}

bool cache_http_publish(struct cache_http *http, const struct cache_entry *entry, struct cache_reason *reason) {
  struct cache_reason why = {""};
  char name[HTTP_NAME_SIZE];
  cache_reason_clear(reason);
  if (is_left_out(http, WRITING))
    return false;
  cache_http_name(&entry->key, entry->toolchain, name);
  const enum http_outcome outcome = put(http, name, entry, &why);
  note(http, WRITING, outcome, &why);
  tell(http, "write", name, &why, reason);
  return outcome == HTTP_DONE;
}

/* What it answers with does not matter: the name is that of no entry. */
bool cache_http_probe(struct cache_http *http, struct cache_reason *reason) {
  static const struct cache_key none;
  char name[HTTP_NAME_SIZE];
  struct http_body body = {0};
  cache_reason_clear(reason);
  cache_http_name(&none, "", name);
  char *url = url_of(http, name);
  const enum http_outcome outcome = url ? ask(http, url, NULL, 0, &body, reason) : HTTP_FAILED;
  http_body_free(&body);
  free(url);
  return outcome == HTTP_DONE || outcome == HTTP_ABSENT;
}
