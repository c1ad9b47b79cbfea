/* Tokens of PTX text. */
#ifndef GPUSIM_PTX_LEXER_H
#define GPUSIM_PTX_LEXER_H

#include <stddef.h>
#include <stdint.h>

enum token_kind {
  TOKEN_END,
  TOKEN_NAME,      /* identifier, %register, %special.x */
  TOKEN_DIRECTIVE, /* .reg, .shared, .b32 */
  TOKEN_INTEGER,
  TOKEN_SINGLE,
  TOKEN_DOUBLE,
  TOKEN_STRING,
  TOKEN_MARK /* one character of punctuation */
};

struct ptx_token {
  enum token_kind kind;
  const char *text;
  size_t length;
  uint32_t line;
  uint64_t value;
};

struct ptx_lexer {
  const char *at;
  uint32_t line;
};

struct ptx_token ptx_next(struct ptx_lexer *lexer);

/* Reads the modifiers that follow the first word of an opcode: `.rn.f32`, `.shared::cta`. */
size_t ptx_opcode_tail(struct ptx_lexer *lexer);

#endif
