/* A growing text. The first failed allocation sticks: later calls do nothing, and text_take reports it. */
#ifndef GENERATOR_TEXT_H
#define GENERATOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
  char *data; /* closed by a zero once anything was added; NULL before */
  size_t size;
  size_t room;
  bool failed;
};

void text_add(struct text *text, const char *bytes, size_t size);

/* Only integers, characters and strings may be printed: other conversions depend on the locale. */
__attribute__((format(printf, 2, 3))) void text_print(struct text *text, const char *format, ...);

/* Hands the bytes to the caller, who frees them, and empties the text. NULL when an allocation failed. */
char *text_take(struct text *text);

void text_free(struct text *text);

#endif
