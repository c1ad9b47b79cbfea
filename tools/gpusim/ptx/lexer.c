/* Splits PTX text into tokens. */
#include "ptx/lexer.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_name(char c) {
  return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static void skip_comment(struct ptx_lexer *lexer) {
  if (lexer->at[1] == '/') {
    while (*lexer->at && *lexer->at != '\n')
      lexer->at++;
    return;
  }
  for (lexer->at += 2; *lexer->at; lexer->at++) {
    lexer->line += *lexer->at == '\n';
    if (lexer->at[0] == '*' && lexer->at[1] == '/') {
      lexer->at += 2;
      return;
    }
  }
}

static void skip_blanks(struct ptx_lexer *lexer) {
  for (;;) {
    if (isspace((unsigned char)*lexer->at))
      lexer->line += *lexer->at++ == '\n';
    else if (lexer->at[0] == '/' && (lexer->at[1] == '/' || lexer->at[1] == '*'))
      skip_comment(lexer);
    else
      return;
  }
}

static const char *read_hex(const char *at, int digits, uint64_t *value) {
  *value = 0;
  for (int i = 0; i < digits && isxdigit((unsigned char)*at); i++, at++)
    *value = *value << 4 | (uint64_t)(isdigit((unsigned char)*at) ? *at - '0' : tolower((unsigned char)*at) - 'a' + 10);
  return at;
}

static void read_number(struct ptx_lexer *lexer, struct ptx_token *token) {
  const char *start = lexer->at;
  char *end;
  if (start[0] == '0' && (start[1] == 'f' || start[1] == 'F')) {
    token->kind = TOKEN_SINGLE;
    lexer->at = read_hex(start + 2, 8, &token->value);
    return;
  }
  if (start[0] == '0' && (start[1] == 'd' || start[1] == 'D')) {
    token->kind = TOKEN_DOUBLE;
    lexer->at = read_hex(start + 2, 16, &token->value);
    return;
  }
  token->kind = TOKEN_INTEGER;
  token->value = strtoull(start, &end, 0);
  if (*end == '.' || *end == 'e') {
    double number = strtod(start, &end);
    token->kind = TOKEN_DOUBLE;
    memcpy(&token->value, &number, sizeof number);
  }
  while (*end == 'U' || *end == 'u')
    end++;
  lexer->at = end;
}

static void read_string(struct ptx_lexer *lexer) {
  for (lexer->at++; *lexer->at && *lexer->at != '"'; lexer->at++)
    lexer->line += *lexer->at == '\n';
  lexer->at += *lexer->at == '"';
}

struct ptx_token ptx_next(struct ptx_lexer *lexer) {
  skip_blanks(lexer);
  struct ptx_token token = {.kind = TOKEN_MARK, .text = lexer->at, .line = lexer->line};
  char first = *lexer->at;
  if (!first) {
    token.kind = TOKEN_END;
  } else if (isdigit((unsigned char)first)) {
    read_number(lexer, &token);
  } else if (first == '"') {
    token.kind = TOKEN_STRING;
    read_string(lexer);
  } else if (first == '.' && is_name(lexer->at[1])) {
    token.kind = TOKEN_DIRECTIVE;
    for (lexer->at++; is_name(*lexer->at);)
      lexer->at++;
  } else if (is_name(first) || first == '%') {
    token.kind = TOKEN_NAME;
    for (lexer->at++; is_name(*lexer->at) || (first == '%' && *lexer->at == '.');)
      lexer->at++;
  } else {
    lexer->at++;
  }
  token.length = (size_t)(lexer->at - token.text);
  return token;
}

size_t ptx_opcode_tail(struct ptx_lexer *lexer) {
  const char *start = lexer->at;
  while (is_name(*lexer->at) || *lexer->at == '.' || (lexer->at[0] == ':' && lexer->at[1] == ':'))
    lexer->at += *lexer->at == ':' ? 2 : 1;
  return (size_t)(lexer->at - start);
}
