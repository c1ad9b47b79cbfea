/*
 * The declared matrix. An axis without a row is at its default in the full product, and has all its listed
 * values, or the default and both ends of its range, in the pairwise cover.
 */
#include "tests/matrix/dimensions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Values in text: numbers and value names, "default", or "*" for all that the axis lists. */
struct declaration {
  const char *key;
  const char *product; /* attention only */
  const char *cover;
};

static const struct declaration declarations[] = {
    {"hd", "*", "*"},
    {"group", "1 4 5 8 12", "1 2 3 4 5 6 7 8 12 16 20 32 48 64"},
    {"rope", "*", "*"},
    {"kv", "*", "*"},
    {"page", "0 1 16", "0 1 3 7 16 48 64 100 1024"},
    {"rows", "default 128", "*"}, /* the smallest tile that holds the group, for decode; a prefill tile */
    {"rope_dim", "default", "default 16 32 64 128"},
    {"theta", "default", "default 500000"},
    {"factor", "default", "1000 4000 default 32000"},
    {"low", "default", "default 500"},
    {"high", "default", "default 16000"},
    {"context", "default", "default 64"}, /* 64: short enough that a small test leaves it */
};

uint32_t dimension_get(const struct dimension *dimension, const fi_spec *spec) {
  uint32_t value;
  memcpy(&value, (const char *)spec + dimension->offset, sizeof value);
  return value;
}

void dimension_set(const struct dimension *dimension, fi_spec *spec, uint32_t value) {
  memcpy((char *)spec + dimension->offset, &value, sizeof value);
}

static const struct declaration *find_declaration(const char *key) {
  for (size_t i = 0; i < sizeof declarations / sizeof *declarations; i++) {
    if (strcmp(declarations[i].key, key) == 0)
      return &declarations[i];
  }
  return NULL;
}

static bool add_value(struct value_list *list, uint32_t value) {
  if (list->count == MOST_VALUES)
    return false;
  list->values[list->count++] = value;
  return true;
}

static bool add_listed(struct value_list *list, const fi_axis *axis) {
  for (uint32_t i = 0; i < axis->value_count; i++) {
    if (!add_value(list, axis->values[i]))
      return false;
  }
  return axis->value_count > 0;
}

/* A word of a declaration: "default", a value's name or a number. */
static bool add_word(struct value_list *list, const fi_axis *axis, const char *word) {
  char *end;
  if (strcmp(word, "*") == 0)
    return add_listed(list, axis);
  if (strcmp(word, "default") == 0)
    return add_value(list, 0);
  for (uint32_t i = 0; axis->value_names && i < axis->value_count; i++) {
    if (strcmp(axis->value_names[i], word) == 0)
      return add_value(list, axis->values[i]);
  }
  const unsigned long number = strtoul(word, &end, 10);
  return *end == '\0' && number >= axis->minimum && number <= axis->maximum && add_value(list, (uint32_t)number);
}

static bool read_values(struct value_list *list, const fi_axis *axis, const char *words) {
  char text[128];
  char *rest = text;
  char *word;
  snprintf(text, sizeof text, "%s", words);
  while ((word = strtok_r(rest, " ", &rest))) {
    if (!add_word(list, axis, word))
      return false;
  }
  return list->count > 0;
}

static bool choose_values(struct dimension *dimension, const fi_axis *axis) {
  const struct declaration *declared = find_declaration(axis->key);
  if (declared)
    return read_values(&dimension->product, axis, declared->product) &&
           read_values(&dimension->cover, axis, declared->cover);
  add_value(&dimension->product, 0);
  if (axis->value_count > 0)
    return add_listed(&dimension->cover, axis);
  return add_value(&dimension->cover, 0) && add_value(&dimension->cover, axis->minimum) &&
         add_value(&dimension->cover, axis->maximum);
}

bool dimensions_load(uint32_t op, struct dimensions *dimensions, char *why, size_t why_size) {
  fi_axis axis = {.struct_size = sizeof axis};
  *dimensions = (struct dimensions){.op = op};
  for (uint32_t i = 0; fi_axis_describe(i, &axis) == FI_OK; i++) {
    if (!(axis.ops >> op & 1) || strcmp(axis.name, "op") == 0)
      continue;
    if (dimensions->count == MOST_DIMENSIONS) {
      snprintf(why, why_size, "there are more than %d axes", MOST_DIMENSIONS);
      return false;
    }
    struct dimension *dimension = &dimensions->of[dimensions->count++];
    *dimension = (struct dimension){.key = axis.key, .offset = axis.offset};
    if (!choose_values(dimension, &axis)) {
      snprintf(why, why_size, "the values declared for axis %s do not fit it", axis.key);
      return false;
    }
  }
  return true;
}
