/* Looks at FLASHJIT_HTTP_URL as a context does, and asks the server for nothing in particular. */
#include "tools/flashjit/http_state.h"

#include "cache/http.h"

#include <stdio.h>
#include <string.h>

/* What a context would refuse, or leave alone. */
static bool check(const struct options *options, struct http_state *state) {
  if (!cache_http_url_check(options->http_url, &state->problem)) {
    state->url = NULL;
    state->remedy = "mend FLASHJIT_HTTP_URL: no context can be made";
  } else if (options->http_token && !cache_http_token_check(options->http_token, &state->problem)) {
    state->remedy = "mend FLASHJIT_HTTP_TOKEN: no context can be made";
  } else if (options->bundle_key) {
    state->remedy = "unset FLASHJIT_BUNDLE_KEY or FLASHJIT_HTTP_URL";
  }
  state->is_refused = state->problem.text[0];
  if (!state->problem.text[0] && state->remedy)
    cache_refuse(&state->problem, "not used: FLASHJIT_BUNDLE_KEY asks for signatures, and its entries have none");
  return !state->remedy;
}

static void ask(const struct options *options, struct http_state *state) {
  const struct cache_http_config config = options_http(options);
  struct cache_http *http = cache_http_open(&config, &cache_io_posix);
  state->answers = http && cache_http_probe(http, &state->problem);
  cache_http_close(http);
  if (!state->answers)
    state->remedy = "see that the server runs, that libcurl is installed, and that FLASHJIT_HTTP_TOKEN and "
                    "FLASHJIT_HTTP_CA are right; until then kernels are compiled";
}

bool http_state_read(const struct options *options, struct http_state *state) {
  *state = (struct http_state){.url = options->http_url};
  if (!state->url || !state->url[0])
    return false;
  state->is_used = check(options, state);
  if (state->is_used)
    ask(options, state);
  if (!state->remedy && options->http_token && options->http_token[0] && strncmp(state->url, "http:", 5) == 0) {
    cache_refuse(&state->problem, "the token travels in the clear");
    state->remedy = "use https";
  }
  return true;
}

json_t *http_state_json(const struct options *options) {
  struct http_state state;
  if (!http_state_read(options, &state))
    return json_null();
  return json_pack("{s:s?, s:b, s:b, s:s}", "url", state.url, "used", state.is_used, "answers", state.answers,
                   "problem", state.problem.text);
}

static void print(const char *url, bool answers, const char *problem, char text[HTTP_STATE_TEXT_SIZE]) {
  snprintf(text, HTTP_STATE_TEXT_SIZE, "%s %s%s%s", url ? url : "FLASHJIT_HTTP_URL",
           !url      ? "is refused"
           : answers ? "answers"
                     : "does not answer",
           problem[0] ? ": " : "", problem);
}

void http_state_describe(const struct http_state *state, char text[HTTP_STATE_TEXT_SIZE]) {
  print(state->url, state->answers, state->problem.text, text);
}

void http_state_print(const json_t *state, char text[HTTP_STATE_TEXT_SIZE]) {
  print(json_string_value(json_object_get(state, "url")), json_is_true(json_object_get(state, "answers")),
        json_string_value(json_object_get(state, "problem")), text);
}
