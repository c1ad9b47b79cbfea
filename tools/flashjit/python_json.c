/* Names of numbers that JSON does not know are put in quotes before the text is parsed. */
#include "tools/flashjit/python_json.h"

#include "tools/flashjit/input.h"
#include "tools/flashjit/problem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char byte_order_mark[] = "\xef\xbb\xbf";

static const char *const number_names[] = {"NaN", "Infinity", "-Infinity"};

enum { NUMBER_NAMES = sizeof number_names / sizeof *number_names };

static size_t name_length(const char *text, size_t length) {
  for (int i = 0; i < NUMBER_NAMES; i++) {
    const size_t name = strlen(number_names[i]);
    if (name <= length && memcmp(text, number_names[i], name) == 0)
      return name;
  }
  return 0;
}

/* The bytes of a string from its opening quote on, the closing one included. */
static size_t string_length(const char *text, size_t length) {
  for (size_t i = 1; i < length; i++) {
    if (text[i] == '\\')
      i++;
    else if (text[i] == '"')
      return i + 1;
  }
  return length;
}

static size_t copy(char *to, const char *from, size_t bytes) {
  memcpy(to, from, bytes);
  return bytes;
}

/* Writes at most 2 * length bytes; returns how many: the shortest name has three letters and gets two quotes. */
static size_t quote_names(const char *text, size_t length, char *quoted) {
  size_t used = 0;
  for (size_t i = 0; i < length;) {
    const size_t name = name_length(text + i, length - i);
    const size_t bytes = name > 0 ? name : text[i] == '"' ? string_length(text + i, length - i) : 1;
    if (name > 0)
      quoted[used++] = '"';
    used += copy(quoted + used, text + i, bytes);
    if (name > 0)
      quoted[used++] = '"';
    i += bytes;
  }
  return used;
}

json_t *python_json_parse(const char *text, size_t length, json_error_t *error) {
  const size_t mark = strlen(byte_order_mark);
  if (length >= mark && memcmp(text, byte_order_mark, mark) == 0) {
    text += mark;
    length -= mark;
  }
  *error = (json_error_t){0};
  char *quoted = malloc(2 * length + 1);
  if (!quoted)
    return NULL;
  const size_t used = quote_names(text, length, quoted);
  json_t *value = json_loadb(quoted, used, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL | JSON_DECODE_ANY, error);
  free(quoted);
  return value;
}

/* Configs have kilobytes. What has more than this is something else, such as weights. */
enum { MOST_BYTES = 64 << 20 };

/* All of an open file; NULL with errno. */
static char *read_all(FILE *file, size_t *length) {
  char *text = NULL;
  size_t room = 0;
  *length = 0;
  while (!ferror(file) && !feof(file) && *length <= MOST_BYTES) {
    if (room - *length < 4096) {
      room = 2 * room + 8192;
      char *longer = realloc(text, room);
      if (!longer)
        break;
      text = longer;
    }
    *length += fread(text + *length, 1, room - *length, file);
  }
  if (feof(file) && !ferror(file) && *length <= MOST_BYTES)
    return text;
  free(text);
  errno = *length > MOST_BYTES ? EFBIG : errno;
  return NULL;
}

static char *read_file(const char *path, size_t *length) {
  FILE *file = input_open(path);
  char *text = file ? read_all(file, length) : NULL;
  if (file && !text)
    problem_set("%s: %s", path, strerror(errno));
  if (file)
    fclose(file);
  return text;
}

json_t *python_json_read(const char *path) {
  json_error_t error;
  size_t length;
  char *text = read_file(path, &length);
  if (!text)
    return NULL;
  json_t *value = python_json_parse(text, length, &error);
  if (!value)
    problem_set("%s:%d:%d: %s", path, error.line, error.column, error.text[0] ? error.text : "out of memory");
  free(text);
  return value;
}
