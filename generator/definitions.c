/*
 * The splitter knows declarations by their outline only: braces, semicolons, and the name before "(", "=",
 * "[", "{" or ";". That is enough for the style of the templates: one definition a line or more, no
 * namespaces, no declarators after a "}".
 */
#include "definitions.h"

#include "scan.h"

#include <stdlib.h>
#include <string.h>

struct splitter {
  const char *text;
  size_t size;
  struct definitions *out;
  struct definition item; /* being read */
  bool open;              /* the item has a comment or code */
  bool code;              /* the item has code */
  bool complete;          /* its last code closed a definition */
  bool line_empty;        /* nothing was seen since the line began */
  size_t depth;           /* of brackets of any kind */
  size_t line;            /* where the current line begins */
  size_t start;           /* of the definition being read */
};

/* Makes room for one more element; false when there is no memory. */
static bool grow(void **array, size_t count, size_t *room, size_t element) {
  if (count < *room)
    return true;
  const size_t wanted = *room ? 2 * *room : 64;
  void *bigger = realloc(*array, wanted * element);
  if (!bigger)
    return false;
  *array = bigger;
  *room = wanted;
  return true;
}

static bool add_name(struct splitter *splitter, const struct token *token) {
  struct definitions *out = splitter->out;
  void *names = out->names;
  if (!grow(&names, out->name_count, &out->name_room, sizeof *out->names))
    return false;
  out->names = names;
  out->names[out->name_count++] = (struct defined_name){
      .text = splitter->text + token->begin, .size = token->end - token->begin, .definition = out->count};
  return true;
}

static bool is_any(const char *text, const struct token *token, const char *const *words) {
  while (*words && !scan_is(text, token, *words))
    words++;
  return *words != NULL;
}

/* After the opening bracket at text[at - 1]: the offset after the bracket that closes it. */
static size_t skip_bracket(const char *text, size_t at, size_t size) {
  size_t depth = 1;
  while (depth > 0 && at < size) {
    const struct token token = scan_token(text, at, size);
    if (token.kind == TOKEN_SIGN && strchr("({[", text[token.begin]))
      depth++;
    if (token.kind == TOKEN_SIGN && strchr(")}]", text[token.begin]))
      depth--;
    at = token.end;
  }
  return at;
}

/* After the word template: the offset after its parameter list. */
static size_t skip_parameters(const char *text, size_t at, size_t size) {
  size_t depth = 0;
  while (at < size) {
    const struct token token = scan_token(text, at, size);
    at = token.end;
    if (scan_is(text, &token, "<"))
      depth++;
    else if (scan_is(text, &token, ">") && --depth == 0)
      return at;
  }
  return at;
}

/* The names in the braces of an enum are names that it defines. */
static bool add_enumerators(struct splitter *splitter, size_t at, size_t size) {
  bool added = true;
  while (added && at < size) {
    const struct token token = scan_token(splitter->text, at, size);
    at = token.end;
    if (token.kind == TOKEN_NAME)
      added = add_name(splitter, &token);
  }
  return added;
}

/* Adds the names that the code at text[at .. size) defines. Code without a name is a root. */
static bool read_names(struct splitter *splitter, size_t at, size_t size) {
  static const char *const tags[] = {"struct", "union", "enum", "class", NULL};
  static const char *const attributes[] = {"__launch_bounds__", "__align__", "alignas", "__attribute__", NULL};
  static const char *const roots[] = {"extern", "__global__", "static_assert", "operator", NULL};
  const char *text = splitter->text;
  struct token name = {0};
  bool attribute = false;
  bool enumeration = false;
  while (at < size) {
    const struct token token = scan_token(text, at, size);
    at = token.end;
    if (token.kind == TOKEN_NAME) {
      splitter->item.root |= is_any(text, &token, roots);
      enumeration |= scan_is(text, &token, "enum");
      attribute = is_any(text, &token, attributes);
      if (scan_is(text, &token, "template"))
        at = skip_parameters(text, at, size);
      else if (!is_any(text, &token, tags))
        name = token;
    } else if (attribute && scan_is(text, &token, "(")) {
      at = skip_bracket(text, at, size);
    } else if (token.kind == TOKEN_SIGN && strchr("(=[{;:", text[token.begin])) {
      break;
    }
  }
  splitter->item.root |= name.end == 0;
  return (name.end == 0 || add_name(splitter, &name)) && (!enumeration || add_enumerators(splitter, at, size));
}

static bool close_item(struct splitter *splitter, size_t end) {
  struct definitions *out = splitter->out;
  void *items = out->items;
  if (!grow(&items, out->count, &out->room, sizeof *out->items))
    return false;
  out->items = items;
  splitter->item.end = end;
  splitter->item.comment = !splitter->code;
  out->items[out->count++] = splitter->item;
  splitter->open = false;
  splitter->code = false;
  splitter->complete = false;
  splitter->item = (struct definition){0};
  return true;
}

static void open_item(struct splitter *splitter) {
  if (!splitter->open)
    splitter->item.begin = splitter->line;
  splitter->open = true;
}

static bool end_line(struct splitter *splitter, const struct token *newline) {
  bool good = true;
  if (splitter->line_empty && splitter->open && !splitter->code)
    good = close_item(splitter, splitter->line);
  if (splitter->line_empty && !splitter->open)
    splitter->item.blank_before = true;
  if (splitter->complete && splitter->depth == 0)
    good = close_item(splitter, newline->end);
  splitter->line = newline->end;
  splitter->line_empty = true;
  return good;
}

/*
 * A line of the preprocessor outside of functions. "#define NAME ..." defines NAME; others define nothing, so
 * nothing keeps them: include guards are for other readers of the file.
 */
static bool read_directive(struct splitter *splitter, size_t *at) {
  const char *text = splitter->text;
  const size_t size = splitter->size;
  struct token words[2] = {{0}};
  size_t count = 0;
  struct token token = scan_token(text, *at, size);
  for (; token.kind != TOKEN_END && token.kind != TOKEN_NEWLINE; token = scan_token(text, *at, size)) {
    *at = token.end;
    if (token.kind == TOKEN_NAME && count < 2)
      words[count++] = token;
    if (scan_is(text, &token, "\\") && *at < size)
      (*at)++; /* the line goes on */
  }
  splitter->complete = true;
  return count < 2 || !scan_is(text, &words[0], "define") || add_name(splitter, &words[1]);
}

/* A definition ends at a semicolon, or at a "}" without one after it. */
static bool ends_definition(const struct splitter *splitter, const struct token *token) {
  const char *text = splitter->text;
  if (splitter->depth > 0 || token->kind != TOKEN_SIGN)
    return false;
  if (text[token->begin] == ';')
    return true;
  struct token next = scan_token(text, token->end, splitter->size);
  if (next.kind == TOKEN_SPACE)
    next = scan_token(text, next.end, splitter->size);
  return text[token->begin] == '}' && !scan_is(text, &next, ";");
}

static bool read_code(struct splitter *splitter, const struct token *token, size_t *at) {
  const char *text = splitter->text;
  const bool line_begins = splitter->line_empty;
  open_item(splitter);
  if (!splitter->code || splitter->complete)
    splitter->start = token->begin;
  splitter->line_empty = false;
  splitter->code = true;
  splitter->complete = false;
  if (splitter->depth == 0 && line_begins && text[token->begin] == '#')
    return read_directive(splitter, at);
  if (token->kind == TOKEN_SIGN && strchr("({[", text[token->begin]))
    splitter->depth++;
  if (token->kind == TOKEN_SIGN && strchr(")}]", text[token->begin]) && splitter->depth > 0)
    splitter->depth--;
  if (!ends_definition(splitter, token))
    return true;
  splitter->complete = true;
  return read_names(splitter, splitter->start, token->end);
}

bool definitions_split(const char *text, size_t size, struct definitions *definitions) {
  struct splitter splitter = {.text = text, .size = size, .out = definitions, .line_empty = true};
  *definitions = (struct definitions){0};
  bool good = true;
  for (size_t at = 0; good && at < size;) {
    const struct token token = scan_token(text, at, size);
    at = token.end;
    if (token.kind == TOKEN_NEWLINE) {
      good = end_line(&splitter, &token);
    } else if (token.kind == TOKEN_COMMENT) {
      open_item(&splitter);
      splitter.line_empty = false;
    } else if (token.kind != TOKEN_SPACE) {
      good = read_code(&splitter, &token, &at);
    }
  }
  if (good && splitter.open)
    good = close_item(&splitter, size);
  if (!good)
    definitions_free(definitions);
  return good;
}

void definitions_free(struct definitions *definitions) {
  free(definitions->items);
  free(definitions->names);
  *definitions = (struct definitions){0};
}
