/* Rows are JSON, read when they are asked for. */
#include "tools/flashjit/model/architectures.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct row {
  const char *name;
  const char *text;
} rows[] = {
#define ARCHITECTURE(name, ...) {name, #__VA_ARGS__},
#include "tools/flashjit/model/architectures.def"
};

enum { ROWS = sizeof rows / sizeof *rows };

/* What model types of the same language model end in. */
static const char *const endings[] = {"", "_text", "_text_model"};

static const struct row *find_name(const char *name, size_t length) {
  for (size_t i = 0; i < ROWS; i++) {
    if (strlen(rows[i].name) == length && strncmp(rows[i].name, name, length) == 0)
      return &rows[i];
  }
  return NULL;
}

static const struct row *find_row(const char *model_type) {
  const size_t length = strlen(model_type);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    const size_t ending = strlen(endings[i]);
    const struct row *row = NULL;
    if (ending <= length && strcmp(model_type + length - ending, endings[i]) == 0)
      row = find_name(model_type, length - ending);
    if (row)
      return row;
  }
  return NULL;
}

/* Qwen3MoeForCausalLM is qwen3_moe. */
static const struct row *find_class(const char *class) {
  char name[64];
  size_t used = 0;
  const char *end = class ? strstr(class, "For") : NULL;
  if (!end || end - class > 30)
    return NULL;
  for (const char *letter = class; letter < end; letter++) {
    if (isupper((unsigned char)*letter) && letter > class && !isupper((unsigned char)letter[-1]))
      name[used++] = '_';
    name[used++] = (char)tolower((unsigned char)*letter);
  }
  name[used] = '\0';
  return find_row(name);
}

/* The row's own fields go before those of the row that it is like. */
static json_t *load(const struct row *row) {
  json_error_t error;
  json_t *fields = json_loads(row->text, JSON_DECODE_INT_AS_REAL, &error);
  const char *like = json_string_value(json_object_get(fields, "@like"));
  const struct row *base = like ? find_name(like, strlen(like)) : NULL;
  json_t *all = base ? load(base) : NULL;
  if (!all)
    return fields;
  json_object_update(all, fields);
  json_decref(fields);
  return all;
}

json_t *architecture_defaults(const char *model_type, const char *class, bool *is_known) {
  const struct row *row = model_type[0] ? find_row(model_type) : find_class(class);
  *is_known = row;
  return row ? load(row) : json_object();
}

const char *architecture_name(size_t number) {
  return number < ROWS ? rows[number].name : NULL;
}
