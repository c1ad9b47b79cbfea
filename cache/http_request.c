/* Asks a server, by libcurl.
 *
 * Redirects are not followed: the address that an operator gave is the one that is trusted, and neither token nor entry
 * goes to another. The protocols are those two, certificates and names are checked, and one time-out bounds name
 * look-up, connection, and transfer. */
#include "cache/http_request.h"

#include "cache/curl.h"
#include "cache/sigpipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 200, LAST_SUCCESS = 299, FIRST_REDIRECT = 300, LAST_REDIRECT = 399, NOT_FOUND = 404, GONE = 410 };

/* -------------------------------------------------------------------------------- headers */

/* Adds a line; NULL, and nothing is left to free, when there is no memory. */
static void *add_line(const struct curl *curl, void *list, const char *line) {
  void *longer = line ? curl->curl_slist_append(list, line) : NULL;
  if (!longer)
    curl->curl_slist_free_all(list);
  return longer;
}

static void *add_token(const struct curl *curl, void *list, const char *token) {
  static const char begin[] = "Authorization: Bearer ";
  const size_t size = sizeof begin + strlen(token);
  char *line = malloc(size);
  if (line)
    snprintf(line, size, "%s%s", begin, token);
  void *longer = add_line(curl, list, line);
  free(line);
  return longer;
}

/* An empty Expect: a body is sent without asking first whether it is wanted. */
static void *make_headers(const struct curl *curl, const struct http_request *request) {
  void *list = add_line(curl, NULL, "Expect:");
  if (list)
    list = add_line(curl, list, "Content-Type: application/octet-stream");
  return list && request->token ? add_token(curl, list, request->token) : list;
}

/* -------------------------------------------------------------------------------- request */

static size_t drop(const char *piece, size_t size, size_t count, void *user) {
  (void)piece, (void)user;
  return size * count;
}

/* libcurl's own limit ends a body that tells its size at once. */
static bool set_up(const struct curl *curl, void *handle, const struct http_request *request, struct http_body *body,
                   void *headers, char why[CURL_WHY_SIZE]) {
  const struct {
    int option;
    long value;
  } numbers[] = {
      {CURL_FAIL_ON_ERROR, 1},
      {CURL_FOLLOW_LOCATION, 0},
      {CURL_VERIFY_PEER, 1},
      {CURL_VERIFY_HOST, 2},
      {CURL_NO_SIGNAL, 1},
      {CURL_PROTOCOLS, CURL_HTTP | CURL_HTTPS},
      {CURL_TIMEOUT_MS, (long)request->timeout_ms},
      {CURL_CONNECT_TIMEOUT_MS, (long)request->timeout_ms},
  };
  const struct {
    int option;
    const void *value;
  } pointers[] = {
      {CURL_URL, request->url},         {CURL_HEADERS, headers},
      {CURL_WHY_BUFFER, why},           {CURL_USER_AGENT, "flashjit"},
      {CURL_WRITE_DATA, body},          {CURL_CA_FILE, request->ca_file},
      {CURL_POST_FIELDS, request->put}, {CURL_METHOD, request->put ? "PUT" : NULL},
  };
  size_t (*const take)(const char *, size_t, size_t, void *) = request->put ? drop : http_body_add;
  int code = curl->curl_easy_setopt(handle, CURL_WRITE_FUNCTION, take);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers && code == CURL_OK; i++)
    code = curl->curl_easy_setopt(handle, numbers[i].option, numbers[i].value);
  for (size_t i = 0; i < sizeof pointers / sizeof *pointers && code == CURL_OK; i++) {
    if (pointers[i].value)
      code = curl->curl_easy_setopt(handle, pointers[i].option, pointers[i].value);
  }
  if (code == CURL_OK)
    code = curl->curl_easy_setopt(handle, CURL_MOST_BYTES, (int64_t)CACHE_ENTRY_SIZE_MAX);
  if (code == CURL_OK && request->put)
    code = curl->curl_easy_setopt(handle, CURL_POST_SIZE, (int64_t)request->put_size);
  return code == CURL_OK;
}

static enum http_outcome judge(const struct http_request *request, long status, struct cache_reason *reason) {
  if (request->put ? status >= OK && status <= LAST_SUCCESS : status == OK)
    return HTTP_DONE;
  if (!request->put && (status == NOT_FOUND || status == GONE))
    return HTTP_ABSENT;
  cache_refuse(reason, "the answer is %ld%s", status,
               status >= FIRST_REDIRECT && status <= LAST_REDIRECT ? ", a redirect, which is not followed" : "");
  return HTTP_FAILED;
}

static enum http_outcome perform(const struct curl *curl, void *handle, const struct http_request *request,
                                 const struct http_body *body, const char *why, struct cache_reason *reason) {
  long status = 0;
  const int code = curl->curl_easy_perform(handle);
  curl->curl_easy_getinfo(handle, CURL_STATUS, &status);
  if (code == CURL_OK || code == CURL_REFUSED_BY_STATUS)
    return judge(request, status, reason);
  if (body->is_refused)
    cache_refuse(reason, "the answer has more than the %zu bytes of an entry, or there is no memory",
                 CACHE_ENTRY_SIZE_MAX);
  else
    cache_refuse(reason, "%s", why[0] ? why : curl->curl_easy_strerror(code));
  return status ? HTTP_FAILED : HTTP_UNREACHABLE;
}

static enum http_outcome run(const struct curl *curl, const struct http_request *request, struct http_body *body,
                             struct cache_reason *reason) {
  char why[CURL_WHY_SIZE] = "";
  enum http_outcome outcome = HTTP_FAILED;
  void *handle = curl->curl_easy_init();
  void *headers = make_headers(curl, request);
  if (handle && headers && set_up(curl, handle, request, body, headers, why))
    outcome = perform(curl, handle, request, body, why, reason);
  else
    cache_refuse(reason, "libcurl does not take the request, or there is no memory for it");
  curl->curl_slist_free_all(headers);
  curl->curl_easy_cleanup(handle);
  return outcome;
}

/* Also what ends a TLS connection writes to the peer. */
enum http_outcome http_request_run(const struct http_request *request, struct http_body *body,
                                   struct cache_reason *reason) {
  struct sigpipe held;
  const struct curl *curl = curl_open(reason);
  *body = (struct http_body){0};
  if (!curl)
    return HTTP_NO_CLIENT;
  sigpipe_hold(&held);
  const enum http_outcome outcome = run(curl, request, body, reason);
  sigpipe_release(&held);
  return outcome;
}
