/*
 * The text form of a spec: the op, then "key=value" for each axis that differs from its default, in the
 * table's order, with single spaces. Values are names where the axis has names, else decimal numbers. A snippet's has
 * the hash of its text too: "snippet=logit:0123456789abcdef".
 */
#include "spec.h"

#include "axes.h"
#include "error.h"
#include "tile.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
  VALUE_SIZE = 32,
  FIELD_SIZE = 40,
  SHOWN = 40,    /* most bytes of a word of the user that a message repeats */
  HASH_SIZE = 16 /* digits */
};

static const char hex_digits[] = "0123456789abcdef";

/* A word of the text: bytes without spaces. */
struct word {
  const char *text;
  size_t size;
};

/* The axis whose value is followed by a hash. */
static bool is_snippet(const struct axis *axis) {
  return axis->offset == offsetof(fi_spec, snippet);
}

void spec_print(const fi_spec *canonical, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "%s", axis_value_name(axis_at(0), canonical->op));
  const struct axis *axis;
  for (uint32_t i = 1; (axis = axis_at(i)) && used < size; i++) {
    const uint32_t value = axis_get(axis, canonical);
    if (value == axis_default(axis, canonical))
      continue;
    char shown[VALUE_SIZE];
    axis_print_value(axis, value, shown, sizeof shown);
    used += (size_t)snprintf(text + used, size - used, " %s=%s", axis->key, shown);
    if (is_snippet(axis) && used < size)
      used += (size_t)snprintf(text + used, size - used, ":%016" PRIx64, canonical->snippet_hash);
  }
}

void spec_print_kernel(const fi_spec *canonical, char *text, size_t size) {
  fi_spec named = *canonical;
  if (named.op == FI_OP_ATTENTION)
    named.rows = tile_rows_asked(&named);
  spec_print(&named, text, size);
}

fi_status fi_spec_print(const fi_spec *spec, char *text, size_t size) {
  if (!text)
    return error_set(FI_ERROR_ARGUMENT, "text is NULL");
  fi_spec canonical;
  const fi_status status = spec_canonical(spec, &canonical);
  if (status)
    return status;
  char whole[FI_SPEC_TEXT_SIZE];
  spec_print(&canonical, whole, sizeof whole);
  if (strlen(whole) >= size)
    return error_set(FI_ERROR_ARGUMENT, "size is less than the text needs; FI_SPEC_TEXT_SIZE is always enough");
  memcpy(text, whole, strlen(whole) + 1);
  return FI_OK;
}

static struct word next_word(const char **text) {
  *text += strspn(*text, " ");
  struct word word = {*text, strcspn(*text, " ")};
  *text += word.size;
  return word;
}

static int shown(size_t size) {
  return size < SHOWN ? (int)size : SHOWN;
}

static fi_status refuse_key(const struct word *key) {
  char keys[ERROR_LIST_SIZE] = "";
  size_t used = 0;
  const struct axis *axis;
  for (uint32_t i = 1; (axis = axis_at(i)) && used < sizeof keys; i++)
    used += (size_t)snprintf(keys + used, sizeof keys - used, "%s%s", i > 1 ? ", " : "", axis->key);
  return error_set(FI_ERROR_SPEC, "there is no axis \"%.*s\"; allowed: %s", shown(key->size), key->text, keys);
}

static fi_status refuse_value(const struct axis *axis, const struct word *value) {
  char allowed[ERROR_LIST_SIZE];
  char field[FIELD_SIZE] = ""; /* if it is not called as the key is */
  axis_print_allowed(axis, allowed, sizeof allowed);
  if (strcmp(axis->key, axis->field) != 0)
    snprintf(field, sizeof field, " (%s)", axis->field);
  return error_set(FI_ERROR_SPEC, "%s%s is \"%.*s\"; allowed: %s", axis->key, field, shown(value->size), value->text,
                   allowed);
}

static bool parse_number(const struct word *word, uint32_t *number) {
  uint64_t sum = 0;
  for (size_t i = 0; i < word->size; i++) {
    const char digit = word->text[i];
    if (digit < '0' || digit > '9')
      return false;
    sum = 10 * sum + (uint64_t)(digit - '0');
    if (sum > UINT32_MAX)
      return false;
  }
  *number = (uint32_t)sum;
  return word->size > 0;
}

/* An axis has either names for all of its values or for none. */
static bool parse_value(const struct axis *axis, const struct word *word, uint32_t *value) {
  if (axis_value_count(axis) > 0 && axis_value_name(axis, axis_value(axis, 0)))
    return axis_value_named(axis, word->text, word->size, value);
  return parse_number(word, value) && axis_allows(axis, *value);
}

static bool parse_hash(const struct word *word, uint64_t *hash) {
  *hash = 0;
  for (size_t i = 0; i < word->size; i++) {
    const char *digit = memchr(hex_digits, word->text[i], HASH_SIZE);
    if (!digit)
      return false;
    *hash = *hash << 4 | (uint64_t)(digit - hex_digits);
  }
  return word->size == HASH_SIZE;
}

/* Cuts the hash off the word of a snippet; one without it has none yet. */
static fi_status parse_snippet(struct word *value, fi_spec *spec) {
  const char *colon = memchr(value->text, ':', value->size);
  if (!colon)
    return FI_OK;
  const struct word hash = {colon + 1, value->size - (size_t)(colon + 1 - value->text)};
  value->size = (size_t)(colon - value->text);
  if (parse_hash(&hash, &spec->snippet_hash))
    return FI_OK;
  return error_set(FI_ERROR_SPEC, "the hash of the snippet is \"%.*s\"; allowed: %d digits of 0 to 9 and a to f",
                   shown(hash.size), hash.text, HASH_SIZE);
}

/* Reads one "key=value"; *seen has a bit for each axis that was given before. */
static fi_status parse_axis(const struct word *word, fi_spec *spec, uint64_t *seen) {
  const char *equals = memchr(word->text, '=', word->size);
  if (!equals)
    return error_set(FI_ERROR_SPEC, "\"%.*s\" has no \"=\": an axis is written key=value", shown(word->size),
                     word->text);
  const struct word key = {word->text, (size_t)(equals - word->text)};
  struct word value = {equals + 1, word->size - key.size - 1};
  const struct axis *axis = axis_find_key(key.text, key.size);
  if (!axis || axis == axis_at(0))
    return refuse_key(&key);
  const uint64_t bit = UINT64_C(1) << (axis - axis_at(0));
  if (*seen & bit)
    return error_set(FI_ERROR_SPEC, "%s is given twice", axis->key);
  *seen |= bit;
  uint32_t number;
  const fi_status status = is_snippet(axis) ? parse_snippet(&value, spec) : FI_OK;
  if (status)
    return status;
  if (!parse_value(axis, &value, &number))
    return refuse_value(axis, &value);
  axis_set(axis, spec, number);
  return FI_OK;
}

fi_status fi_spec_parse(const char *text, fi_spec *spec) {
  if (!text || !spec)
    return error_set(FI_ERROR_ARGUMENT, "%s is NULL", text ? "spec" : "text");
  fi_spec parsed;
  fi_spec_init(&parsed);
  struct word word = next_word(&text);
  fi_status status = FI_OK;
  if (!axis_value_named(axis_at(0), word.text, word.size, &parsed.op))
    status = refuse_value(axis_at(0), &word);
  uint64_t seen = 0;
  while (status == FI_OK && (word = next_word(&text)).size > 0)
    status = parse_axis(&word, &parsed, &seen);
  if (status)
    return status;
  *spec = parsed;
  return FI_OK;
}
