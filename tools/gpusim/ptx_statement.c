/* Function bodies: scopes, register and variable declarations, labels, instructions and their operands. */
#include "ptx_parser.h"

#include <string.h>

enum { MAX_OPERANDS = 16, MAX_ITEMS = 256 };

static ptx_class register_class(const ptx_token *type) {
  static const struct {
    const char *name;
    ptx_class value;
  } classes[] = {{".pred", PTX_CLASS_PREDICATE}, {".b64", PTX_CLASS_WIDE}, {".u64", PTX_CLASS_WIDE},
                 {".s64", PTX_CLASS_WIDE},       {".f64", PTX_CLASS_WIDE}, {".b128", PTX_CLASS_QUAD}};
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
    if (ptx_token_is(type, classes[i].name))
      return classes[i].value;
  return PTX_CLASS_WORD;
}

static void add_registers(ptx_parser *parser, const ptx_token *name, uint32_t count, ptx_class class) {
  ptx_function *function = parser->function;
  ptx_bind(parser, &(ptx_binding){.prefix = name->text,
                                  .length = name->length,
                                  .first = (uint32_t)function->register_count,
                                  .count = count});
  for (uint32_t i = 0; i < (count ? count : 1); i++) {
    SIM_PUSH(function->register_classes, function->register_count, function->register_capacity);
    function->register_classes[function->register_count++] = (uint8_t) class;
  }
}

static void register_declaration(ptx_parser *parser) {
  ptx_advance(parser);
  ptx_class class = register_class(&parser->token);
  ptx_advance(parser);
  do {
    ptx_token name = parser->token;
    uint32_t count = 0;
    ptx_advance(parser);
    if (ptx_accept(parser, '<')) {
      count = (uint32_t)parser->token.value;
      ptx_advance(parser);
      ptx_expect(parser, '>');
    }
    add_registers(parser, &name, count, class);
  } while (ptx_accept(parser, ','));
  ptx_expect(parser, ';');
}

static void local_variables(ptx_parser *parser, ptx_space space) {
  ptx_function *function = parser->function;
  ptx_advance(parser);
  do {
    ptx_variable *variable = ptx_variable_declaration(parser, space);
    SIM_PUSH(function->variables, function->variable_count, function->variable_capacity);
    function->variables[function->variable_count++] = variable;
  } while (ptx_accept(parser, ','));
  ptx_expect(parser, ';');
}

static void operand(ptx_parser *parser, ptx_operand *result);

static void operand_list(ptx_parser *parser, char close, ptx_operand *result) {
  ptx_operand items[MAX_ITEMS];
  uint32_t count = 0;
  while (!ptx_is_mark(parser, close) && parser->token.kind != TOKEN_END && count < MAX_ITEMS) {
    operand(parser, &items[count++]);
    if (!ptx_accept(parser, ','))
      break;
  }
  ptx_expect(parser, close);
  result->kind = PTX_LIST;
  result->item_count = count;
  result->items = sim_arena_take(parser->module->arena, count * sizeof *items);
  memcpy(result->items, items, count * sizeof *items);
}

/* [base], [base+4], [base+-4] or [1024] */
static void address(ptx_parser *parser, ptx_operand *result) {
  ptx_operand base;
  operand(parser, &base);
  if (ptx_accept(parser, '+')) {
    ptx_operand offset;
    operand(parser, &offset);
    result->value = offset.value;
  } else if (ptx_is_mark(parser, '-')) {
    ptx_operand offset;
    operand(parser, &offset);
    result->value = offset.value;
  }
  ptx_expect(parser, ']');
  result->kind = PTX_ADDRESS;
  result->item_count = 1;
  result->items = sim_arena_take(parser->module->arena, sizeof base);
  *result->items = base;
}

static void name_operand(ptx_parser *parser, ptx_operand *result) {
  const ptx_token *token = &parser->token;
  uint32_t index;
  const ptx_binding *binding = ptx_lookup(parser, token->text, token->length, &index);
  result->name = sim_arena_intern(parser->module->arena, token->text, token->length);
  if (ptx_token_is(token, "_")) {
    result->kind = PTX_SINK;
  } else if (binding && binding->variable) {
    result->kind = PTX_VARIABLE;
    result->variable = binding->variable;
  } else if (binding) {
    result->kind = PTX_REGISTER;
    result->number = binding->first + index;
  } else {
    result->kind = PTX_NAME;
  }
  ptx_advance(parser);
}

static void number_operand(ptx_parser *parser, bool negative, ptx_operand *result) {
  static const uint64_t sign_bits[] = {[TOKEN_SINGLE] = 1u << 31, [TOKEN_DOUBLE] = UINT64_C(1) << 63};
  token_kind kind = parser->token.kind;
  result->value = parser->token.value;
  if (kind == TOKEN_INTEGER) {
    result->kind = PTX_INTEGER;
    result->value = negative ? 0 - result->value : result->value;
  } else {
    result->kind = kind == TOKEN_SINGLE ? PTX_SINGLE : PTX_DOUBLE;
    result->value ^= negative ? sign_bits[kind] : 0;
  }
  ptx_advance(parser);
}

static void operand(ptx_parser *parser, ptx_operand *result) {
  memset(result, 0, sizeof *result);
  bool negated = ptx_accept(parser, '!');
  bool negative = ptx_accept(parser, '-');
  token_kind kind = parser->token.kind;
  if (ptx_accept(parser, '{'))
    operand_list(parser, '}', result);
  else if (ptx_accept(parser, '('))
    operand_list(parser, ')', result);
  else if (ptx_accept(parser, '['))
    address(parser, result);
  else if (kind == TOKEN_INTEGER || kind == TOKEN_SINGLE || kind == TOKEN_DOUBLE)
    number_operand(parser, negative, result);
  else if (kind == TOKEN_NAME)
    name_operand(parser, result);
  else
    ptx_fail(parser, "expected an operand before '%.*s'", (int)parser->token.length, parser->token.text);
  result->negated = negated;
  if (ptx_accept(parser, '|')) {
    result->pair = sim_arena_take(parser->module->arena, sizeof *result->pair);
    operand(parser, result->pair);
  }
}

static ptx_statement *add_statement(ptx_parser *parser, uint32_t line) {
  ptx_function *function = parser->function;
  SIM_PUSH(function->statements, function->statement_count, function->statement_capacity);
  ptx_statement *statement = &function->statements[function->statement_count++];
  *statement = (ptx_statement){.line = line, .scope = parser->scope};
  return statement;
}

static void statement_operands(ptx_parser *parser, ptx_statement *statement) {
  ptx_operand operands[MAX_OPERANDS];
  uint32_t count = 0;
  while (!ptx_is_mark(parser, ';') && parser->token.kind != TOKEN_END && count < MAX_OPERANDS) {
    operand(parser, &operands[count++]);
    if (!ptx_accept(parser, ','))
      break;
  }
  ptx_expect(parser, ';');
  statement->operand_count = count;
  statement->operands = sim_arena_take(parser->module->arena, count * sizeof *operands);
  memcpy(statement->operands, operands, count * sizeof *operands);
}

static void instruction(ptx_parser *parser) {
  ptx_statement *statement = add_statement(parser, parser->token.line);
  if (ptx_accept(parser, '@')) {
    statement->guard = sim_arena_take(parser->module->arena, sizeof *statement->guard);
    operand(parser, statement->guard);
  }
  ptx_token first = parser->token;
  statement->line = first.line;
  if (first.kind != TOKEN_NAME) {
    ptx_fail(parser, "expected an instruction before '%.*s'", (int)first.length, first.text);
    return;
  }
  size_t length = first.length + ptx_opcode_tail(&parser->lexer);
  statement->opcode = sim_arena_intern(parser->module->arena, first.text, length);
  ptx_advance(parser);
  statement_operands(parser, statement);
}

static bool at_label(const ptx_parser *parser) {
  ptx_lexer ahead = parser->lexer;
  if (parser->token.kind != TOKEN_NAME)
    return false;
  ptx_token next = ptx_next(&ahead);
  return next.kind == TOKEN_MARK && next.text[0] == ':' && ahead.at[0] != ':';
}

static void label(ptx_parser *parser) {
  ptx_function *function = parser->function;
  SIM_PUSH(function->labels, function->label_count, function->label_capacity);
  function->labels[function->label_count++] =
      (ptx_label){.name = sim_arena_intern(parser->module->arena, parser->token.text, parser->token.length),
                  .scope = parser->scope,
                  .statement = (uint32_t)function->statement_count};
  ptx_advance(parser);
  ptx_expect(parser, ':');
}

static void body_directive(ptx_parser *parser) {
  const ptx_token *token = &parser->token;
  if (ptx_token_is(token, ".reg")) {
    register_declaration(parser);
  } else if (ptx_token_is(token, ".local")) {
    local_variables(parser, PTX_LOCAL);
  } else if (ptx_token_is(token, ".shared")) {
    local_variables(parser, PTX_SHARED);
  } else if (ptx_token_is(token, ".param")) {
    local_variables(parser, PTX_CALL);
  } else if (ptx_token_is(token, ".branchtargets")) {
    ptx_statement *statement = add_statement(parser, token->line);
    statement->opcode = ".branchtargets";
    ptx_advance(parser);
    statement_operands(parser, statement);
  } else if (ptx_token_is(token, ".pragma") || ptx_token_is(token, ".loc")) {
    ptx_skip_line(parser);
  } else {
    ptx_fail(parser, "unknown directive '%.*s'", (int)token->length, token->text);
  }
}

static void scope(ptx_parser *parser) {
  ptx_function *function = parser->function;
  uint32_t outer = parser->scope;
  size_t outer_bindings = parser->binding_count;
  SIM_PUSH(function->scope_parents, function->scope_count, function->scope_capacity);
  function->scope_parents[function->scope_count++] = outer;
  parser->scope = (uint32_t)function->scope_count;
  ptx_expect(parser, '{');
  while (!ptx_is_mark(parser, '}') && parser->token.kind != TOKEN_END) {
    if (ptx_is_mark(parser, '{'))
      scope(parser);
    else if (parser->token.kind == TOKEN_DIRECTIVE)
      body_directive(parser);
    else if (at_label(parser))
      label(parser);
    else if (!ptx_accept(parser, ';'))
      instruction(parser);
  }
  ptx_expect(parser, '}');
  parser->scope = outer;
  parser->binding_count = outer_bindings;
}

void ptx_body(ptx_parser *parser) {
  parser->function->has_body = true;
  parser->scope = 0;
  scope(parser);
}
