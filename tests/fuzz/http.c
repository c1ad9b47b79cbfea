/*
 * What a server sends: libcurl reads the head, so this is the body, in pieces of sizes that the first bytes tell. What
 * is taken as an entry is one, of the key and toolchain that were asked for, and of no others.
 */
#include "fuzz.h"

#include "cache/http_body.h"
#include "cache/verify.h"
#include "seal.h"

#include <string.h>

enum { PIECES = 4 };

static void collect(const uint8_t *pieces, const uint8_t *data, size_t size, struct http_body *body) {
  size_t at = 0;
  for (unsigned i = 0; at < size; i++) {
    const size_t wanted = (size_t)pieces[i % PIECES] * pieces[i % PIECES] + 1;
    const size_t piece = wanted < size - at ? wanted : size - at;
    fuzz_expect(http_body_add((const char *)data + at, 1, piece, body) == piece);
    at += piece;
  }
  fuzz_expect(body->size == size && (size == 0 || memcmp(body->bytes, data, size) == 0));
}

static bool is_taken(const struct http_body *body, const struct cache_key *key, const char *toolchain) {
  struct cache_entry entry;
  struct cache_reason reason = {""};
  const bool is_entry = http_body_check(body, key, toolchain, &entry, &reason);
  fuzz_expect(is_entry || reason.text[0]);
  fuzz_expect(!is_entry || (cache_key_equal(&entry.key, key) && strcmp(entry.toolchain, toolchain) == 0));
  return is_entry;
}

static void read_body(const uint8_t *pieces, const uint8_t *data, size_t size) {
  struct http_body body = {0};
  struct cache_entry entry = {.toolchain = "none"};
  struct cache_reason reason = {""};
  collect(pieces, data, size, &body);
  const bool is_entry = body.bytes && cache_verify(body.bytes, body.size, NULL, &entry, &reason);
  struct cache_key key = entry.key;
  fuzz_expect(is_taken(&body, &key, is_entry ? entry.toolchain : "none") == is_entry);
  fuzz_expect(!is_taken(&body, &key, ""));
  key.bytes[0] ^= 1;
  fuzz_expect(!is_entry || !is_taken(&body, &key, entry.toolchain));
  http_body_free(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < PIECES)
    return 0;
  uint8_t *sealed = fuzz_sealed(data + PIECES, size - PIECES);
  read_body(data, data + PIECES, size - PIECES);
  read_body(data, sealed, size - PIECES);
  free(sealed);
  return 0;
}
