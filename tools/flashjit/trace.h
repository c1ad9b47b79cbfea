/* How long requests are: from a production trace, from the command line, or the built-in mix. */
#ifndef TOOLS_FLASHJIT_TRACE_H
#define TOOLS_FLASHJIT_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request {
  uint32_t prompt;    /* tokens, at least 1 */
  uint32_t generated; /* tokens */
};

struct trace {
  struct request *requests;
  size_t count;
};

void trace_free(struct trace *trace);

/*
 * The first `limit` rows of a file: Azure's CSV (ContextTokens, GeneratedTokens) or Mooncake's JSON lines
 * (input_length, output_length). False with a message "path:line: ..." that names the field.
 */
bool trace_read(struct trace *trace, const char *path, size_t limit);

/* "100:1,37:5": prompt and generated tokens of each request. */
bool trace_parse(struct trace *trace, const char *text);

/* So many requests of the built-in mix of short and long ones. */
bool trace_default(struct trace *trace, size_t count);

/* Prompt and generated tokens of the longest request. */
uint32_t trace_longest(const struct trace *trace);

/* Divides all lengths, rounding up. */
void trace_scale(struct trace *trace, uint32_t divisor);

/* Cuts requests to so many tokens, the prompt first. Returns how many were cut. */
size_t trace_limit(struct trace *trace, uint32_t tokens);

#endif
