/*
 * The declared matrix. An axis without a row has all its listed values, or the default and both ends of its range.
 */
#include "tests/matrix/dimensions.h"

#include "tools/flashjit/problem.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Values in text: numbers and value names, "default", or "*" for all that the axis lists. */
struct declaration {
  const char *key;
  const char *values;
  const char *product; /* of the five card axes of attention: those of the values that are combined in full */
  const char *index;   /* of an indexer, in which little depends on them; NULL: as others */
  const char *others;  /* of the ops that are neither; NULL: as attention */
};

static const struct declaration declarations[] = {
    {"hd", "32 40 64 72 80 88 96 104 112 128 136 160 192 200 248 256 288 512 576",
     "32 64 80 96 112 128 160 192 256 512", "32 48 128 256", NULL},
    {"v_dim", "default 32 40 64 72 80 96 104 128 160 192 248 256 512", NULL, NULL, NULL},
    {"group", "1 2 3 4 5 6 7 8 12 16 20 32 48 64 71 128", "1 5 8 71", "1 5 64", NULL},
    {"q", "*", NULL, "f16 bf16", "f16 bf16"},
    {"rope", "*", "*", NULL, NULL},
    {"kv", "*", "f16 bf16 e4m3 e5m2", "f16 bf16 e4m3", NULL},
    {"page", "0 1 3 7 16 48 64 100 1024 1056 2096 4176 16384", "0 1 16 1056", "0 1 16 48", NULL},
    {"rope_dim", "default 2 16 20 32 64 102 128", NULL, NULL, NULL},
    {"rope_first", "0 2 8 12 64 128", NULL, NULL, NULL},
    {"left", "0 1 5 64 1000", NULL, NULL, NULL},
    {"right", "0 1 7 100", NULL, NULL, NULL},
    {"chunk", "0 1 24 512", NULL, NULL, NULL},
    {"v", "default int4 nvfp4", NULL, NULL, NULL},
    {"scale", "*", NULL, "none token", NULL},
    {"scale_group", "default 16 64", NULL, NULL, NULL},
    {"select", "0 1 3 64", NULL, "1 3 64", NULL},
    {"wide", "default 72", NULL, NULL, NULL},
    {"second", "0 1 64", NULL, NULL, NULL},
};

/* An axis whose values are rarely possible, and what one of them needs others to be. */
static const struct {
  const char *key;
  const char *value;
  const char *other;
  const char *needed;
} needs[] = {
    {"family", "wgmma", "rows", "128"},     {"family", "wgmma", "v", "default"},
    {"family", "wgmma", "keys", "rotated"}, {"family", "wgmma", "v_source", "own"},
    {"family", "wgmma", "select", "0"},
    {"scale", "groups", "kv", "e4m3"},      {"scale", "groups", "v_source", "keys"},
    {"scale", "groups", "v", "default"},    {"scale", "groups", "scale_group", "16"},
    {"scale", "e8m0", "kv", "e4m3"},        {"scale", "e8m0", "v_source", "keys"},
    {"scale", "e8m0", "v", "default"},      {"scale", "e8m0", "scale_group", "16"},
    {"wide", "72", "scale", "groups"},      {"wide", "72", "kv", "e4m3"},
    {"wide", "72", "v_source", "keys"},     {"wide", "72", "v", "default"},
    {"wide", "72", "scale_group", "16"},    {"second", "1", "select", "1"},
    {"second", "1", "page", "16"},          {"second", "1", "index", "dense"},
    {"second", "64", "select", "1"},        {"second", "64", "page", "16"},
    {"second", "64", "index", "dense"},
};

uint32_t dimension_get(const struct dimension *dimension, const struct point *point) {
  uint32_t value;
  memcpy(&value, (const char *)point + dimension->offset, sizeof value);
  return value;
}

void dimension_set(const struct dimension *dimension, struct point *point, uint32_t value) {
  memcpy((char *)point + dimension->offset, &value, sizeof value);
}

static const struct declaration *find_declaration(const char *key) {
  for (size_t i = 0; i < sizeof declarations / sizeof *declarations; i++) {
    if (strcmp(declarations[i].key, key) == 0)
      return &declarations[i];
  }
  return NULL;
}

static bool add_value(struct dimension *dimension, uint32_t value) {
  if (dimension->count == MOST_VALUES)
    return false;
  dimension->values[dimension->count++] = value;
  return true;
}

static bool add_listed(struct dimension *dimension, const fi_axis *axis) {
  for (uint32_t i = 0; i < axis->value_count; i++) {
    if (!add_value(dimension, axis->values[i]))
      return false;
  }
  return axis->value_count > 0;
}

static bool is_value(const fi_axis *axis, unsigned long number) {
  for (uint32_t i = 0; i < axis->value_count; i++) {
    if (axis->values[i] == number)
      return true;
  }
  return axis->value_count == 0 && (number == axis->maximum ||
                                    (number >= axis->minimum && number <= axis->last_step && number % axis->step == 0));
}

/* The value of a word of a declaration: "default", a value's name or a number. */
static bool word_value(const fi_axis *axis, const char *word, uint32_t *value) {
  char *end;
  *value = 0;
  if (strcmp(word, "default") == 0)
    return true;
  for (uint32_t i = 0; axis->value_names && i < axis->value_count; i++) {
    *value = axis->values[i];
    if (strcmp(axis->value_names[i], word) == 0)
      return true;
  }
  const unsigned long number = strtoul(word, &end, 10);
  *value = (uint32_t)number;
  return *end == '\0' && is_value(axis, number);
}

static bool add_word(struct dimension *dimension, const fi_axis *axis, const char *word) {
  uint32_t value;
  if (strcmp(word, "*") == 0)
    return add_listed(dimension, axis);
  return word_value(axis, word, &value) && add_value(dimension, value);
}

/* A word of the full product names values that the dimension has. */
static bool add_product(struct dimension *dimension, const fi_axis *axis, const char *word) {
  const bool is_all = strcmp(word, "*") == 0;
  const uint32_t before = dimension->product_count;
  uint32_t value = 0;
  if (!is_all && !word_value(axis, word, &value))
    return false;
  for (uint32_t i = 0; i < dimension->count; i++) {
    if (is_all || dimension->values[i] == value)
      dimension->product[dimension->product_count++] = i;
  }
  return dimension->product_count > before;
}

static bool read_words(struct dimension *dimension, const fi_axis *axis, const char *words,
                       bool (*add)(struct dimension *, const fi_axis *, const char *)) {
  char text[256];
  char *rest = text;
  char *word;
  snprintf(text, sizeof text, "%s", words);
  while ((word = strtok_r(rest, " ", &rest))) {
    if (!add(dimension, axis, word))
      return false;
  }
  return true;
}

static bool choose_values(struct dimension *dimension, const fi_axis *axis, uint32_t op) {
  const struct declaration *declared = find_declaration(axis->key);
  if (declared && declared->index && op == FI_OP_INDEXER)
    return read_words(dimension, axis, declared->index, add_word);
  if (declared && declared->others && op != FI_OP_ATTENTION)
    return read_words(dimension, axis, declared->others, add_word);
  if (declared)
    return read_words(dimension, axis, declared->values, add_word) &&
           read_words(dimension, axis, declared->product ? declared->product : "", add_product);
  if (axis->value_count > 0)
    return add_listed(dimension, axis);
  return add_value(dimension, 0) && add_value(dimension, axis->minimum) && add_value(dimension, axis->maximum);
}

static bool refuse(const char *key) {
  return problem_set("the values declared for axis %s do not fit it", key);
}

/* The number of a dimension and of its value; false where there is none. */
static bool find_value(const struct dimensions *dimensions, const char *key, const char *word, uint32_t *number,
                       uint32_t *value_number) {
  fi_axis axis = {.struct_size = sizeof axis};
  uint32_t value;
  for (uint32_t i = 0; fi_axis_describe(i, &axis) == FI_OK; i++) {
    if (strcmp(axis.key, key) == 0)
      break;
  }
  for (*number = 0; *number < dimensions->count && strcmp(dimensions->of[*number].key, key) != 0;)
    ++*number;
  if (*number == dimensions->count || !word_value(&axis, word, &value))
    return false;
  const struct dimension *dimension = &dimensions->of[*number];
  for (*value_number = 0; *value_number < dimension->count && dimension->values[*value_number] != value;)
    ++*value_number;
  return *value_number < dimension->count;
}

static bool add_needs(struct dimensions *dimensions) {
  for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
    struct need *need = &dimensions->needs[dimensions->need_count++];
    if (!find_value(dimensions, needs[i].key, needs[i].value, &need->of, &need->value) ||
        !find_value(dimensions, needs[i].other, needs[i].needed, &need->other, &need->needed))
      return false;
  }
  return true;
}

static bool add_targets(struct dimensions *dimensions) {
  struct dimension *dimension = &dimensions->of[dimensions->count++];
  *dimension = (struct dimension){.key = "target", .offset = offsetof(struct point, target)};
  for (uint32_t i = 0; i < dimensions->targets->count; i++)
    add_value(dimension, i);
  return dimension->count > 0;
}

bool dimensions_load(uint32_t op, const struct target_list *targets, struct dimensions *dimensions) {
  fi_axis axis = {.struct_size = sizeof axis};
  *dimensions = (struct dimensions){.op = op, .targets = targets};
  for (uint32_t i = 0; fi_axis_describe(i, &axis) == FI_OK; i++) {
    if (!(axis.ops >> op & 1) || strcmp(axis.name, "op") == 0)
      continue;
    if (dimensions->count + 1 == MOST_DIMENSIONS) {
      return problem_set("there are more than %d axes", MOST_DIMENSIONS);
    }
    struct dimension *dimension = &dimensions->of[dimensions->count++];
    *dimension = (struct dimension){.key = axis.key, .offset = offsetof(struct point, spec) + axis.offset};
    if (!choose_values(dimension, &axis, op))
      return refuse(axis.key);
  }
  if (op == FI_OP_ATTENTION && !add_needs(dimensions))
    return refuse("family");
  return add_targets(dimensions) || refuse("target");
}
