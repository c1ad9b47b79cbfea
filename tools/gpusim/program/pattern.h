/* Matching of opcodes against the patterns of forms. */
#ifndef GPUSIM_PROGRAM_PATTERN_H
#define GPUSIM_PROGRAM_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIM_MAX_CAPTURES = 12 };

typedef struct {
  const char *text;
  size_t length;
} sim_capture;

typedef struct {
  sim_capture items[SIM_MAX_CAPTURES];
  uint32_t count;
} sim_captures;

/* Finds how pattern and opcode match. */
bool sim_pattern_match(const char *pattern, const char *opcode, sim_captures *captures);
bool sim_capture_is(const sim_captures *captures, uint32_t index, const char *text);

#endif
