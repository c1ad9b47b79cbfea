/* A precedence-climbing evaluator. It evaluates both sides of && and ||, so that a wrong name never hides. */
#include "expression.h"

#include "error.h"

#include <stdint.h>
#include <string.h>

enum { DEEPEST = 32 }; /* nested parentheses and signs, so that no template overflows the stack */

struct parser {
  const char *at;
  const char *end;
  const struct facts *facts;
  bool failed;
  int depth;
};

struct operand {
  int64_t value;
  const struct axis *axis; /* when it is the name of an axis and nothing else */
};

/* Binary operators. A higher level binds tighter; those of one level bind from left to right. */
enum { OR, AND, EQUAL, UNEQUAL, AT_MOST, AT_LEAST, LESS, MORE, PLUS, MINUS, TIMES, OVER, OPERATOR_COUNT };

/* A sign that another one begins with comes after it. */
static const struct {
  const char *sign;
  int level;
} operators[OPERATOR_COUNT] = {
    [OR] = {"||", 0},      [AND] = {"&&", 1},      [EQUAL] = {"==", 2}, [UNEQUAL] = {"!=", 2},
    [AT_MOST] = {"<=", 3}, [AT_LEAST] = {">=", 3}, [LESS] = {"<", 3},   [MORE] = {">", 3},
    [PLUS] = {"+", 4},     [MINUS] = {"-", 4},     [TIMES] = {"*", 5},  [OVER] = {"/", 5},
};

static struct operand parse_binary(struct parser *parser, int level);

/* Sums and products wrap, so that no template makes them undefined; b is not 0 in a quotient. */
static int64_t apply(int operation, int64_t a, int64_t b) {
  switch (operation) {
  case OR:
    return a || b;
  case AND:
    return a && b;
  case EQUAL:
    return a == b;
  case UNEQUAL:
    return a != b;
  case AT_MOST:
    return a <= b;
  case AT_LEAST:
    return a >= b;
  case LESS:
    return a < b;
  case MORE:
    return a > b;
  case PLUS:
    return (int64_t)((uint64_t)a + (uint64_t)b);
  case MINUS:
    return (int64_t)((uint64_t)a - (uint64_t)b);
  case TIMES:
    return (int64_t)((uint64_t)a * (uint64_t)b);
  default:
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
  }
}

static void skip_spaces(struct parser *parser) {
  while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\t'))
    parser->at++;
}

static struct operand fail(struct parser *parser, const char *message, const char *text, size_t size) {
  if (!parser->failed)
    error_set(FI_ERROR_SPEC, "%s \"%.*s\"", message, (int)size, text);
  parser->failed = true;
  return (struct operand){0};
}

/* The same, about what stands at the current place. */
static struct operand fail_here(struct parser *parser, const char *message) {
  skip_spaces(parser);
  return fail(parser, message, parser->at, (size_t)(parser->end - parser->at));
}

static bool accept(struct parser *parser, const char *sign) {
  const size_t size = strlen(sign);
  skip_spaces(parser);
  if ((size_t)(parser->end - parser->at) < size || memcmp(parser->at, sign, size) != 0)
    return false;
  parser->at += size;
  return true;
}

static bool in_name(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The bytes of the name or number at the current place; 0 when something else stands there. */
static size_t word_size(struct parser *parser) {
  skip_spaces(parser);
  const char *end = parser->at;
  while (end < parser->end && in_name(*end))
    end++;
  return (size_t)(end - parser->at);
}

static struct operand parse_number(struct parser *parser, const char *digits, size_t size) {
  int64_t value = 0;
  for (size_t i = 0; i < size; i++) {
    if (digits[i] < '0' || digits[i] > '9' || value > UINT32_MAX)
      return fail(parser, "not a number:", digits, size);
    value = 10 * value + (digits[i] - '0');
  }
  return (struct operand){.value = value};
}

static struct operand parse_word(struct parser *parser) {
  const size_t size = word_size(parser);
  const char *word = parser->at;
  if (size == 0)
    return fail_here(parser, "an operand is missing before");
  parser->at += size;
  if (*word >= '0' && *word <= '9')
    return parse_number(parser, word, size);
  struct fact fact;
  if (!facts_find(parser->facts, word, size, &fact))
    return fail(parser, "unknown name", word, size);
  return (struct operand){fact.value, fact.axis};
}

static struct operand parse_unary(struct parser *parser) {
  if (++parser->depth > DEEPEST)
    return fail_here(parser, "nested too deeply at");
  struct operand operand;
  if (accept(parser, "!")) {
    operand = (struct operand){.value = !parse_unary(parser).value};
  } else if (accept(parser, "(")) {
    operand = (struct operand){.value = parse_binary(parser, 0).value};
    if (!accept(parser, ")"))
      fail_here(parser, "no \")\" before");
  } else {
    operand = parse_word(parser);
  }
  parser->depth--;
  return operand;
}

/* Takes the operator of this level that stands next; OPERATOR_COUNT when there is none. */
static int accept_operator(struct parser *parser, int level) {
  int operation = 0;
  while (operation < OPERATOR_COUNT &&
         !(operators[operation].level == level && accept(parser, operators[operation].sign)))
    operation++;
  return operation;
}

/* The name of a value of the axis on the left, if that is what stands next. */
static bool accept_value_name(struct parser *parser, const struct axis *axis, struct operand *right) {
  const size_t size = word_size(parser);
  uint32_t value;
  if (!axis || !axis_value_named(axis, parser->at, size, &value))
    return false;
  *right = (struct operand){.value = value};
  parser->at += size;
  return true;
}

static struct operand parse_binary(struct parser *parser, int level) {
  if (level > operators[OVER].level)
    return parse_unary(parser);
  struct operand left = parse_binary(parser, level + 1);
  int operation;
  while (!parser->failed && (operation = accept_operator(parser, level)) < OPERATOR_COUNT) {
    const bool compares = operation == EQUAL || operation == UNEQUAL;
    struct operand right;
    if (!compares || !accept_value_name(parser, left.axis, &right))
      right = parse_binary(parser, level + 1);
    if (operation == OVER && right.value == 0)
      return fail_here(parser, "division by zero before");
    left = (struct operand){.value = apply(operation, left.value, right.value)};
  }
  return left;
}

bool expression_evaluate(const char *text, size_t size, const struct facts *facts, int64_t *value) {
  struct parser parser = {.at = text, .end = text + size, .facts = facts};
  *value = parse_binary(&parser, 0).value;
  skip_spaces(&parser);
  if (parser.at < parser.end)
    fail_here(&parser, "unexpected");
  return !parser.failed;
}
