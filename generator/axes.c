/* Turns axes.def into a table, and looks things up in it. */
#include "axes.h"

#include "abi.h"
#include "error.h"

#include <stdio.h>
#include <string.h>

/* Where an axis's values begin in the tables below: an AXIS row names the next number and gives it back. */
enum {
#define AXIS(field, key, ops, matters, default, allowed, meaning) BEGIN_##field, BEHIND_##field = BEGIN_##field - 1,
#define VALUE(field, name, number) AT_##field##_##name,
#define NUMBER(field, number) AT_##field##_##number,
#include "axes.def"
  VALUE_COUNT
};

static const uint32_t values[] = {
#define VALUE(field, name, number) number,
#define NUMBER(field, number) number,
#include "axes.def"
};

static const char *const value_names[] = {
#define VALUE(field, name, number) #name,
#define NUMBER(field, number) NULL,
#include "axes.def"
};

#define DEFAULT(value) value
#define DERIVED(value) value
#define AXIS(field, key, ops, matters, default, allowed, meaning)                                                      \
  static bool matters_##field(const fi_spec *spec) {                                                                   \
    (void)spec;                                                                                                        \
    return matters;                                                                                                    \
  }                                                                                                                    \
  static uint32_t default_##field(const fi_spec *spec) {                                                               \
    (void)spec;                                                                                                        \
    return default;                                                                                                    \
  }
#include "axes.def"
#undef DERIVED

static const struct axis axes[] = {
#define DERIVED(value) 0
#define LISTED 0, 0, 0, 0
#define RANGE(minimum, maximum) minimum, maximum, 1, maximum
#define STEPS(minimum, last, step, maximum) minimum, last, step, maximum
#define AXIS(field, key, ops, matters, default, allowed, meaning)                                                      \
  {#field,  key,     meaning,       offsetof(fi_spec, field), ops,                                                     \
   default, allowed, BEGIN_##field, matters_##field,          default_##field},
#include "axes.def"
#undef DEFAULT
#undef DERIVED
#undef LISTED
#undef RANGE
#undef STEPS
};

enum { AXIS_COUNT = sizeof axes / sizeof *axes };

_Static_assert(offsetof(fi_spec, reserved) == sizeof(uint32_t) * (AXIS_COUNT + 1) + sizeof(uint64_t),
               "axes.def has a row for each field of fi_spec but the hash, which needs no padding");

const struct axis *axis_at(uint32_t number) {
  return number < AXIS_COUNT ? &axes[number] : NULL;
}

static bool same(const char *name, const char *text, size_t size) {
  return name && strlen(name) == size && memcmp(name, text, size) == 0;
}

const struct axis *axis_find_field(const char *field, size_t size) {
  for (uint32_t i = 0; i < AXIS_COUNT; i++) {
    if (same(axes[i].field, field, size))
      return &axes[i];
  }
  return NULL;
}

const struct axis *axis_find_key(const char *key, size_t size) {
  for (uint32_t i = 0; i < AXIS_COUNT; i++) {
    if (same(axes[i].key, key, size))
      return &axes[i];
  }
  return NULL;
}

uint32_t axis_get(const struct axis *axis, const fi_spec *spec) {
  uint32_t value;
  memcpy(&value, (const char *)spec + axis->offset, sizeof value);
  return value;
}

void axis_set(const struct axis *axis, fi_spec *spec, uint32_t value) {
  memcpy((char *)spec + axis->offset, &value, sizeof value);
}

bool axis_matters(const struct axis *axis, const fi_spec *spec) {
  return (axis->ops >> spec->op & 1) && axis->matters(spec);
}

uint32_t axis_default(const struct axis *axis, const fi_spec *spec) {
  return axis->fallback(spec);
}

bool axis_is_range(const struct axis *axis) {
  return axis->range_maximum > 0;
}

uint32_t axis_value_count(const struct axis *axis) {
  const struct axis *next = axis + 1;
  return (next < axes + AXIS_COUNT ? next->value_begin : VALUE_COUNT) - axis->value_begin;
}

uint32_t axis_value(const struct axis *axis, uint32_t number) {
  return values[axis->value_begin + number];
}

bool axis_allows(const struct axis *axis, uint32_t value) {
  if (axis_is_range(axis))
    return value == axis->range_maximum ||
           (value >= axis->range_minimum && value <= axis->range_last && value % axis->range_step == 0);
  for (uint32_t i = 0; i < axis_value_count(axis); i++) {
    if (axis_value(axis, i) == value)
      return true;
  }
  return false;
}

const char *axis_value_name(const struct axis *axis, uint32_t value) {
  for (uint32_t i = 0; i < axis_value_count(axis); i++) {
    if (axis_value(axis, i) == value)
      return value_names[axis->value_begin + i];
  }
  return NULL;
}

bool axis_value_named(const struct axis *axis, const char *name, size_t size, uint32_t *value) {
  for (uint32_t i = 0; i < axis_value_count(axis); i++) {
    if (same(value_names[axis->value_begin + i], name, size)) {
      *value = axis_value(axis, i);
      return true;
    }
  }
  return false;
}

void axis_print_value(const struct axis *axis, uint32_t value, char *text, size_t size) {
  const char *name = axis_value_name(axis, value);
  if (name)
    snprintf(text, size, "%s", name);
  else
    snprintf(text, size, "%u", value);
}

static void print_range(const struct axis *axis, char *text, size_t size) {
  size_t used = 0;
  if (axis->range_step > 1)
    used = (size_t)snprintf(text, size, "multiples of %u from ", axis->range_step);
  used += (size_t)snprintf(text + used, size - used, "%u to %u", axis->range_minimum, axis->range_last);
  if (axis->range_maximum > axis->range_last)
    snprintf(text + used, size - used, ", and %u", axis->range_maximum);
}

void axis_print_allowed(const struct axis *axis, char *text, size_t size) {
  if (axis_is_range(axis)) {
    print_range(axis, text, size);
    return;
  }
  size_t used = 0;
  for (uint32_t i = 0; i < axis_value_count(axis) && used < size; i++) {
    char value[32];
    axis_print_value(axis, axis_value(axis, i), value, sizeof value);
    used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", value);
  }
}

static void set_bounds(const struct axis *axis, fi_axis *described) {
  described->minimum = axis_is_range(axis) ? axis->range_minimum : axis_value(axis, 0);
  described->maximum = axis_is_range(axis) ? axis->range_maximum : axis_value(axis, 0);
  for (uint32_t i = 0; i < described->value_count; i++) {
    const uint32_t value = axis_value(axis, i);
    described->minimum = value < described->minimum ? value : described->minimum;
    described->maximum = value > described->maximum ? value : described->maximum;
  }
}

fi_status fi_axis_describe(uint32_t number, fi_axis *axis) {
  const fi_status status = abi_check(ABI_axis, axis);
  if (status)
    return status;
  const struct axis *row = axis_at(number);
  if (!row)
    return error_set(FI_ERROR_ARGUMENT, "there is no axis of this number");
  const bool listed = !axis_is_range(row);
  *axis = (fi_axis){
      .struct_size = sizeof *axis,
      .offset = row->offset,
      .name = row->field,
      .key = row->key,
      .meaning = row->meaning,
      .default_value = row->constant,
      .value_count = listed ? axis_value_count(row) : 0,
      .ops = row->ops,
      .values = listed ? values + row->value_begin : NULL,
      .value_names = listed && value_names[row->value_begin] ? value_names + row->value_begin : NULL,
      .step = row->range_step,
      .last_step = row->range_last,
  };
  set_bounds(row, axis);
  return FI_OK;
}
