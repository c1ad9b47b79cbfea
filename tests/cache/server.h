/* An HTTP server on this machine that answers whatever a test says, byte by byte if need be, or keeps what it is sent.
 */
#ifndef FLASHJIT_TESTS_CACHE_SERVER_H
#define FLASHJIT_TESTS_CACHE_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SERVER_HEAD_SIZE = 4096, SERVER_KEPT = 16 };

/* How one request is answered. */
struct server_answer {
  const void *bytes; /* head and body as they are sent; NULL: what was PUT under the path, or 404 */
  size_t size;
  size_t chunk;      /* bytes at a time, with a pause after each; 0: all at once */
  uint32_t pause_ms; /* also before the first */
  bool endless;      /* the last chunk is sent again and again */
  bool silent;       /* nothing is sent, and the connection stays */
  bool slam;         /* the connection is reset, unread */
};

struct server_object {
  char path[256];
  unsigned char *bytes;
  size_t size;
};

struct server {
  int socket;
  unsigned port;
  struct server_answer answer;
  atomic_bool stopping;
  atomic_uint requests;
  char head[SERVER_HEAD_SIZE]; /* of the last request, as a text */
  struct server_object kept[SERVER_KEPT];
  unsigned long thread;
};

/* Listens at 127.0.0.1:port. `answer` may be changed between requests. */
void server_start(struct server *server);
void server_stop(struct server *server);

/* Forgets what it was sent. */
void server_forget(struct server *server);

/* What was PUT last under a path that ends in this; NULL: nothing. */
const struct server_object *server_object(const struct server *server, const char *path_end);

#endif
