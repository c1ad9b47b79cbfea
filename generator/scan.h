/* Splits CUDA C++ text into tokens, just far enough to tell names from comments, strings and numbers. */
#ifndef GENERATOR_SCAN_H
#define GENERATOR_SCAN_H

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
  TOKEN_END,
  TOKEN_NAME,
  TOKEN_NUMBER,
  TOKEN_STRING,
  TOKEN_COMMENT,
  TOKEN_SPACE,
  TOKEN_NEWLINE,
  TOKEN_SIGN
};

/* A token is text[begin .. end). A sign is one byte; a newline is one line end; spaces hold no line end. */
struct token {
  enum token_kind kind;
  size_t begin;
  size_t end;
};

/* The token that begins at text[at]; TOKEN_END at size. */
struct token scan_token(const char *text, size_t at, size_t size);

bool scan_is(const char *text, const struct token *token, const char *word);

#endif
