/* Function bodies: scopes, register and variable declarations, labels, instructions and their operands. */
#include "ptx/body.h"

#include "ptx/declaration.h"

#include <string.h>

/* The largest kernel of the matrix has about 20,000 registers. */
enum { MAX_OPERANDS = 16, MAX_ITEMS = 256, MAX_REGISTERS = 1 << 17 };

static enum ptx_class register_class(const struct ptx_token *type) {
  static const struct {
    const char *name;
    enum ptx_class value;
  } classes[] = {{".pred", PTX_CLASS_PREDICATE}, {".b64", PTX_CLASS_WIDE}, {".u64", PTX_CLASS_WIDE},
                 {".s64", PTX_CLASS_WIDE},       {".f64", PTX_CLASS_WIDE}, {".b128", PTX_CLASS_QUAD}};
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
    if (ptx_token_is(type, classes[i].name))
      return classes[i].value;
  return PTX_CLASS_WORD;
}

static void add_registers(struct ptx_cursor *cursor, const struct ptx_token *name, uint32_t count,
                          enum ptx_class class) {
  struct ptx_function *function = cursor->function;
  const uint32_t registers = count ? count : 1;
  if (registers > MAX_REGISTERS - cursor->module->register_count) {
    ptx_fail(cursor, "more than %d registers in a module", MAX_REGISTERS);
    return;
  }
  cursor->module->register_count += registers;
  ptx_bind(cursor, &(struct ptx_binding){.prefix = name->text,
                                         .length = name->length,
                                         .first = (uint32_t)function->register_count,
                                         .count = count});
  for (uint32_t i = 0; i < registers; i++) {
    SIM_PUSH(function->register_classes, function->register_count, function->register_capacity);
    function->register_classes[function->register_count++] = (uint8_t) class;
  }
}

static void register_declaration(struct ptx_cursor *cursor) {
  ptx_advance(cursor);
  enum ptx_class class = register_class(&cursor->token);
  ptx_advance(cursor);
  do {
    struct ptx_token name = cursor->token;
    uint32_t count = 0;
    ptx_advance(cursor);
    if (ptx_accept(cursor, '<')) {
      count = (uint32_t)(cursor->token.value < UINT32_MAX ? cursor->token.value : UINT32_MAX);
      ptx_advance(cursor);
      ptx_expect(cursor, '>');
    }
    add_registers(cursor, &name, count, class);
  } while (ptx_accept(cursor, ','));
  ptx_expect(cursor, ';');
}

static void local_variables(struct ptx_cursor *cursor, enum ptx_space space) {
  struct ptx_function *function = cursor->function;
  ptx_advance(cursor);
  do {
    struct ptx_variable *variable = ptx_variable_declaration(cursor, space);
    SIM_PUSH(function->variables, function->variable_count, function->variable_capacity);
    function->variables[function->variable_count++] = variable;
  } while (ptx_accept(cursor, ','));
  ptx_expect(cursor, ';');
}

static void operand(struct ptx_cursor *cursor, struct ptx_operand *result);

static void operand_list(struct ptx_cursor *cursor, char close, struct ptx_operand *result) {
  struct ptx_operand items[MAX_ITEMS];
  uint32_t count = 0;
  while (!ptx_is_mark(cursor, close) && cursor->token.kind != TOKEN_END && count < MAX_ITEMS) {
    operand(cursor, &items[count++]);
    if (!ptx_accept(cursor, ','))
      break;
  }
  ptx_expect(cursor, close);
  result->kind = PTX_LIST;
  result->item_count = count;
  result->items = sim_arena_take(cursor->module->arena, count * sizeof *items);
  memcpy(result->items, items, count * sizeof *items);
}

/* [base], [base+4], [base+-4], [1024] or [base, {x, y}] */
static void address(struct ptx_cursor *cursor, struct ptx_operand *result) {
  struct ptx_operand base;
  operand(cursor, &base);
  if (ptx_accept(cursor, '+')) {
    struct ptx_operand offset;
    operand(cursor, &offset);
    result->value = offset.value;
  } else if (ptx_is_mark(cursor, '-')) {
    struct ptx_operand offset;
    operand(cursor, &offset);
    result->value = offset.value;
  }
  result->items = sim_arena_take(cursor->module->arena, 2 * sizeof base);
  result->items[0] = base;
  result->item_count = 1;
  if (ptx_accept(cursor, ','))
    operand(cursor, &result->items[result->item_count++]);
  ptx_expect(cursor, ']');
  result->kind = PTX_ADDRESS;
}

static void name_operand(struct ptx_cursor *cursor, struct ptx_operand *result) {
  const struct ptx_token *token = &cursor->token;
  uint32_t index;
  const struct ptx_binding *binding = ptx_lookup(cursor, token->text, token->length, &index);
  result->name = sim_arena_intern(cursor->module->arena, token->text, token->length);
  if (ptx_token_is(token, "_")) {
    result->kind = PTX_SINK;
  } else if (binding && binding->variable) {
    result->kind = PTX_VARIABLE;
    result->variable = binding->variable;
    result->variable->is_named = true;
  } else if (binding) {
    result->kind = PTX_REGISTER;
    result->number = binding->first + index;
  } else {
    result->kind = PTX_NAME;
  }
  ptx_advance(cursor);
}

static void number_operand(struct ptx_cursor *cursor, bool negative, struct ptx_operand *result) {
  static const uint64_t sign_bits[] = {[TOKEN_SINGLE] = 1u << 31, [TOKEN_DOUBLE] = UINT64_C(1) << 63};
  enum token_kind kind = cursor->token.kind;
  result->value = cursor->token.value;
  if (kind == TOKEN_INTEGER) {
    result->kind = PTX_INTEGER;
    result->value = negative ? 0 - result->value : result->value;
  } else {
    result->kind = kind == TOKEN_SINGLE ? PTX_SINGLE : PTX_DOUBLE;
    result->value ^= negative ? sign_bits[kind] : 0;
  }
  ptx_advance(cursor);
}

static void plain_operand(struct ptx_cursor *cursor, struct ptx_operand *result) {
  bool negated = ptx_accept(cursor, '!');
  bool negative = ptx_accept(cursor, '-');
  enum token_kind kind = cursor->token.kind;
  if (ptx_accept(cursor, '{'))
    operand_list(cursor, '}', result);
  else if (ptx_accept(cursor, '('))
    operand_list(cursor, ')', result);
  else if (ptx_accept(cursor, '['))
    address(cursor, result);
  else if (kind == TOKEN_INTEGER || kind == TOKEN_SINGLE || kind == TOKEN_DOUBLE)
    number_operand(cursor, negative, result);
  else if (kind == TOKEN_NAME)
    name_operand(cursor, result);
  else
    ptx_fail(cursor, "expected an operand before '%.*s'", (int)cursor->token.length, cursor->token.text);
  result->negated = negated;
}

/* One operand, or first|second. */
static void operand(struct ptx_cursor *cursor, struct ptx_operand *result) {
  memset(result, 0, sizeof *result);
  if (ptx_enter(cursor)) {
    plain_operand(cursor, result);
    if (ptx_accept(cursor, '|')) {
      result->pair = sim_arena_take(cursor->module->arena, sizeof *result->pair);
      operand(cursor, result->pair);
    }
  }
  ptx_leave(cursor);
}

static struct ptx_statement *add_statement(struct ptx_cursor *cursor, uint32_t line) {
  struct ptx_function *function = cursor->function;
  SIM_PUSH(function->statements, function->statement_count, function->statement_capacity);
  struct ptx_statement *statement = &function->statements[function->statement_count++];
  *statement = (struct ptx_statement){.line = line, .scope = cursor->scope};
  return statement;
}

static void statement_operands(struct ptx_cursor *cursor, struct ptx_statement *statement) {
  struct ptx_operand operands[MAX_OPERANDS];
  uint32_t count = 0;
  while (!ptx_is_mark(cursor, ';') && cursor->token.kind != TOKEN_END && count < MAX_OPERANDS) {
    operand(cursor, &operands[count++]);
    if (!ptx_accept(cursor, ','))
      break;
  }
  ptx_expect(cursor, ';');
  statement->operand_count = count;
  statement->operands = sim_arena_take(cursor->module->arena, count * sizeof *operands);
  memcpy(statement->operands, operands, count * sizeof *operands);
}

static void instruction(struct ptx_cursor *cursor) {
  struct ptx_statement *statement = add_statement(cursor, cursor->token.line);
  if (ptx_accept(cursor, '@')) {
    statement->guard = sim_arena_take(cursor->module->arena, sizeof *statement->guard);
    operand(cursor, statement->guard);
  }
  struct ptx_token first = cursor->token;
  statement->line = first.line;
  if (first.kind != TOKEN_NAME) {
    ptx_fail(cursor, "expected an instruction before '%.*s'", (int)first.length, first.text);
    return;
  }
  size_t length = first.length + ptx_opcode_tail(&cursor->lexer);
  statement->opcode = sim_arena_intern(cursor->module->arena, first.text, length);
  ptx_advance(cursor);
  statement_operands(cursor, statement);
}

static bool at_label(const struct ptx_cursor *cursor) {
  struct ptx_lexer ahead = cursor->lexer;
  if (cursor->token.kind != TOKEN_NAME)
    return false;
  struct ptx_token next = ptx_next(&ahead);
  return next.kind == TOKEN_MARK && next.text[0] == ':' && ahead.at[0] != ':';
}

static void label(struct ptx_cursor *cursor) {
  struct ptx_function *function = cursor->function;
  SIM_PUSH(function->labels, function->label_count, function->label_capacity);
  function->labels[function->label_count++] =
      (struct ptx_label){.name = sim_arena_intern(cursor->module->arena, cursor->token.text, cursor->token.length),
                         .scope = cursor->scope,
                         .statement = (uint32_t)function->statement_count};
  ptx_advance(cursor);
  ptx_expect(cursor, ':');
}

static void body_directive(struct ptx_cursor *cursor) {
  const struct ptx_token *token = &cursor->token;
  if (ptx_token_is(token, ".reg")) {
    register_declaration(cursor);
  } else if (ptx_token_is(token, ".local")) {
    local_variables(cursor, PTX_LOCAL);
  } else if (ptx_token_is(token, ".shared")) {
    local_variables(cursor, PTX_SHARED);
  } else if (ptx_token_is(token, ".param")) {
    local_variables(cursor, PTX_CALL);
  } else if (ptx_token_is(token, ".branchtargets")) {
    struct ptx_statement *statement = add_statement(cursor, token->line);
    statement->opcode = ".branchtargets";
    ptx_advance(cursor);
    statement_operands(cursor, statement);
  } else if (ptx_token_is(token, ".pragma") || ptx_token_is(token, ".loc")) {
    ptx_skip_line(cursor);
  } else {
    ptx_fail(cursor, "unknown directive '%.*s'", (int)token->length, token->text);
  }
}

static void scope(struct ptx_cursor *cursor) {
  struct ptx_function *function = cursor->function;
  uint32_t outer = cursor->scope;
  size_t outer_bindings = cursor->binding_count;
  SIM_PUSH(function->scope_parents, function->scope_count, function->scope_capacity);
  function->scope_parents[function->scope_count++] = outer;
  cursor->scope = (uint32_t)function->scope_count;
  ptx_enter(cursor);
  ptx_expect(cursor, '{');
  while (!ptx_is_mark(cursor, '}') && cursor->token.kind != TOKEN_END) {
    if (ptx_is_mark(cursor, '{'))
      scope(cursor);
    else if (cursor->token.kind == TOKEN_DIRECTIVE)
      body_directive(cursor);
    else if (at_label(cursor))
      label(cursor);
    else if (!ptx_accept(cursor, ';'))
      instruction(cursor);
  }
  ptx_expect(cursor, '}');
  ptx_leave(cursor);
  cursor->scope = outer;
  cursor->binding_count = outer_bindings;
}

void ptx_body(struct ptx_cursor *cursor) {
  cursor->function->has_body = true;
  cursor->scope = 0;
  scope(cursor);
}
