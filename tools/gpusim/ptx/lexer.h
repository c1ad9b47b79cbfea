/* Tokens of PTX text. */
#ifndef GPUSIM_PTX_LEXER_H
#define GPUSIM_PTX_LEXER_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
  TOKEN_END,
  TOKEN_NAME,      /* identifier, %register, %special.x */
  TOKEN_DIRECTIVE, /* .reg, .shared, .b32 */
  TOKEN_INTEGER,
  TOKEN_SINGLE,
  TOKEN_DOUBLE,
  TOKEN_STRING,
  TOKEN_MARK /* one character of punctuation */
} token_kind;

typedef struct {
  token_kind kind;
  const char *text;
  size_t length;
  uint32_t line;
  uint64_t value;
} ptx_token;

typedef struct {
  const char *at;
  uint32_t line;
} ptx_lexer;

ptx_token ptx_next(ptx_lexer *lexer);

/* Reads the modifiers that follow the first word of an opcode: `.rn.f32`, `.shared::cta`. */
size_t ptx_opcode_tail(ptx_lexer *lexer);

#endif
