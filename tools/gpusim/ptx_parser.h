/* State shared by the two halves of the parser: declarations (ptx_parser.c) and statements (ptx_statement.c).
 */
#ifndef GPUSIM_PTX_PARSER_H
#define GPUSIM_PTX_PARSER_H

#include "ptx.h"
#include "ptx_lexer.h"

/* A declared name: a variable, one register, or the range prefix<count>. */
typedef struct {
  const char *prefix;
  size_t length;
  uint32_t first, count; /* count 0: a single register */
  ptx_variable *variable;
} ptx_binding;

typedef struct {
  ptx_module *module;
  ptx_function *function;
  ptx_lexer lexer;
  ptx_token token;       /* the next one */
  ptx_binding *bindings; /* innermost scope last */
  size_t binding_count, binding_capacity;
  uint32_t scope;
  bool failed;
} ptx_parser;

/* Records the first error and makes every further token TOKEN_END. */
__attribute__((format(printf, 2, 3))) void ptx_fail(ptx_parser *parser, const char *format, ...);

void ptx_advance(ptx_parser *parser);
bool ptx_is_mark(const ptx_parser *parser, char mark);
bool ptx_accept(ptx_parser *parser, char mark);
void ptx_expect(ptx_parser *parser, char mark);
bool ptx_token_is(const ptx_token *token, const char *text);
void ptx_skip_line(ptx_parser *parser);

const ptx_binding *ptx_lookup(const ptx_parser *parser, const char *name, size_t length, uint32_t *index);
void ptx_bind(ptx_parser *parser, const ptx_binding *binding);

/* One variable declaration after its space directive, without the closing mark. */
ptx_variable *ptx_variable_declaration(ptx_parser *parser, ptx_space space);

/* The body of the current function, from { to its }. */
void ptx_body(ptx_parser *parser);

#endif
