/* Marks on the KV of requests. */
#include "tools/flashjit/phases.h"

/* The fourth brings the cache to its final length, where the last step of decoding happens. */
const struct phase phases[PHASES] = {
    {"prefill", ROLE_PREFILL}, {"extend", ROLE_EXTEND},      {"first decode", ROLE_DECODE},
    {"append", ROLE_APPEND},   {"last decode", ROLE_DECODE},
};

struct marks phase_marks(const struct request *request) {
  uint32_t extended = request->generated < EXTEND_TOKENS ? request->generated : EXTEND_TOKENS;
  uint32_t left = request->generated - extended;
  uint32_t first = request->prompt + extended + 1;
  uint32_t middle = left > 2 ? left - 2 : 0;
  return (struct marks){{0, request->prompt, request->prompt + extended, first, first + middle, first + middle + 1}};
}

size_t phase_tokens(const struct marks *marks, size_t requests, int phase) {
  size_t tokens = 0;
  for (size_t r = 0; r < requests; r++)
    tokens += marks[r].mark[phase + 1] - marks[r].mark[phase];
  return tokens;
}

double phase_pairs(const struct marks *marks, size_t requests, int phase) {
  double pairs = 0;
  for (size_t r = 0; r < requests; r++) {
    double begin = marks[r].mark[phase];
    double end = marks[r].mark[phase + 1];
    pairs += (end * (end + 1) - begin * (begin + 1)) / 2;
  }
  return pairs;
}

double phase_kv_tokens(const struct marks *marks, size_t requests, int phase) {
  double tokens = 0;
  for (size_t r = 0; r < requests; r++) {
    const uint32_t *mark = marks[r].mark;
    tokens += mark[phase + 1] > mark[phase] ? mark[phase + 1] : 0;
  }
  return tokens;
}
