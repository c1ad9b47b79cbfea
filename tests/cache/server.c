/* One thread that takes one connection after the other, each for one request. */
#include "server.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { POLL_MS = 20 };

static bool send_all(int peer, const void *bytes, size_t size) {
  const char *next = bytes;
  while (size > 0) {
    const ssize_t sent = send(peer, next, size, MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    next += sent;
    size -= (size_t)sent;
  }
  return true;
}

/* -------------------------------------------------------------------------------- request */

static bool read_head(struct server *server, int peer) {
  size_t size = 0;
  while (size + 1 < SERVER_HEAD_SIZE) {
    if (recv(peer, server->head + size, 1, 0) != 1)
      return false;
    server->head[++size] = '\0';
    if (size >= 4 && memcmp(server->head + size - 4, "\r\n\r\n", 4) == 0)
      return true;
  }
  return false;
}

static struct server_object *place_for(struct server *server, const char *path) {
  for (size_t i = 0; i < SERVER_KEPT; i++) {
    struct server_object *object = &server->kept[i];
    if (!object->bytes || strcmp(object->path, path) == 0)
      return object;
  }
  abort();
}

static void take_body(struct server *server, int peer, const char *path) {
  const char *length = strstr(server->head, "Content-Length: ");
  const size_t size = length ? strtoul(length + 16, NULL, 10) : 0;
  unsigned char *bytes = malloc(size + 1);
  if (!bytes)
    abort();
  if (recv(peer, bytes, size, MSG_WAITALL) != (ssize_t)size) {
    free(bytes);
    return;
  }
  struct server_object *object = place_for(server, path);
  free(object->bytes);
  *object = (struct server_object){.bytes = bytes, .size = size};
  snprintf(object->path, sizeof object->path, "%s", path);
}

/* -------------------------------------------------------------------------------- answer */

static void answer_kept(struct server *server, int peer, const char *method, const char *path) {
  static const char created[] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
  static const char absent[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone";
  char head[128];
  const struct server_object *object = server_object(server, path);
  if (strcmp(method, "PUT") == 0) {
    send_all(peer, created, sizeof created - 1);
  } else if (object) {
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", object->size);
    if (send_all(peer, head, strlen(head)))
      send_all(peer, object->bytes, object->size);
  } else {
    send_all(peer, absent, sizeof absent - 1);
  }
}

static void answer_given(struct server *server, int peer) {
  const struct server_answer answer = server->answer; /* the next one may come before the end of this one */
  const size_t chunk = answer.chunk ? answer.chunk : answer.size;
  size_t at = 0;
  while (at < answer.size && !server->stopping) {
    const size_t size = answer.size - at < chunk ? answer.size - at : chunk;
    usleep(answer.pause_ms * 1000);
    if (!send_all(peer, (const char *)answer.bytes + at, size))
      return;
    at += answer.endless && at + size == answer.size ? 0 : size;
  }
}

/* Until the peer leaves. */
static void wait_for_end(const struct server *server, int peer) {
  struct pollfd state = {.fd = peer, .events = POLLIN};
  char byte;
  while (!server->stopping && (poll(&state, 1, POLL_MS) == 0 || recv(peer, &byte, 1, 0) == 1))
    ;
}

static void slam(int peer) {
  const struct linger at_once = {.l_onoff = 1};
  setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void serve(struct server *server, int peer) {
  char method[8] = "";
  char path[256] = "";
  server->requests++;
  if (server->answer.slam) {
    slam(peer);
    return;
  }
  if (!read_head(server, peer) || sscanf(server->head, "%7s %255s", method, path) != 2)
    return;
  if (strcmp(method, "PUT") == 0)
    take_body(server, peer, path);
  if (server->answer.silent)
    wait_for_end(server, peer);
  else if (server->answer.bytes)
    answer_given(server, peer);
  else
    answer_kept(server, peer, method, path);
}

/* -------------------------------------------------------------------------------- start, stop */

static void *run(void *user) {
  struct server *server = user;
  for (;;) {
    const int peer = accept(server->socket, NULL, NULL);
    if (peer < 0)
      return NULL;
    serve(server, peer);
    close(peer);
  }
}

void server_start(struct server *server) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  *server = (struct server){.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (bind(server->socket, (struct sockaddr *)&address, sizeof address) || listen(server->socket, SERVER_KEPT) ||
      getsockname(server->socket, (struct sockaddr *)&address, &size))
    abort();
  server->port = ntohs(address.sin_port);
  if (pthread_create(&server->thread, NULL, run, server))
    abort();
}

void server_stop(struct server *server) {
  server->stopping = true;
  shutdown(server->socket, SHUT_RDWR);
  pthread_join(server->thread, NULL);
  close(server->socket);
  server_forget(server);
}

void server_forget(struct server *server) {
  for (size_t i = 0; i < SERVER_KEPT; i++) {
    free(server->kept[i].bytes);
    server->kept[i] = (struct server_object){.bytes = NULL};
  }
}

const struct server_object *server_object(const struct server *server, const char *path_end) {
  const size_t size = strlen(path_end);
  for (size_t i = 0; i < SERVER_KEPT && server->kept[i].bytes; i++) {
    const struct server_object *object = &server->kept[i];
    const size_t length = strlen(object->path);
    if (length >= size && strcmp(object->path + length - size, path_end) == 0)
      return object;
  }
  return NULL;
}
