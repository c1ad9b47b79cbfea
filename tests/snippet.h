/* A snippet for tests, and what it computes in double precision. */
#ifndef TESTS_SNIPPET_H
#define TESTS_SNIPPET_H

#include <stdint.h>

/* Caps scores by a number of the head and hides other documents; or weights V with a sigmoid. */
extern const char snippet_text[];

/*
 * Its parameters: words of 32 bits, words[SNIPPET_STRIDE] of them for each request, which begin alike and then have the
 * documents of its KV tokens.
 */
enum { SNIPPET_CAP = 0, SNIPPET_STRIDE = 1, SNIPPET_HEADER = 2 };

/* A function of a snippet as the reference calls it. */
typedef double snippet_function(double score, int64_t query, int64_t kv, uint32_t head, uint32_t request,
                                const void *params);

/* That of a FI_SNIPPET_; NULL for none. */
snippet_function *snippet_function_of(uint32_t kind);

#endif
