/* Declarations of variables: type, alignment, name, array size and initial value. */
#include "ptx/declaration.h"

#include <string.h>

static uint32_t type_size(const struct ptx_token *token) {
  static const struct {
    const char *name;
    uint32_t size;
  } types[] = {{".b8", 1},  {".u8", 1},   {".s8", 1},    {".b16", 2}, {".u16", 2}, {".s16", 2},
               {".f16", 2}, {".bf16", 2}, {".b32", 4},   {".u32", 4}, {".s32", 4}, {".f32", 4},
               {".b64", 8}, {".u64", 8},  {".f16x2", 4}, {".s64", 8}, {".f64", 8}, {".b128", 16}};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (ptx_token_is(token, types[i].name))
      return types[i].size;
  return 0;
}

static uint64_t integer(struct ptx_cursor *cursor) {
  bool negative = ptx_accept(cursor, '-');
  uint64_t value = cursor->token.value;
  if (cursor->token.kind != TOKEN_INTEGER && cursor->token.kind != TOKEN_SINGLE && cursor->token.kind != TOKEN_DOUBLE)
    ptx_fail(cursor, "expected a number before '%.*s'", (int)cursor->token.length, cursor->token.text);
  ptx_advance(cursor);
  return negative ? 0 - value : value;
}

/* Flattened initialiser: { {1, 2}, 3 } or one number. */
static void initialiser(struct ptx_cursor *cursor, const struct ptx_variable *variable, uint8_t *bytes, uint32_t *at) {
  if (ptx_accept(cursor, '{')) {
    ptx_enter(cursor);
    while (!ptx_is_mark(cursor, '}') && cursor->token.kind != TOKEN_END) {
      initialiser(cursor, variable, bytes, at);
      if (!ptx_accept(cursor, ','))
        break;
    }
    ptx_expect(cursor, '}');
    ptx_leave(cursor);
    return;
  }
  uint64_t value = integer(cursor);
  if (variable->element_size > sizeof value) {
    ptx_fail(cursor, "'%s' has elements of %u bytes, which have no initial values", variable->name,
             variable->element_size);
    return;
  }
  if (*at + variable->element_size > variable->size) {
    ptx_fail(cursor, "too many initialisers for '%s'", variable->name);
    return;
  }
  memcpy(bytes + *at, &value, variable->element_size);
  *at += variable->element_size;
}

static uint64_t product(uint64_t a, uint64_t b) {
  uint64_t value;
  return __builtin_mul_overflow(a, b, &value) ? UINT64_MAX : value;
}

static uint64_t array_elements(struct ptx_cursor *cursor) {
  uint64_t count = 1;
  while (ptx_accept(cursor, '[')) {
    count = product(count, ptx_is_mark(cursor, ']') ? 0 : integer(cursor));
    ptx_expect(cursor, ']');
  }
  return count;
}

/* Of all variables of a module together; the largest tables of kernels have a few kilobytes. */
static uint32_t variable_size(struct ptx_cursor *cursor, uint64_t bytes) {
  enum { MOST = 64 << 20 };
  struct ptx_module *module = cursor->module;
  if (bytes > MOST - module->variable_bytes) {
    ptx_fail(cursor, "more than %d bytes of variables in a module", MOST);
    return 0;
  }
  module->variable_bytes += bytes;
  return (uint32_t)bytes;
}

static uint32_t alignment(struct ptx_cursor *cursor) {
  enum { MOST = 4096 };
  const uint64_t value = cursor->token.value;
  if (value == 0 || value > MOST || (value & (value - 1)) != 0)
    ptx_fail(cursor, "an alignment is a power of two up to %d, not %.*s", MOST, (int)cursor->token.length,
             cursor->token.text);
  return (uint32_t)value;
}

struct ptx_variable *ptx_variable_declaration(struct ptx_cursor *cursor, enum ptx_space space) {
  struct ptx_variable *variable = sim_arena_take(cursor->module->arena, sizeof *variable);
  uint32_t vector = 1;
  variable->space = space;
  for (; cursor->token.kind == TOKEN_DIRECTIVE; ptx_advance(cursor)) {
    if (ptx_token_is(&cursor->token, ".align")) {
      ptx_advance(cursor);
      variable->alignment = alignment(cursor);
    } else if (ptx_token_is(&cursor->token, ".v2") || ptx_token_is(&cursor->token, ".v4")) {
      vector = (uint32_t)(cursor->token.text[2] - '0');
    } else if (type_size(&cursor->token)) {
      variable->element_size = type_size(&cursor->token);
    }
  }
  if (cursor->token.kind != TOKEN_NAME || !variable->element_size) {
    ptx_fail(cursor, "expected a typed variable before '%.*s'", (int)cursor->token.length, cursor->token.text);
    return variable;
  }
  variable->name = sim_arena_intern(cursor->module->arena, cursor->token.text, cursor->token.length);
  ptx_advance(cursor);
  variable->size = variable_size(cursor, product(array_elements(cursor), variable->element_size * vector));
  if (!variable->alignment)
    variable->alignment = variable->element_size * vector;
  if (ptx_accept(cursor, '=')) {
    uint8_t *bytes = sim_arena_take(cursor->module->arena, variable->size);
    uint32_t at = 0;
    initialiser(cursor, variable, bytes, &at);
    variable->initial = bytes;
  }
  ptx_bind(cursor,
           &(struct ptx_binding){.prefix = variable->name, .length = strlen(variable->name), .variable = variable});
  return variable;
}
