/* A PTX module: its variables, its functions and their parameters. */
#include "ptx/parser.h"

#include "ptx/body.h"
#include "ptx/declaration.h"

#include <stdlib.h>
#include <string.h>

static void module_variable(struct ptx_cursor *cursor, enum ptx_space space, bool is_extern) {
  struct ptx_module *module = cursor->module;
  ptx_advance(cursor);
  do {
    struct ptx_variable *variable = ptx_variable_declaration(cursor, space);
    variable->is_extern = is_extern;
    SIM_PUSH(module->variables, module->variable_count, module->variable_capacity);
    module->variables[module->variable_count++] = variable;
  } while (ptx_accept(cursor, ','));
  ptx_expect(cursor, ';');
}

enum { MAX_PARAMETERS = 64 };

/* ( .param ..., .param ... ) */
static uint32_t parameter_list(struct ptx_cursor *cursor, enum ptx_space space, struct ptx_variable **list) {
  uint32_t count = 0;
  ptx_expect(cursor, '(');
  while (ptx_token_is(&cursor->token, ".param") && count < MAX_PARAMETERS) {
    ptx_advance(cursor);
    list[count++] = ptx_variable_declaration(cursor, space);
    if (!ptx_accept(cursor, ','))
      break;
  }
  ptx_expect(cursor, ')');
  return count;
}

/* .maxntid 128, 1, 1 and the other tuning directives between the parameters and the body. */
static void function_directives(struct ptx_cursor *cursor) {
  while (cursor->token.kind == TOKEN_DIRECTIVE) {
    bool is_limit = ptx_token_is(&cursor->token, ".maxntid") || ptx_token_is(&cursor->token, ".reqntid");
    bool is_minimum = ptx_token_is(&cursor->token, ".minnctapersm");
    bool is_cluster = ptx_token_is(&cursor->token, ".reqnctapercluster");
    uint32_t sizes[3] = {1, 1, 1};
    uint32_t count = 0;
    uint64_t product = 1;
    ptx_advance(cursor);
    while (cursor->token.kind == TOKEN_INTEGER) {
      product *= cursor->token.value;
      if (count < 3)
        sizes[count++] = (uint32_t)cursor->token.value;
      ptx_advance(cursor);
      ptx_accept(cursor, ',');
    }
    if (is_limit)
      cursor->function->max_threads = (uint32_t)product;
    if (is_cluster)
      memcpy(cursor->function->cluster, sizes, sizeof sizes);
    if (is_minimum)
      cursor->function->min_blocks = (uint32_t)product;
  }
}

static void function_declaration(struct ptx_cursor *cursor, bool is_entry) {
  struct ptx_module *module = cursor->module;
  struct ptx_function *function = sim_arena_take(module->arena, sizeof *function);
  struct ptx_variable *list[MAX_PARAMETERS];
  size_t outer_bindings = cursor->binding_count;
  enum ptx_space space = is_entry ? PTX_PARAM : PTX_CALL;
  cursor->function = function;
  function->is_entry = is_entry;
  ptx_advance(cursor);
  if (ptx_is_mark(cursor, '(') && parameter_list(cursor, space, list) == 1)
    function->result = list[0];
  function->name = sim_arena_intern(module->arena, cursor->token.text, cursor->token.length);
  ptx_advance(cursor);
  if (ptx_is_mark(cursor, '(')) {
    function->parameter_count = parameter_list(cursor, space, list);
    size_t bytes = function->parameter_count * sizeof *list;
    function->parameters = sim_arena_take(module->arena, bytes);
    memcpy(function->parameters, list, bytes);
  }
  SIM_PUSH(module->functions, module->function_count, module->function_capacity);
  module->functions[module->function_count++] = function;
  function_directives(cursor);
  if (!ptx_accept(cursor, ';'))
    ptx_body(cursor);
  cursor->binding_count = outer_bindings;
}

/* Debug information: .section .name { ... } */
static void skip_section(struct ptx_cursor *cursor) {
  while (cursor->token.kind != TOKEN_END && !ptx_is_mark(cursor, '}'))
    ptx_advance(cursor);
  ptx_expect(cursor, '}');
}

/* .target sm_90a, with options after it. */
static void target(struct ptx_cursor *cursor) {
  static const char prefix[] = "sm_";
  char name[16] = "";
  ptx_advance(cursor);
  if (cursor->token.length < sizeof name)
    memcpy(name, cursor->token.text, cursor->token.length);
  char *end = name;
  if (strncmp(name, prefix, strlen(prefix)) == 0)
    cursor->module->target = (uint32_t)strtoul(name + strlen(prefix), &end, 10);
  cursor->module->target_kind = *end;
  if (!cursor->module->target || (*end && strcmp(end, "a") != 0 && strcmp(end, "f") != 0))
    ptx_fail(cursor, "unknown target '%.*s'", (int)cursor->token.length, cursor->token.text);
  ptx_skip_line(cursor);
}

static void module_declarations(struct ptx_cursor *cursor) {
  bool is_extern = false;
  while (cursor->token.kind != TOKEN_END) {
    const struct ptx_token *token = &cursor->token;
    bool finished = true;
    if (ptx_token_is(token, ".entry") || ptx_token_is(token, ".func"))
      function_declaration(cursor, ptx_token_is(token, ".entry"));
    else if (ptx_token_is(token, ".global"))
      module_variable(cursor, PTX_GLOBAL, is_extern);
    else if (ptx_token_is(token, ".const"))
      module_variable(cursor, PTX_CONST, is_extern);
    else if (ptx_token_is(token, ".shared"))
      module_variable(cursor, PTX_SHARED, is_extern);
    else if (ptx_token_is(token, ".target"))
      target(cursor);
    else if (ptx_token_is(token, ".version") || ptx_token_is(token, ".address_size") || ptx_token_is(token, ".file"))
      ptx_skip_line(cursor);
    else if (ptx_token_is(token, ".section"))
      skip_section(cursor);
    else if (ptx_token_is(token, ".extern") || ptx_token_is(token, ".visible") || ptx_token_is(token, ".weak") ||
             ptx_token_is(token, ".common"))
      finished = false;
    else
      ptx_fail(cursor, "unknown declaration '%.*s'", (int)token->length, token->text);
    if (finished) {
      is_extern = false;
    } else {
      is_extern = is_extern || ptx_token_is(token, ".extern");
      ptx_advance(cursor);
    }
  }
}

static void index_lines(struct ptx_module *module, const char *text) {
  size_t count = 0;
  size_t capacity = 0;
  const char **lines = NULL;
  for (const char *at = text; at; at = strchr(at, '\n')) {
    at += count > 0;
    SIM_PUSH(lines, count, capacity);
    lines[count++] = at;
  }
  module->lines = lines;
  module->line_count = (uint32_t)count;
}

struct ptx_module *ptx_parse(const char *text, char error[PTX_ERROR_BYTES]) {
  struct sim_arena *arena = sim_arena_create();
  struct ptx_module *module = sim_arena_take(arena, sizeof *module);
  module->arena = arena;
  const char *copy = sim_arena_copy(arena, text, strlen(text));
  index_lines(module, copy);
  struct ptx_cursor cursor = {.module = module, .lexer = {.at = copy, .line = 1}};
  ptx_advance(&cursor);
  if (!ptx_token_is(&cursor.token, ".version"))
    ptx_fail(&cursor, "PTX text must begin with .version");
  module_declarations(&cursor);
  free(cursor.bindings);
  if (!cursor.failed)
    return module;
  memcpy(error, module->error, PTX_ERROR_BYTES);
  ptx_destroy(module);
  return NULL;
}

static void destroy_function(struct ptx_function *function) {
  free(function->variables);
  free(function->statements);
  free(function->labels);
  free(function->scope_parents);
  free(function->register_classes);
}

void ptx_destroy(struct ptx_module *module) {
  if (!module)
    return;
  for (size_t i = 0; i < module->function_count; i++)
    destroy_function(module->functions[i]);
  free(module->functions);
  free(module->variables);
  free(module->lines);
  sim_arena_destroy(module->arena);
}
