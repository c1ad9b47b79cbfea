/* The state of a parser: where it is in the text, what it has made so far, and the names in scope. */
#ifndef GPUSIM_PTX_CURSOR_H
#define GPUSIM_PTX_CURSOR_H

#include "ptx/lexer.h"
#include "ptx/tree.h"

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
} ptx_cursor;

/* Records the first error and makes every further token TOKEN_END. */
__attribute__((format(printf, 2, 3))) void ptx_fail(ptx_cursor *cursor, const char *format, ...);

void ptx_advance(ptx_cursor *cursor);
bool ptx_is_mark(const ptx_cursor *cursor, char mark);
bool ptx_accept(ptx_cursor *cursor, char mark);
void ptx_expect(ptx_cursor *cursor, char mark);
bool ptx_token_is(const ptx_token *token, const char *text);
void ptx_skip_line(ptx_cursor *cursor);

const ptx_binding *ptx_lookup(const ptx_cursor *cursor, const char *name, size_t length, uint32_t *index);
void ptx_bind(ptx_cursor *cursor, const ptx_binding *binding);

#endif
