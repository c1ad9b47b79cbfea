/* Matching of opcodes against the patterns of forms. */
#ifndef GPUSIM_PROGRAM_PATTERN_H
#define GPUSIM_PROGRAM_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIM_MAX_CAPTURES = 12 };

struct sim_capture {
  const char *text;
  size_t length;
};

struct sim_captures {
  struct sim_capture items[SIM_MAX_CAPTURES];
  uint32_t count;
};

/* Finds how pattern and opcode match. */
bool sim_pattern_match(const char *pattern, const char *opcode, struct sim_captures *captures);
bool sim_capture_is(const struct sim_captures *captures, uint32_t index, const char *text);

#endif
