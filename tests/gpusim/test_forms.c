/* Every form of the tables, spelled out: what it accepts as it stands, and that it refuses one operand less, one more,
 * an element less or more in a list, a pair p|q or a negation where it has none. */
#include "exec/forms.h"
#include "program/decode.h"
#include "ptx/parser.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPCODE_BYTES = 160, TEXT_BYTES = 4096, MAX_OPERANDS = 12, MAX_ITEMS = 132 };

/* An operand: items, in braces if it is a list. */
struct spelled {
  const char *items[MAX_ITEMS];
  uint32_t count;
  bool is_list;
  bool may_pair;
  bool may_negate;
};

struct statement {
  char opcode[OPCODE_BYTES];
  struct spelled operands[MAX_OPERANDS];
  uint32_t count;
};

static void print_operand(char *text, const struct spelled *operand) {
  strcat(text, operand->is_list ? "{" : "");
  for (uint32_t i = 0; i < operand->count; i++) {
    strcat(text, i ? ", " : "");
    strcat(text, operand->items[i]);
  }
  strcat(text, operand->is_list ? "}" : "");
}

static bool loads_text(const char *code) {
  char text[2 * TEXT_BYTES];
  char error[PTX_ERROR_BYTES];
  snprintf(text, sizeof text,
           ".version 8.5\n.target sm_90\n.address_size 64\n.entry k()\n{\n"
           ".reg .pred %%p<5>; .reg .b32 %%r<5>; .reg .b64 %%d<5>; .reg .b128 %%q<5>;\n"
           "T: .branchtargets L;\nL:\n%s;\nret;\n}\n",
           code);
  struct ptx_module *module = ptx_parse(text, error);
  struct sim_program *program = module ? sim_decode(module, module->functions[0], sim_forms(), error) : NULL;
  sim_program_destroy(program);
  ptx_destroy(module);
  return program;
}

static void print_statement(char text[TEXT_BYTES], const struct statement *statement) {
  snprintf(text, TEXT_BYTES, "%s ", statement->opcode);
  for (uint32_t i = 0; i < statement->count; i++) {
    strcat(text, i ? ", " : "");
    print_operand(text, &statement->operands[i]);
  }
}

static bool loads(const struct statement *statement) {
  char text[TEXT_BYTES];
  print_statement(text, statement);
  return loads_text(text);
}

static size_t refused;

static void expect_refused(const struct statement *statement) {
  char text[TEXT_BYTES];
  print_statement(text, statement);
  cr_expect_not(loads_text(text), "accepted: %s", text);
  refused++;
}

/* The opcodes whose operands PTX leaves to choice: the least and the most. */
static bool count_is_legal(const char *opcode, uint32_t count) {
  static const struct {
    const char *head;
    const char *part;
    uint32_t least;
    uint32_t most;
  } choices[] = {
      {"bar", ".sync", 1, 2},
      {"bar", ".red", 3, 4},
      {"min.", "f32", 3, 4},
      {"max.", "f32", 3, 4},
      {"cp.async.", "hint", 4, 5},
      {"cp.async.c", "global", 3, 4},
      {"mbarrier.arrive", ".b64", 2, 3},
      {"mbarrier.try_wait", ".b64", 3, 4},
  };
  for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
    if (strncmp(opcode, choices[i].head, strlen(choices[i].head)) == 0 && strstr(opcode, choices[i].part) &&
        !strstr(opcode, "warp") && !strstr(opcode, "NaN") && !strstr(opcode, "_tx") && !strstr(opcode, "noComplete"))
      return count >= choices[i].least && count <= choices[i].most;
  return false;
}

static void drop_operands(const struct statement *whole) {
  if (count_is_legal(whole->opcode, whole->count - 1))
    return;
  for (uint32_t at = 0; at < whole->count; at++) {
    struct statement less = *whole;
    less.count--;
    memmove(&less.operands[at], &less.operands[at + 1], (less.count - at) * sizeof *less.operands);
    expect_refused(&less);
  }
}

static void add_operands(const struct statement *whole) {
  static const char *const extra[] = {"%r4", "%p4", "%d4", "7", "[%d4]", "{%r4}"};
  if (count_is_legal(whole->opcode, whole->count + 1))
    return;
  for (size_t i = 0; i < sizeof extra / sizeof *extra; i++) {
    struct statement more = *whole;
    more.operands[more.count++] = (struct spelled){.items = {extra[i]}, .count = 1};
    expect_refused(&more);
  }
}

static void change_lists(const struct statement *whole) {
  for (uint32_t at = 0; at < whole->count; at++) {
    struct statement changed = *whole;
    struct spelled *list = &changed.operands[at];
    if (!list->is_list)
      continue;
    list->count--;
    expect_refused(&changed);
    list->count += 2;
    list->items[list->count - 1] = list->items[0];
    expect_refused(&changed);
  }
}

enum { MOST_DECORATED = 4 };

/* One operand with something before or after each of its items. */
static void decorate(const struct statement *whole, uint32_t at, const char *before, const char *after) {
  for (uint32_t item = 0; item < whole->operands[at].count && item < MOST_DECORATED; item++) {
    char text[32];
    struct statement changed = *whole;
    snprintf(text, sizeof text, "%s%s%s", before, whole->operands[at].items[item], after);
    changed.operands[at].items[item] = text;
    expect_refused(&changed);
  }
}

static void decorate_operands(const struct statement *whole) {
  for (uint32_t at = 0; at < whole->count; at++) {
    if (!whole->operands[at].may_pair)
      decorate(whole, at, "", "|%p4");
    if (!whole->operands[at].may_negate)
      decorate(whole, at, "!", "");
  }
}

/* A map with as many coordinates as the opcode has dimensions. */
static const char *tensor_of(const char *opcode) {
  static const char *const tensors[] = {"[%d2, {%r1}]", "[%d2, {%r1,%r2}]", "[%d2, {%r1,%r2,%r3}]",
                                        "[%d2, {%r1,%r2,%r3,%r1}]", "[%d2, {%r1,%r2,%r3,%r1,%r2}]"};
  const char *rank = strstr(opcode, "tensor.") + strlen("tensor.");
  return tensors[*rank - '1'];
}

/* How an item of a letter is spelled. Letters v and e are as wide as the type at the end of the opcode. */
static const char *spell_letter(char letter, const char *opcode) {
  bool wide = strcmp(opcode + strlen(opcode) - 2, "64") == 0;
  switch (letter) {
  case 'p':
    return "%p1";
  case 'w':
    return "%r1";
  case 'x':
    return "%d1";
  case 'q':
    return "%q1";
  case 'm':
    return "[%d2]";
  case 'M':
    return tensor_of(opcode);
  case 'i':
    return "16";
  case 'j':
    return "1";
  case 'l':
    return "L";
  case 't':
    return "T";
  default:
    return wide ? "%d1" : "%r1";
  }
}

/* The digit after .v or .x, which a list has as many items of. */
static uint32_t vector_count(const char *opcode) {
  for (const char *at = strchr(opcode, '.'); at; at = strchr(at + 1, '.'))
    if ((at[1] == 'v' || at[1] == 'x') && at[2] >= '1' && at[2] <= '8' && (at[3] == '.' || !at[3]))
      return (uint32_t)(at[2] - '0');
  const char *columns = strstr(opcode, ".m64n");
  return columns ? (uint32_t)atoi(columns + strlen(".m64n")) / 2 : 1;
}

static void spell_operands(struct statement *statement, const char *letters) {
  bool destination = true;
  statement->count = 0;
  for (letters += *letters == '+'; *letters; letters++) {
    struct spelled *operand = &statement->operands[statement->count];
    if (*letters == ':') {
      destination = false;
      continue;
    }
    if (*letters == 'o') {
      operand[-1].may_pair = true;
      continue;
    }
    *operand = (struct spelled){.count = 1};
    if (*letters == '*') {
      operand->count = vector_count(statement->opcode);
      operand->is_list = operand->count > 1;
      letters++;
    } else if (*letters >= '0' && *letters <= '9') {
      operand->count = (uint32_t)(*letters++ - '0');
      operand->is_list = true;
    }
    operand->may_negate = *letters == 'p' && !destination;
    for (uint32_t i = 0; i < operand->count; i++)
      operand->items[i] = spell_letter(*letters, statement->opcode);
    statement->count++;
  }
}

/* Spells a pattern: group `varied` takes its alternative `choice`, other groups their first, or nothing if they may.
 * False when there is no such group or alternative. */
static bool spell_pattern(char *opcode, const char *pattern, int varied, int choice) {
  bool found = varied < 0;
  int group = 0;
  while (*pattern) {
    if (*pattern != '[' && *pattern != '(') {
      *opcode++ = *pattern++;
      continue;
    }
    int wanted = group++ == varied ? choice : *pattern == '[' ? -1 : 0;
    int alternative = 0;
    for (pattern++; *pattern != ']' && *pattern != ')'; pattern++) {
      if (*pattern == '|')
        alternative++;
      else if (alternative == wanted)
        *opcode++ = *pattern;
    }
    found = found || (group - 1 == varied && wanted <= alternative);
    pattern++;
  }
  *opcode = '\0';
  return found;
}

static int group_count(const char *pattern) {
  int count = 0;
  for (; *pattern; pattern++)
    count += *pattern == '[' || *pattern == '(';
  return count;
}

/* False when the form has no such statement: its modifiers exclude each other. */
static bool try_statement(const struct sim_form *form, int varied, int choice) {
  struct statement statement;
  if (!spell_pattern(statement.opcode, form->pattern, varied, choice))
    return false;
  spell_operands(&statement, form->operands);
  if (!loads(&statement))
    return false;
  drop_operands(&statement);
  add_operands(&statement);
  change_lists(&statement);
  decorate_operands(&statement);
  return true;
}

static void try_form(const struct sim_form *form) {
  uint32_t accepted = try_statement(form, -1, 0);
  for (int group = 0; group < group_count(form->pattern); group++) {
    char opcode[OPCODE_BYTES];
    for (int choice = 0; spell_pattern(opcode, form->pattern, group, choice); choice++)
      accepted += try_statement(form, group, choice);
  }
  cr_expect(accepted > 0, "no statement of the form %s with %s is accepted", form->pattern, form->operands);
}

/* Helpers, which no text can name, and calls are not read by letters. */
static bool has_letters(const struct sim_form *form) {
  return form->pattern[0] != '=' && strncmp(form->pattern, "call", 4) != 0;
}

Test(gpusim_forms, operands_of_every_form) {
  struct sim_form_set set = sim_forms();
  size_t tried = 0;
  for (size_t t = 0; t < set.count; t++)
    for (size_t f = 0; f < set.tables[t].count; f++)
      if (has_letters(&set.tables[t].forms[f])) {
        try_form(&set.tables[t].forms[f]);
        tried++;
      }
  cr_expect(tried > 300 && refused > 10 * tried, "%zu forms, %zu refusals", tried, refused);
}

Test(gpusim_forms, elements_of_vectors_are_of_one_kind) {
  cr_expect(loads_text("ld.global.v2.b32 {%r1, _}, [%d1]"));
  cr_expect(loads_text("ld.global.v2.b32 {_, %d2}, [%d1]"));
  cr_expect(loads_text("st.global.v2.b32 [%d1], {7, %d2}"));
  cr_expect_not(loads_text("ld.global.v2.b32 {%d2, %r1}, [%d1]"));
  cr_expect_not(loads_text("ld.global.v2.b32 {%r1, %d2}, [%d1]"));
  cr_expect_not(loads_text("ld.global.v2.b32 {%r1, %p1}, [%d1]"));
  cr_expect_not(loads_text("st.global.v2.b32 [%d1], {%r1, %d2}"));
  cr_expect_not(loads_text("ld.global.b64 %r1, [%d1]"));
  cr_expect_not(loads_text("st.global.b64 [%d1], %r1"));
}

static bool call_loads(const char *call) {
  char text[TEXT_BYTES];
  char error[PTX_ERROR_BYTES];
  snprintf(text, sizeof text,
           ".version 8.5\n.target sm_90\n.address_size 64\n"
           ".func (.param .b32 y) f(.param .b32 a, .param .b64 b) { ret; }\n.func g() { ret; }\n"
           ".entry k()\n{\n.reg .b32 %%r<2>;\n.param .b32 w; .param .b32 v; .param .b64 x;\n%s;\nret;\n}\n",
           call);
  struct ptx_module *module = ptx_parse(text, error);
  struct sim_program *program = module ? sim_decode(module, module->functions[2], sim_forms(), error) : NULL;
  sim_program_destroy(program);
  ptx_destroy(module);
  return program;
}

Test(gpusim_forms, parameters_of_calls) {
  static const char *const right[] = {"call (w), f, (v, x)", "call.uni (w), f, (v, x)", "call g", "call.uni g"};
  static const char *const wrong[] = {
      "call f, (v, x)",
      "call (w), f",
      "call (w), f, (v)",
      "call (w), f, (v, x, v)",
      "call (w), f, (x, v)",
      "call (x), f, (v, x)",
      "call (w, w), f, (v, x)",
      "call (w), f, (%r1, x)",
      "call (%r1), f, (v, x)",
      "call (w), f, (v, x), g",
      "call (w), g",
      "call g, (v)",
      "call g, %r1",
      "call %r1, (v)",
      "call",
      "call.now g",
      "callg g",
      "call nowhere",
  };
  for (size_t i = 0; i < sizeof right / sizeof *right; i++)
    cr_expect(call_loads(right[i]), "%s", right[i]);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    cr_expect_not(call_loads(wrong[i]), "%s", wrong[i]);
}
