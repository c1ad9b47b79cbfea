/* Declarations of a PTX module: variables, functions and their parameters. */
#include "ptx_parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ptx_fail(ptx_parser *parser, const char *format, ...) {
  if (parser->failed)
    return;
  parser->failed = true;
  char *error = parser->module->error;
  int used = snprintf(error, PTX_ERROR_BYTES, "line %u: ", parser->token.line);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error + used, PTX_ERROR_BYTES - (size_t)used, format, arguments);
  va_end(arguments);
  parser->token.kind = TOKEN_END;
}

void ptx_advance(ptx_parser *parser) {
  if (!parser->failed)
    parser->token = ptx_next(&parser->lexer);
}

bool ptx_is_mark(const ptx_parser *parser, char mark) {
  return parser->token.kind == TOKEN_MARK && parser->token.text[0] == mark;
}

bool ptx_accept(ptx_parser *parser, char mark) {
  if (!ptx_is_mark(parser, mark))
    return false;
  ptx_advance(parser);
  return true;
}

void ptx_expect(ptx_parser *parser, char mark) {
  if (!ptx_accept(parser, mark))
    ptx_fail(parser, "expected '%c' before '%.*s'", mark, (int)parser->token.length, parser->token.text);
}

bool ptx_token_is(const ptx_token *token, const char *text) {
  return strlen(text) == token->length && memcmp(token->text, text, token->length) == 0;
}

void ptx_skip_line(ptx_parser *parser) {
  uint32_t line = parser->token.line;
  while (parser->token.kind != TOKEN_END && parser->token.line == line)
    ptx_advance(parser);
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

const ptx_binding *ptx_lookup(const ptx_parser *parser, const char *name, size_t length, uint32_t *index) {
  *index = 0;
  for (size_t i = parser->binding_count; i-- > 0;) {
    const ptx_binding *binding = &parser->bindings[i];
    if (length < binding->length || memcmp(name, binding->prefix, binding->length) != 0)
      continue;
    if (binding->count == 0 ? length == binding->length
                            : range_index(name + binding->length, length - binding->length, binding->count, index))
      return binding;
  }
  return NULL;
}

void ptx_bind(ptx_parser *parser, const ptx_binding *binding) {
  SIM_PUSH(parser->bindings, parser->binding_count, parser->binding_capacity);
  parser->bindings[parser->binding_count++] = *binding;
}

static uint32_t type_size(const ptx_token *token) {
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

static uint64_t integer(ptx_parser *parser) {
  bool negative = ptx_accept(parser, '-');
  uint64_t value = parser->token.value;
  if (parser->token.kind != TOKEN_INTEGER && parser->token.kind != TOKEN_SINGLE && parser->token.kind != TOKEN_DOUBLE)
    ptx_fail(parser, "expected a number before '%.*s'", (int)parser->token.length, parser->token.text);
  ptx_advance(parser);
  return negative ? 0 - value : value;
}

/* Flattened initialiser: { {1, 2}, 3 } or one number. */
static void initialiser(ptx_parser *parser, const ptx_variable *variable, uint8_t *bytes, uint32_t *at) {
  if (ptx_accept(parser, '{')) {
    while (!ptx_is_mark(parser, '}') && parser->token.kind != TOKEN_END) {
      initialiser(parser, variable, bytes, at);
      if (!ptx_accept(parser, ','))
        break;
    }
    ptx_expect(parser, '}');
    return;
  }
  uint64_t value = integer(parser);
  if (*at + variable->element_size > variable->size) {
    ptx_fail(parser, "too many initialisers for '%s'", variable->name);
    return;
  }
  memcpy(bytes + *at, &value, variable->element_size);
  *at += variable->element_size;
}

static uint32_t array_elements(ptx_parser *parser) {
  uint64_t count = 1;
  while (ptx_accept(parser, '[')) {
    count *= ptx_is_mark(parser, ']') ? 0 : integer(parser);
    ptx_expect(parser, ']');
  }
  return (uint32_t)count;
}

ptx_variable *ptx_variable_declaration(ptx_parser *parser, ptx_space space) {
  ptx_variable *variable = sim_arena_take(parser->module->arena, sizeof *variable);
  uint32_t vector = 1;
  variable->space = space;
  for (; parser->token.kind == TOKEN_DIRECTIVE; ptx_advance(parser)) {
    if (ptx_token_is(&parser->token, ".align")) {
      ptx_advance(parser);
      variable->alignment = (uint32_t)parser->token.value;
    } else if (ptx_token_is(&parser->token, ".v2") || ptx_token_is(&parser->token, ".v4")) {
      vector = (uint32_t)(parser->token.text[2] - '0');
    } else if (type_size(&parser->token)) {
      variable->element_size = type_size(&parser->token);
    }
  }
  if (parser->token.kind != TOKEN_NAME || !variable->element_size) {
    ptx_fail(parser, "expected a typed variable before '%.*s'", (int)parser->token.length, parser->token.text);
    return variable;
  }
  variable->name = sim_arena_intern(parser->module->arena, parser->token.text, parser->token.length);
  ptx_advance(parser);
  variable->size = array_elements(parser) * variable->element_size * vector;
  if (!variable->alignment)
    variable->alignment = variable->element_size * vector;
  if (ptx_accept(parser, '=')) {
    uint8_t *bytes = sim_arena_take(parser->module->arena, variable->size);
    uint32_t at = 0;
    initialiser(parser, variable, bytes, &at);
    variable->initial = bytes;
  }
  ptx_bind(parser, &(ptx_binding){.prefix = variable->name, .length = strlen(variable->name), .variable = variable});
  return variable;
}

static void module_variable(ptx_parser *parser, ptx_space space, bool is_extern) {
  ptx_module *module = parser->module;
  ptx_advance(parser);
  do {
    ptx_variable *variable = ptx_variable_declaration(parser, space);
    variable->is_extern = is_extern;
    SIM_PUSH(module->variables, module->variable_count, module->variable_capacity);
    module->variables[module->variable_count++] = variable;
  } while (ptx_accept(parser, ','));
  ptx_expect(parser, ';');
}

enum { MAX_PARAMETERS = 64 };

/* ( .param ..., .param ... ) */
static uint32_t parameter_list(ptx_parser *parser, ptx_space space, ptx_variable **list) {
  uint32_t count = 0;
  ptx_expect(parser, '(');
  while (ptx_token_is(&parser->token, ".param") && count < MAX_PARAMETERS) {
    ptx_advance(parser);
    list[count++] = ptx_variable_declaration(parser, space);
    if (!ptx_accept(parser, ','))
      break;
  }
  ptx_expect(parser, ')');
  return count;
}

/* .maxntid 128, 1, 1 and the other tuning directives between the parameters and the body. */
static void function_directives(ptx_parser *parser) {
  while (parser->token.kind == TOKEN_DIRECTIVE) {
    bool is_limit = ptx_token_is(&parser->token, ".maxntid") || ptx_token_is(&parser->token, ".reqntid");
    uint64_t product = 1;
    ptx_advance(parser);
    while (parser->token.kind == TOKEN_INTEGER) {
      product *= parser->token.value;
      ptx_advance(parser);
      ptx_accept(parser, ',');
    }
    if (is_limit)
      parser->function->max_threads = (uint32_t)product;
  }
}

static void function_declaration(ptx_parser *parser, bool is_entry) {
  ptx_module *module = parser->module;
  ptx_function *function = sim_arena_take(module->arena, sizeof *function);
  ptx_variable *list[MAX_PARAMETERS];
  size_t outer_bindings = parser->binding_count;
  ptx_space space = is_entry ? PTX_PARAM : PTX_CALL;
  parser->function = function;
  function->is_entry = is_entry;
  ptx_advance(parser);
  if (ptx_is_mark(parser, '(') && parameter_list(parser, space, list) == 1)
    function->result = list[0];
  function->name = sim_arena_intern(module->arena, parser->token.text, parser->token.length);
  ptx_advance(parser);
  if (ptx_is_mark(parser, '(')) {
    function->parameter_count = parameter_list(parser, space, list);
    size_t bytes = function->parameter_count * sizeof *list;
    function->parameters = sim_arena_take(module->arena, bytes);
    memcpy(function->parameters, list, bytes);
  }
  SIM_PUSH(module->functions, module->function_count, module->function_capacity);
  module->functions[module->function_count++] = function;
  function_directives(parser);
  if (!ptx_accept(parser, ';'))
    ptx_body(parser);
  parser->binding_count = outer_bindings;
}

/* Debug information: .section .name { ... } */
static void skip_section(ptx_parser *parser) {
  while (parser->token.kind != TOKEN_END && !ptx_is_mark(parser, '}'))
    ptx_advance(parser);
  ptx_expect(parser, '}');
}

static void module_declarations(ptx_parser *parser) {
  bool is_extern = false;
  while (parser->token.kind != TOKEN_END) {
    const ptx_token *token = &parser->token;
    bool finished = true;
    if (ptx_token_is(token, ".entry") || ptx_token_is(token, ".func"))
      function_declaration(parser, ptx_token_is(token, ".entry"));
    else if (ptx_token_is(token, ".global"))
      module_variable(parser, PTX_GLOBAL, is_extern);
    else if (ptx_token_is(token, ".const"))
      module_variable(parser, PTX_CONST, is_extern);
    else if (ptx_token_is(token, ".shared"))
      module_variable(parser, PTX_SHARED, is_extern);
    else if (ptx_token_is(token, ".version") || ptx_token_is(token, ".target") ||
             ptx_token_is(token, ".address_size") || ptx_token_is(token, ".file"))
      ptx_skip_line(parser);
    else if (ptx_token_is(token, ".section"))
      skip_section(parser);
    else if (ptx_token_is(token, ".extern") || ptx_token_is(token, ".visible") || ptx_token_is(token, ".weak") ||
             ptx_token_is(token, ".common"))
      finished = false;
    else
      ptx_fail(parser, "unknown declaration '%.*s'", (int)token->length, token->text);
    if (finished) {
      is_extern = false;
    } else {
      is_extern = is_extern || ptx_token_is(token, ".extern");
      ptx_advance(parser);
    }
  }
}

static void index_lines(ptx_module *module, const char *text) {
  size_t count = 0, capacity = 0;
  const char **lines = NULL;
  for (const char *at = text; at; at = strchr(at, '\n')) {
    at += count > 0;
    SIM_PUSH(lines, count, capacity);
    lines[count++] = at;
  }
  module->lines = lines;
  module->line_count = (uint32_t)count;
}

ptx_module *ptx_parse(const char *text, char error[PTX_ERROR_BYTES]) {
  sim_arena *arena = sim_arena_create();
  ptx_module *module = sim_arena_take(arena, sizeof *module);
  module->arena = arena;
  const char *copy = sim_arena_copy(arena, text, strlen(text));
  index_lines(module, copy);
  ptx_parser parser = {.module = module, .lexer = {.at = copy, .line = 1}};
  ptx_advance(&parser);
  if (!ptx_token_is(&parser.token, ".version"))
    ptx_fail(&parser, "PTX text must begin with .version");
  module_declarations(&parser);
  free(parser.bindings);
  if (!parser.failed)
    return module;
  memcpy(error, module->error, PTX_ERROR_BYTES);
  ptx_destroy(module);
  return NULL;
}

static void destroy_function(ptx_function *function) {
  free(function->variables);
  free(function->statements);
  free(function->labels);
  free(function->scope_parents);
  free(function->register_classes);
}

void ptx_destroy(ptx_module *module) {
  if (!module)
    return;
  for (size_t i = 0; i < module->function_count; i++)
    destroy_function(module->functions[i]);
  free(module->functions);
  free(module->variables);
  free(module->lines);
  sim_arena_destroy(module->arena);
}
