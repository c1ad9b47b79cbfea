/* The server that machines share kernels on: whether one is set, and how it is with it. */
#ifndef TOOLS_FLASHJIT_HTTP_STATE_H
#define TOOLS_FLASHJIT_HTTP_STATE_H

#include "cache/reason.h"
#include "runtime/options.h"

#include <jansson.h>

enum { HTTP_STATE_TEXT_SIZE = 2048 };

struct http_state {
  const char *url; /* of the options; NULL: refused, and not to be told, as it may hold a password */
  bool is_refused; /* what is set of it: no context can be made */
  bool is_used;    /* a context would ask it */
  bool answers;
  struct cache_reason problem; /* why it does not, or what else is wrong */
  const char *remedy;          /* NULL: nothing is wrong */
};

/* Asks the server. False when none is set. */
bool http_state_read(const struct options *options, struct http_state *state);

/* {"url", "used", "answers", "problem"}; null when none is set. The URL is null where it is not to be told. */
json_t *http_state_json(const struct options *options);

/* What either says in one line, of a server that is set. */
void http_state_describe(const struct http_state *state, char text[HTTP_STATE_TEXT_SIZE]);
void http_state_print(const json_t *state, char text[HTTP_STATE_TEXT_SIZE]);

#endif
