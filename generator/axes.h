/* The table of axes.def as data: what one axis is called, what it allows, and its value in a spec. */
#ifndef GENERATOR_AXES_H
#define GENERATOR_AXES_H

#include "flashjit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct axis {
  const char *field;
  const char *key;
  const char *meaning;
  uint32_t offset;        /* of the field in fi_spec */
  uint32_t ops;           /* bit 1 << op is set when the op reads the axis */
  uint32_t constant;      /* the default, when it does not depend on other fields; else 0 */
  uint32_t range_minimum; /* of an axis with a range: multiples of the step from here */
  uint32_t range_last;    /* to here, */
  uint32_t range_step;
  uint32_t range_maximum; /* and this one; 0 for an axis with a list */
  uint32_t value_begin;   /* its listed values or samples in the table of all axes' values */
  bool (*matters)(const fi_spec *spec);
  uint32_t (*fallback)(const fi_spec *spec);
};

/* Steps through the axes in the table's order, the op first; NULL after the last. */
const struct axis *axis_at(uint32_t number);

const struct axis *axis_find_field(const char *field, size_t size);
const struct axis *axis_find_key(const char *key, size_t size);

uint32_t axis_get(const struct axis *axis, const fi_spec *spec);
void axis_set(const struct axis *axis, fi_spec *spec, uint32_t value);

/* Whether the spec's kernel depends on the axis. Here and below, the axes before it are canonical already. */
bool axis_matters(const struct axis *axis, const fi_spec *spec);

/* What the axis is when the spec says 0 or the axis does not matter. */
uint32_t axis_default(const struct axis *axis, const fi_spec *spec);

bool axis_is_range(const struct axis *axis);
bool axis_allows(const struct axis *axis, uint32_t value);

/* Listed values, or the samples of a range. */
uint32_t axis_value_count(const struct axis *axis);
uint32_t axis_value(const struct axis *axis, uint32_t number);

/* The name of a value, NULL when it has none; and the value of a name. */
const char *axis_value_name(const struct axis *axis, uint32_t value);
bool axis_value_named(const struct axis *axis, const char *name, size_t size, uint32_t *value);

/* Writes a value as texts spell it, "e4m3" or "128". */
void axis_print_value(const struct axis *axis, uint32_t value, char *text, size_t size);

/* Writes what is allowed: "1 to 64", or "f16, bf16". */
void axis_print_allowed(const struct axis *axis, char *text, size_t size);

#endif
