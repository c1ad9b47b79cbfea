/* The cache on a server: what it sends, what it takes, and that whatever a server does costs a miss and a sentence. */
#include "cache/curl.h"
#include "cache/http.h"
#include "cache/http_body.h"
#include "cache/sigpipe.h"
#include "fault.h"
#include "server.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char secret[] = "s3cret-t0ken";
enum { TIMEOUT_MS = 400, LONGEST_MS = 5 * TIMEOUT_MS, SAMPLE = 7, IMAGE_SIZE = 5000 };

static struct server server;
static struct fault clock_state;
static struct sample sample;
static unsigned char *encoded;
static size_t encoded_size;

static void begin(void) {
  struct cache_reason reason = {""};
  static const char *const proxies[] = {"http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"};
  for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++)
    unsetenv(proxies[i]);
  if (!curl_open(&reason))
    cr_skip_test("skipped: %s (Debian's package libcurl4)", reason.text);
  server_start(&server);
  clock_state = (struct fault){.fake_clock = true, .clock_ms = 1};
  sample_make(&sample, SAMPLE, IMAGE_SIZE);
  cr_assert(cache_entry_encode(&sample.entry, &encoded, &encoded_size, &reason), "%s", reason.text);
}

static void end(void) {
  if (!server.port)
    return;
  server_stop(&server);
  sample_free(&sample);
  free(encoded);
}

TestSuite(cache_http, .init = begin, .fini = end, .timeout = 60);

static struct cache_http *open_at(unsigned port) {
  char url[64];
  const struct cache_io io = fault_io(&clock_state);
  snprintf(url, sizeof url, "http://127.0.0.1:%u/base/", port);
  return cache_http_open(&(struct cache_http_config){.url = url, .token = secret, .timeout_ms = TIMEOUT_MS}, &io);
}

static bool find(struct cache_http *http, struct cache_found *found, struct cache_reason *reason) {
  return cache_http_find(http, &sample.entry.key, SAMPLE_TOOLCHAIN, found, reason);
}

/* The path that the sample has on the server. */
static const char *sample_path(void) {
  static char path[16 + HTTP_NAME_SIZE];
  char name[HTTP_NAME_SIZE];
  cache_http_name(&sample.entry.key, SAMPLE_TOOLCHAIN, name);
  snprintf(path, sizeof path, "/base/%s", name);
  return path;
}

static void answer_text(const char *text) {
  server.answer = (struct server_answer){.bytes = text, .size = strlen(text)};
}

/* Head and body; the length may be another than the body's. */
static void answer_body(const void *body, size_t size, size_t told) {
  static char answer[16384]; /* the server may still be sending the last one */
  cr_assert_lt(size + 128, sizeof answer);
  const int head = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", told);
  memcpy(answer + head, body, size);
  server.answer = (struct server_answer){.bytes = answer, .size = (size_t)head + size};
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* -------------------------------------------------------------------------------- as it should be */

Test(cache_http, what_is_written_is_read_again) {
  struct cache_found found;
  struct cache_reason reason;
  struct cache_http *http = open_at(server.port);
  cr_expect(!find(http, &found, &reason));
  cr_expect_str_empty(reason.text, "an absent entry is a plain miss: %s", reason.text);

  cr_expect(cache_http_publish(http, &sample.entry, &reason), "%s", reason.text);
  const struct server_object *object = server_object(&server, sample_path());
  cr_assert(object, "%s", server.head);
  cr_expect_eq(object->size, encoded_size);
  cr_expect_arr_eq(object->bytes, encoded, encoded_size);

  cr_assert(find(http, &found, &reason), "%s", reason.text);
  cr_expect_str_empty(reason.text);
  cr_expect(sample_equals(&sample, &found.entry));
  cr_expect_eq(found.origin, CACHE_FROM_HTTP);
  cr_expect(strstr(found.path, sample_path()), "%s", found.path);
  cache_found_free(&found);
  cache_http_close(http);
}

/* Servers of build caches take nothing but SHA-256 sums as names. */
Test(cache_http, names_are_64_hex_digits_of_key_and_toolchain) {
  char name[HTTP_NAME_SIZE];
  char other[HTTP_NAME_SIZE];
  cache_http_name(&sample.entry.key, SAMPLE_TOOLCHAIN, name);
  cr_expect_eq(strspn(name, "0123456789abcdef"), 64);
  cr_expect_eq(strlen(name), 64);
  cache_http_name(&sample.entry.key, "nv13.0-1a2b3c4e", other);
  cr_expect_eq(memcmp(name, other, 32), 0);
  cr_expect_str_neq(name, other);
  const struct cache_key key = sample_key(SAMPLE + 1);
  cache_http_name(&key, SAMPLE_TOOLCHAIN, other);
  cr_expect_str_neq(name, other);
}

Test(cache_http, requests_have_the_token_and_nothing_else_of_the_caller) {
  struct cache_found found;
  struct cache_reason reason;
  char expected[SERVER_HEAD_SIZE];
  struct cache_http *http = open_at(server.port);
  find(http, &found, &reason);
  snprintf(expected, sizeof expected,
           "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: flashjit\r\nAccept: */*\r\n"
           "Content-Type: application/octet-stream\r\nAuthorization: Bearer %s\r\n\r\n",
           sample_path(), server.port, secret);
  cr_expect_str_eq(server.head, expected);
  cache_http_close(http);

  const struct cache_io io = fault_io(&clock_state);
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%u", server.port);
  http = cache_http_open(&(struct cache_http_config){.url = url, .token = ""}, &io);
  find(http, &found, &reason);
  cr_expect(!strstr(server.head, "Authorization"), "%s", server.head);
  cache_http_close(http);
}

Test(cache_http, chunked_and_slow_answers_that_arrive_are_as_good) {
  static char answer[16384];
  struct cache_found found;
  struct cache_reason reason;
  int size = sprintf(answer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", encoded_size);
  memcpy(answer + size, encoded, encoded_size);
  size += (int)encoded_size;
  size += sprintf(answer + size, "\r\n0\r\n\r\n");
  server.answer = (struct server_answer){.bytes = answer, .size = (size_t)size, .chunk = 1000, .pause_ms = 10};
  struct cache_http *http = open_at(server.port);
  cr_assert(find(http, &found, &reason), "%s", reason.text);
  cr_expect(sample_equals(&sample, &found.entry));
  cache_found_free(&found);
  cache_http_close(http);
}

/* -------------------------------------------------------------------------------- as it should not be */

/* A miss within the time-out, with a reason that has this text and never the token. */
static void expect_failure(const char *what, const char *text) {
  struct cache_found found;
  struct cache_reason reason;
  struct cache_http *http = open_at(server.port);
  const double before = now_ms();
  cr_expect(!find(http, &found, &reason), "%s", what);
  cr_expect_lt(now_ms() - before, LONGEST_MS, "%s: %g ms", what, now_ms() - before);
  cr_expect(strstr(reason.text, text), "%s: \"%s\" is not in: %s", what, text, reason.text);
  cr_expect(strstr(reason.text, "http://127.0.0.1") && !strstr(reason.text, secret), "%s", reason.text);
  cr_expect(!found.bytes && !found.path);
  cache_http_close(http);
}

static void expect_unpublished(const char *what, const char *text) {
  struct cache_reason reason;
  struct cache_http *http = open_at(server.port);
  const double before = now_ms();
  cr_expect(!cache_http_publish(http, &sample.entry, &reason), "%s", what);
  cr_expect_lt(now_ms() - before, LONGEST_MS, "%s: %g ms", what, now_ms() - before);
  cr_expect(strstr(reason.text, text), "%s: \"%s\" is not in: %s", what, text, reason.text);
  cr_expect(!strstr(reason.text, secret), "%s", reason.text);
  cache_http_close(http);
}

static const struct {
  const char *answer;
  const char *of_get; /* what the reason says; NULL: a plain miss */
  const char *of_put; /* NULL: done */
} bad_answers[] = {
    {"HTTP/1.1 204 No Content\r\n\r\n", "the answer is 204", NULL},
    {"HTTP/1.1 206 Partial Content\r\nContent-Length: 0\r\n\r\n", "the answer is 206", NULL},
    {"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "the answer is 400", "the answer is 400"},
    {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: Basic\r\n\r\n", "the answer is 401",
     "the answer is 401"},
    {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "the answer is 403", "the answer is 403"},
    {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", NULL, "the answer is 404"},
    {"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n", "the answer is 405", "the answer is 405"},
    {"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", NULL, "the answer is 410"},
    {"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n", "the answer is 413", "the answer is 413"},
    {"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", "the answer is 429", "the answer is 429"},
    {"HTTP/1.1 500 Internal Server Error\r\n\r\n", "the answer is 500", "the answer is 500"},
    {"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno!", "the answer is 503", "the answer is 503"},
    {"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", "the answer is 999", "the answer is 999"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "less than a header", NULL},
    {"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n<html>Please log in</html>", "less than a header", NULL},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "file size", "file size"},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "", NULL},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "", ""},
    {"SSH-2.0-OpenSSH_9.2\r\n", "", ""},
    {"\r\n\r\n", "", ""},
    {"HTTP/1.1", "", ""},
};

Test(cache_http, other_answers) {
  struct cache_found found;
  struct cache_reason reason;
  for (size_t i = 0; i < sizeof bad_answers / sizeof *bad_answers; i++) {
    answer_text(bad_answers[i].answer);
    if (bad_answers[i].of_get) {
      expect_failure(bad_answers[i].answer, bad_answers[i].of_get);
    } else {
      struct cache_http *http = open_at(server.port);
      cr_expect(!find(http, &found, &reason) && !reason.text[0], "%s: %s", bad_answers[i].answer, reason.text);
      cache_http_close(http);
    }
    if (bad_answers[i].of_put)
      expect_unpublished(bad_answers[i].answer, bad_answers[i].of_put);
  }
}

/* Neither the token nor anything else goes where a server points. */
Test(cache_http, redirects_are_not_followed) {
  static const unsigned codes[] = {301, 302, 303, 307, 308};
  static const char *const schemes[] = {"http", "https"};
  struct server other;
  server_start(&other);
  for (size_t i = 0; i < 2 * sizeof codes / sizeof *codes; i++) {
    char answer[256];
    snprintf(answer, sizeof answer,
             "HTTP/1.1 %u Moved\r\nLocation: %s://localhost:%u/base/x\r\nContent-Length: 0\r\n\r\n", codes[i / 2],
             schemes[i % 2], other.port);
    answer_text(answer);
    expect_failure(answer, "a redirect, which is not followed");
    expect_unpublished(answer, "a redirect, which is not followed");
  }
  cr_expect_eq(other.requests, 0);
  server_stop(&other);
}

Test(cache_http, half_wrong_and_foreign_bodies) {
  answer_body(encoded, encoded_size / 2, encoded_size);
  expect_failure("the connection ends in the middle", "");
  answer_body(encoded, encoded_size / 2, encoded_size / 2);
  expect_failure("half an entry", "header tells of");
  answer_body(encoded, encoded_size - 1, encoded_size - 1);
  expect_failure("all but a byte", "header tells of");

  struct sample another;
  unsigned char *bytes;
  size_t size;
  struct cache_reason reason = {""};
  sample_make(&another, SAMPLE + 1, IMAGE_SIZE);
  cr_assert(cache_entry_encode(&another.entry, &bytes, &size, &reason));
  answer_body(bytes, size, size);
  expect_failure("the entry of another key", "another key");
  free(bytes);
  another.entry.key = sample.entry.key;
  another.entry.toolchain = "nv12.0-1a2b3c4d";
  cr_assert(cache_entry_encode(&another.entry, &bytes, &size, &reason));
  answer_body(bytes, size, size);
  expect_failure("the entry of another toolchain", "another toolchain");
  free(bytes);
  sample_free(&another);
}

/* Each bit of each byte, and each length. */
Test(cache_http, no_altered_body_is_an_entry) {
  struct cache_entry entry;
  struct cache_reason reason = {""};
  struct http_body body = {0};
  for (size_t at = 0; at < encoded_size; at += 7)
    cr_assert_neq(http_body_add((const char *)encoded + at, 1, encoded_size - at < 7 ? encoded_size - at : 7, &body),
                  0);
  cr_assert(http_body_check(&body, &sample.entry.key, SAMPLE_TOOLCHAIN, &entry, &reason), "%s", reason.text);
  for (size_t at = 0; at < encoded_size; at++) {
    body.bytes[at] ^= (unsigned char)(1 << at % 8);
    cr_assert(!http_body_check(&body, &sample.entry.key, SAMPLE_TOOLCHAIN, &entry, &reason), "byte %zu", at);
    body.bytes[at] ^= (unsigned char)(1 << at % 8);
  }
  while (body.size-- > 0)
    cr_assert(!http_body_check(&body, &sample.entry.key, SAMPLE_TOOLCHAIN, &entry, &reason), "%zu bytes", body.size);
  body.size = 0;
  http_body_free(&body);
}

Test(cache_http, a_body_without_end_is_refused_at_the_largest_size) {
  static char piece[1 << 20];
  struct http_body body = {0};
  for (size_t i = 0; i < CACHE_ENTRY_SIZE_MAX / sizeof piece; i++)
    cr_assert_eq(http_body_add(piece, 1, sizeof piece, &body), sizeof piece);
  cr_expect_eq(http_body_add(piece, 1, 1, &body), 0);
  cr_expect(body.is_refused);
  cr_expect_eq(body.size, CACHE_ENTRY_SIZE_MAX);
  http_body_free(&body);
}

Test(cache_http, slow_servers_cost_the_timeout) {
  server.answer = (struct server_answer){.silent = true};
  expect_failure("no answer", "");
  expect_unpublished("no answer", "");
  answer_body(encoded, encoded_size, encoded_size);
  server.answer.chunk = 1;
  server.answer.pause_ms = 5;
  expect_failure("a byte each 5 ms", "");
  server.answer.endless = true;
  server.answer.pause_ms = 0;
  answer_body(encoded, encoded_size, CACHE_ENTRY_SIZE_MAX);
  server.answer.endless = true;
  expect_failure("an entry again and again", "");
  server.answer = (struct server_answer){.slam = true};
  expect_failure("a reset", "");
  expect_unpublished("a reset", "");
}

/* -------------------------------------------------------------------------------- back-off */

/* How many requests reach the server when so many finds and publications are tried. */
static unsigned requests_of(struct cache_http *http, unsigned finds, unsigned publications,
                            struct cache_reason *reason) {
  struct cache_found found;
  const unsigned before = server.requests;
  for (unsigned i = 0; i < finds; i++)
    cr_expect(!find(http, &found, reason));
  for (unsigned i = 0; i < publications; i++)
    cache_http_publish(http, &sample.entry, reason);
  return server.requests - before;
}

Test(cache_http, a_failing_server_is_left_out_for_longer_and_longer) {
  static const char broken[] = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
  struct cache_found found;
  struct cache_reason reason;
  struct cache_http *http = open_at(server.port);
  answer_text(broken);
  cr_expect_eq(requests_of(http, HTTP_FAILURES, 0, &reason), HTTP_FAILURES);
  cr_expect(strstr(reason.text, "not asked again for 30 s"), "%s", reason.text);
  for (uint64_t pause = HTTP_PAUSE_MS; pause < 4 * HTTP_PAUSE_MOST_MS; pause *= 2) {
    const uint64_t bounded = pause < HTTP_PAUSE_MOST_MS ? pause : HTTP_PAUSE_MOST_MS;
    clock_state.clock_ms += bounded - 1;
    cr_expect_eq(requests_of(http, 2, 0, &reason), 0);
    cr_expect_str_empty(reason.text, "what is left out says nothing");
    clock_state.clock_ms += 1;
    cr_expect_eq(requests_of(http, 2, 0, &reason), 1);
  }
  /* Once it is well, everything is as in the beginning. */
  clock_state.clock_ms += HTTP_PAUSE_MOST_MS;
  server.answer = (struct server_answer){.bytes = NULL};
  cr_expect(!find(http, &found, &reason) && !reason.text[0], "%s", reason.text);
  answer_text(broken);
  cr_expect_eq(requests_of(http, HTTP_FAILURES + 2, 0, &reason), HTTP_FAILURES);
  clock_state.clock_ms += HTTP_PAUSE_MS;
  cr_expect_eq(requests_of(http, 1, 0, &reason), 1);
  cache_http_close(http);
}

Test(cache_http, a_server_that_refuses_to_be_written_is_read) {
  struct cache_reason reason;
  struct cache_http *http = open_at(server.port);
  answer_text("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  cr_expect_eq(requests_of(http, 0, HTTP_FAILURES + 5, &reason), HTTP_FAILURES);
  cr_expect_eq(requests_of(http, 1, 1, &reason), 1);
  cache_http_close(http);
}

Test(cache_http, one_that_does_not_answer_is_left_out_both_ways) {
  struct cache_reason reason;
  struct cache_http *http = open_at(server.port);
  server.answer = (struct server_answer){.slam = true};
  cr_expect_eq(requests_of(http, HTTP_FAILURES, 0, &reason), HTTP_FAILURES);
  cr_expect_eq(requests_of(http, 3, 3, &reason), 0);
  cache_http_close(http);
}

Test(cache_http, a_server_that_is_gone) {
  struct server gone;
  struct cache_found found;
  struct cache_reason reason;
  server_start(&gone);
  server_stop(&gone);
  struct cache_http *http = open_at(gone.port);
  cr_expect(!find(http, &found, &reason));
  cr_expect(strstr(reason.text, "connect"), "%s", reason.text);
  cr_expect(!cache_http_probe(http, &reason) && reason.text[0]);
  cache_http_close(http);
  http = open_at(server.port);
  cr_expect(cache_http_probe(http, &reason), "%s", reason.text);
  cache_http_close(http);
}

/* -------------------------------------------------------------------------------- configuration */

Test(cache_http, urls_and_tokens_that_are_none) {
  static const char *const good[] = {"http://a", "https://cache.local:8080/ac", "http://[::1]:80/x",
                                     "http://10.0.0.1/"};
  static const char *const bad[] = {
      "",           "cache.local",     "ftp://a",        "file:///etc/passwd", "http://",
      "http:///a",  "http://:80/a",    "http://u:p@a/",  "http://a/?b",        "http://a/#b",
      "http://a b", "http://a/\r\nX:", "http://\xc3\xa4"};
  struct cache_reason reason = {""};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    cr_expect(cache_http_url_check(good[i], &reason), "%s: %s", good[i], reason.text);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    cache_reason_clear(&reason);
    cr_expect(!cache_http_url_check(bad[i], &reason) && reason.text[0], "%s", bad[i]);
  }
  cache_reason_clear(&reason);
  cr_expect(cache_http_token_check(secret, &reason));
  cr_expect(!cache_http_token_check("two words", &reason));
  cr_expect(!cache_http_token_check("x\r\nHost: y", &reason));
  cr_expect(!strstr(reason.text, "words"), "the token is never told: %s", reason.text);
}

static volatile sig_atomic_t signals;
static void count_signal(int number) {
  signals += number == SIGPIPE;
}

/* libcurl leaves SIGPIPE to the program, and TLS writes to sockets that may be gone. */
Test(cache_http, sigpipe_is_held_back) {
  struct sigpipe held;
  sigset_t mask;
  signal(SIGPIPE, count_signal);
  sigpipe_hold(&held);
  raise(SIGPIPE);
  sigpipe_release(&held);
  cr_expect_eq(signals, 0);
  raise(SIGPIPE);
  cr_expect_eq(signals, 1);

  sigemptyset(&mask);
  sigaddset(&mask, SIGPIPE);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  raise(SIGPIPE); /* the program's own, which waits */
  sigpipe_hold(&held);
  raise(SIGPIPE);
  sigpipe_release(&held);
  sigprocmask(SIG_UNBLOCK, &mask, NULL);
  cr_expect_eq(signals, 2);
}
