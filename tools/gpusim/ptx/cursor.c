/* The place in a text that is being parsed: tokens, the first error, and the names that are in scope. */
#include "ptx/cursor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ptx_fail(struct ptx_cursor *cursor, const char *format, ...) {
  if (cursor->failed)
    return;
  cursor->failed = true;
  char *error = cursor->module->error;
  int used = snprintf(error, PTX_ERROR_BYTES, "line %u: ", cursor->token.line);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error + used, PTX_ERROR_BYTES - (size_t)used, format, arguments);
  va_end(arguments);
  cursor->token.kind = TOKEN_END;
}

void ptx_advance(struct ptx_cursor *cursor) {
  if (!cursor->failed)
    cursor->token = ptx_next(&cursor->lexer);
}

bool ptx_is_mark(const struct ptx_cursor *cursor, char mark) {
  return cursor->token.kind == TOKEN_MARK && cursor->token.text[0] == mark;
}

bool ptx_accept(struct ptx_cursor *cursor, char mark) {
  if (!ptx_is_mark(cursor, mark))
    return false;
  ptx_advance(cursor);
  return true;
}

void ptx_expect(struct ptx_cursor *cursor, char mark) {
  if (!ptx_accept(cursor, mark))
    ptx_fail(cursor, "expected '%c' before '%.*s'", mark, (int)cursor->token.length, cursor->token.text);
}

bool ptx_token_is(const struct ptx_token *token, const char *text) {
  return strlen(text) == token->length && memcmp(token->text, text, token->length) == 0;
}

void ptx_skip_line(struct ptx_cursor *cursor) {
  uint32_t line = cursor->token.line;
  while (cursor->token.kind != TOKEN_END && cursor->token.line == line)
    ptx_advance(cursor);
}

bool ptx_enter(struct ptx_cursor *cursor) {
  enum { MOST = 64 };
  if (++cursor->depth > MOST)
    ptx_fail(cursor, "nested more than %d deep", MOST);
  return !cursor->failed;
}

void ptx_leave(struct ptx_cursor *cursor) {
  cursor->depth--;
}

/* True when `rest` is the decimal index of an element of a range of `count`. */
static bool range_index(const char *rest, size_t length, uint32_t count, uint32_t *index) {
  uint64_t value = 0;
  if (length == 0 || length > 8)
    return false;
  for (size_t i = 0; i < length; i++) {
    if (rest[i] < '0' || rest[i] > '9')
      return false;
    value = value * 10 + (uint64_t)(rest[i] - '0');
  }
  *index = (uint32_t)value;
  return value < count;
}

const struct ptx_binding *ptx_lookup(const struct ptx_cursor *cursor, const char *name, size_t length,
                                     uint32_t *index) {
  *index = 0;
  for (size_t i = cursor->binding_count; i-- > 0;) {
    const struct ptx_binding *binding = &cursor->bindings[i];
    if (length < binding->length || memcmp(name, binding->prefix, binding->length) != 0)
      continue;
    if (binding->count == 0 ? length == binding->length
                            : range_index(name + binding->length, length - binding->length, binding->count, index))
      return binding;
  }
  return NULL;
}

void ptx_bind(struct ptx_cursor *cursor, const struct ptx_binding *binding) {
  SIM_PUSH(cursor->bindings, cursor->binding_count, cursor->binding_capacity);
  cursor->bindings[cursor->binding_count++] = *binding;
}
