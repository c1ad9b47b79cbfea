/* The tokens of CUDA C++ text. */
#include "scan.h"

#include <string.h>

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

static size_t skip_name(const char *text, size_t at, size_t size) {
  while (at < size && (is_letter(text[at]) || is_digit(text[at])))
    at++;
  return at;
}

/* With suffixes and fractions: 0x1fu, 1.5f. A signed exponent makes two numbers, which is as good here. */
static size_t skip_number(const char *text, size_t at, size_t size) {
  while (at < size && (is_letter(text[at]) || is_digit(text[at]) || text[at] == '.'))
    at++;
  return at;
}

static size_t skip_string(const char *text, size_t at, size_t size) {
  const char quote = text[at++];
  while (at < size && text[at] != quote)
    at += text[at] == '\\' ? 2 : 1;
  return at < size ? at + 1 : size;
}

static size_t skip_line_comment(const char *text, size_t at, size_t size) {
  const char *end = memchr(text + at, '\n', size - at);
  return end ? (size_t)(end - text) : size;
}

static size_t skip_block_comment(const char *text, size_t at, size_t size) {
  for (at += 2; at + 1 < size; at++) {
    if (text[at] == '*' && text[at + 1] == '/')
      return at + 2;
  }
  return size;
}

static size_t skip_spaces(const char *text, size_t at, size_t size) {
  while (at < size && is_space(text[at]))
    at++;
  return at;
}

struct token scan_token(const char *text, size_t at, size_t size) {
  if (at >= size)
    return (struct token){TOKEN_END, size, size};
  const char c = text[at];
  const char next = at + 1 < size ? text[at + 1] : '\0';
  if (c == '\n')
    return (struct token){TOKEN_NEWLINE, at, at + 1};
  if (is_space(c))
    return (struct token){TOKEN_SPACE, at, skip_spaces(text, at, size)};
  if (is_letter(c))
    return (struct token){TOKEN_NAME, at, skip_name(text, at, size)};
  if (is_digit(c) || (c == '.' && is_digit(next)))
    return (struct token){TOKEN_NUMBER, at, skip_number(text, at + 1, size)};
  if (c == '"' || c == '\'')
    return (struct token){TOKEN_STRING, at, skip_string(text, at, size)};
  if (c == '/' && next == '/')
    return (struct token){TOKEN_COMMENT, at, skip_line_comment(text, at, size)};
  if (c == '/' && next == '*')
    return (struct token){TOKEN_COMMENT, at, skip_block_comment(text, at, size)};
  return (struct token){TOKEN_SIGN, at, at + 1};
}

bool scan_is(const char *text, const struct token *token, const char *word) {
  const size_t size = token->end - token->begin;
  return strlen(word) == size && memcmp(text + token->begin, word, size) == 0;
}
