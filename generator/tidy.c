/* Blank lines and trailing spaces. */
#include "tidy.h"

#include <stdbool.h>
#include <string.h>

static size_t trimmed(const char *line, size_t size) {
  while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t' || line[size - 1] == '\r'))
    size--;
  return size;
}

static bool closes_block(const char *line, size_t size) {
  const size_t indent = strspn(line, " \t");
  return indent < size && line[indent] == '}';
}

uint32_t tidy_lines(const char *text, size_t size, struct text *out) {
  uint32_t lines = 0;
  bool blank = false;
  char last = '{'; /* of the line before; the text's begin is like a block's */
  for (size_t at = 0; at < size;) {
    const char *line = text + at;
    const char *newline = memchr(line, '\n', size - at);
    const size_t whole = newline ? (size_t)(newline - line) : size - at;
    const size_t used = trimmed(line, whole);
    at += whole + 1;
    blank |= used == 0;
    if (used == 0)
      continue;
    const bool keeps_blank = blank && last != '{' && !closes_block(line, used);
    if (keeps_blank)
      text_add(out, "\n", 1);
    text_add(out, line, used);
    text_add(out, "\n", 1);
    lines += 1 + keeps_blank;
    blank = false;
    last = line[used - 1];
  }
  return lines;
}
