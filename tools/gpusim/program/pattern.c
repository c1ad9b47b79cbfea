/* Matching of opcodes against the patterns of the form tables. */
#include "program/pattern.h"

#include <string.h>

static const char *group_end(const char *pattern) {
  char close = *pattern == '[' ? ']' : ')';
  return strchr(pattern, close);
}

static bool at_boundary(const char *opcode) {
  return *opcode == '\0' || *opcode == '.';
}

static bool match_group(const char *pattern, const char *opcode, struct sim_captures *captures) {
  const char *end = group_end(pattern);
  uint32_t index = captures->count++;
  for (const char *choice = pattern + 1; choice <= end;) {
    size_t length = strcspn(choice, "|)]");
    captures->items[index] = (struct sim_capture){opcode, length};
    if (strncmp(opcode, choice, length) == 0 && at_boundary(opcode + length) &&
        sim_pattern_match(end + 1, opcode + length, captures))
      return true;
    captures->count = index + 1;
    choice += length + 1;
  }
  captures->items[index] = (struct sim_capture){opcode, 0};
  if (*pattern == '[' && sim_pattern_match(end + 1, opcode, captures))
    return true;
  captures->count = index;
  return false;
}

bool sim_pattern_match(const char *pattern, const char *opcode, struct sim_captures *captures) {
  while (*pattern) {
    if (*pattern == '[' || *pattern == '(')
      return match_group(pattern, opcode, captures);
    if (*pattern++ != *opcode++)
      return false;
  }
  return *opcode == '\0';
}

bool sim_capture_is(const struct sim_captures *captures, uint32_t index, const char *text) {
  const struct sim_capture *capture = &captures->items[index];
  return strlen(text) == capture->length && memcmp(capture->text, text, capture->length) == 0;
}
