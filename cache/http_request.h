/* One GET or PUT. */
#ifndef FLASHJIT_CACHE_HTTP_REQUEST_H
#define FLASHJIT_CACHE_HTTP_REQUEST_H

#include "cache/http_body.h"

struct http_request {
  const char *url;
  const char *token;   /* NULL: none */
  const char *ca_file; /* PEM; NULL: those that libcurl knows */
  uint32_t timeout_ms; /* of everything together */
  const void *put;     /* what is sent; NULL: GET */
  size_t put_size;
};

enum http_outcome {
  HTTP_DONE,
  HTTP_ABSENT,      /* GET: the server does not have it */
  HTTP_FAILED,      /* it answered something else, or not to the end */
  HTTP_UNREACHABLE, /* it did not answer, or is not who it should be */
  HTTP_NO_CLIENT    /* there is no libcurl */
};

/* The reason is told for the last three. A redirect is an answer like others and is not followed. `body` is what a GET
 * brought, and is to be freed whatever the outcome. */
enum http_outcome http_request_run(const struct http_request *request, struct http_body *body,
                                   struct cache_reason *reason);

#endif
