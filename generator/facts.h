/*
 * What a template may know of its kernel, by name: the axes of the spec and what is derived from them, the fields and
 * numbers of the tile, and some facts of the target. All but the last are also constants of the source: v_dim is
 * kVDim.
 */
#ifndef GENERATOR_FACTS_H
#define GENERATOR_FACTS_H

#include "axes.h"
#include "target.h"
#include "text.h"
#include "tile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct facts {
  const fi_spec *spec;
  const struct target *target;
  const struct tile *tile;
};

struct fact {
  int64_t value;
  const struct axis *axis; /* NULL when it is not an axis */
};

bool facts_find(const struct facts *facts, const char *name, size_t size, struct fact *fact);

/* Adds one line for each constant: "constexpr int kVDim = 128;", with its meaning as a comment. */
void facts_print_constants(const struct facts *facts, struct text *text);

#endif
