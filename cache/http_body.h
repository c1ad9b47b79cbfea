/* What a server sends, piece by piece, and whether it is an entry. */
#ifndef FLASHJIT_CACHE_HTTP_BODY_H
#define FLASHJIT_CACHE_HTTP_BODY_H

#include "cache/entry.h"

struct http_body {
  unsigned char *bytes; /* malloc'ed */
  size_t size;
  size_t room;
  bool is_refused; /* more bytes than an entry has, or no memory */
};

/* Adds a piece of count x size bytes; called by libcurl. Anything but their number ends the transfer. */
size_t http_body_add(const char *piece, size_t size, size_t count, void *body);

/* The check of entries that come from a file, and that it is of this key and toolchain. For a body that was not
 * refused. */
bool http_body_check(const struct http_body *body, const struct cache_key *key, const char *toolchain,
                     struct cache_entry *entry, struct cache_reason *reason);

void http_body_free(struct http_body *body);

#endif
