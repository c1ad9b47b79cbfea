/* The text, and the same by other means. */
#include "tests/snippet.h"

#include "flashjit.h"

#include <math.h>
#include <string.h>

const char snippet_text[] =
    "/* A cap by tanh, a mask of documents, and a sigmoid, which f16 holds to 11 bits. */\n"
    "int document(const int *words, int request, int token) {\n"
    "  return words[2 + request * words[1] + (token < 0 ? 0 : token)];\n"
    "}\n"
    "\n"
    "float logit(struct fi_score at, const void *params) {\n"
    "  const int *words = (const int *)params;\n"
    "  const float cap = *(const float *)params + at.head % 4;\n"
    "  const int mine = document(words, at.request, at.query);\n"
    "  return mine == document(words, at.request, at.kv) ? cap * tanhf(at.score / cap) : -INFINITY;\n"
    "}\n"
    "\n"
    "float weight(struct fi_score at, const void *params) {\n"
    "  const int *words = (const int *)params;\n"
    "  const int mine = document(words, at.request, at.query);\n"
    "  return mine == document(words, at.request, at.kv) ? 0.01f + 1 / (1 + expf(at.head % 4 - at.score)) : 0;\n"
    "}\n";

static int document(const void *params, uint32_t request, int64_t token) {
  const int *words = params;
  return words[SNIPPET_HEADER + (int64_t)request * words[SNIPPET_STRIDE] + (token < 0 ? 0 : token)];
}

static double logit(double score, int64_t query, int64_t kv, uint32_t head, uint32_t request, const void *params) {
  float given;
  memcpy(&given, (const int *)params + SNIPPET_CAP, sizeof given);
  const double cap = (double)given + head % 4;
  return document(params, request, query) == document(params, request, kv) ? cap * tanh(score / cap) : -INFINITY;
}

static double weight(double score, int64_t query, int64_t kv, uint32_t head, uint32_t request, const void *params) {
  return document(params, request, query) == document(params, request, kv) ? 0.01 + 1 / (1 + exp(head % 4 - score)) : 0;
}

snippet_function *snippet_function_of(uint32_t kind) {
  return kind == FI_SNIPPET_LOGIT ? logit : kind == FI_SNIPPET_WEIGHT ? weight : NULL;
}
