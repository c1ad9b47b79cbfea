/* The state of a parser: where it is in the text, what it has made so far, and the names in scope. */
#ifndef GPUSIM_PTX_CURSOR_H
#define GPUSIM_PTX_CURSOR_H

#include "ptx/lexer.h"
#include "ptx/tree.h"

/* A declared name: a variable, one register, or the range prefix<count>. */
struct ptx_binding {
  const char *prefix;
  size_t length;
  uint32_t first;
  uint32_t count; /* count 0: a single register */
  struct ptx_variable *variable;
};

struct ptx_cursor {
  struct ptx_module *module;
  struct ptx_function *function;
  struct ptx_lexer lexer;
  struct ptx_token token;       /* the next one */
  struct ptx_binding *bindings; /* innermost scope last */
  size_t binding_count;
  size_t binding_capacity;
  uint32_t scope;
  uint32_t depth; /* of nested braces and operands */
  bool failed;
};

/* Records the first error and makes every further token TOKEN_END. */
__attribute__((format(printf, 2, 3))) void ptx_fail(struct ptx_cursor *cursor, const char *format, ...);

void ptx_advance(struct ptx_cursor *cursor);
bool ptx_is_mark(const struct ptx_cursor *cursor, char mark);
bool ptx_accept(struct ptx_cursor *cursor, char mark);
void ptx_expect(struct ptx_cursor *cursor, char mark);
bool ptx_token_is(const struct ptx_token *token, const char *text);
void ptx_skip_line(struct ptx_cursor *cursor);

/* Around whatever nests: fails, and gives false, when it nests too deeply. */
bool ptx_enter(struct ptx_cursor *cursor);
void ptx_leave(struct ptx_cursor *cursor);

const struct ptx_binding *ptx_lookup(const struct ptx_cursor *cursor, const char *name, size_t length, uint32_t *index);
void ptx_bind(struct ptx_cursor *cursor, const struct ptx_binding *binding);

#endif
