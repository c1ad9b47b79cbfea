/* Collects what a server sends. No length that it tells is believed: memory grows with what has come. */
#include "cache/http_body.h"

#include "cache/verify.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 1 << 16 };

static bool make_room(struct http_body *body, size_t size) {
  size_t room = body->room ? body->room : FIRST_ROOM;
  if (size > CACHE_ENTRY_SIZE_MAX - body->size)
    return false;
  while (room < body->size + size)
    room *= 2;
  if (room == body->room)
    return true;
  unsigned char *bytes = realloc(body->bytes, room);
  if (!bytes)
    return false;
  body->bytes = bytes;
  body->room = room;
  return true;
}

size_t http_body_add(const char *piece, size_t size, size_t count, void *user) {
  struct http_body *body = user;
  const size_t total = size * count;
  body->is_refused = body->is_refused || !make_room(body, total);
  if (body->is_refused)
    return total ? 0 : 1;
  if (total)
    memcpy(body->bytes + body->size, piece, total);
  body->size += total;
  return total;
}

bool http_body_check(const struct http_body *body, const struct cache_key *key, const char *toolchain,
                     struct cache_entry *entry, struct cache_reason *reason) {
  if (!cache_verify(body->bytes, body->size, key, entry, reason))
    return false;
  return strcmp(entry->toolchain, toolchain) == 0 || cache_refuse(reason, "entry belongs to another toolchain");
}

void http_body_free(struct http_body *body) {
  free(body->bytes);
  *body = (struct http_body){0};
}
