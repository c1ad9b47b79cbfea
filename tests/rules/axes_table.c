/* Prints the rows of the README's table of axes, from what the library says of them. */
#include "flashjit.h"

#include <stdio.h>

static void print_values(const fi_axis *axis) {
  if (axis->step > 1)
    printf("multiples of %u from ", axis->step);
  if (axis->value_count == 0)
    printf("%u to %u", axis->minimum, axis->last_step);
  if (axis->value_count == 0 && axis->maximum > axis->last_step)
    printf(", and %u", axis->maximum);
  for (uint32_t i = 0; i < axis->value_count; i++) {
    const char *space = i == 0 ? "" : " ";
    if (axis->value_names)
      printf("%s%s", space, axis->value_names[i]);
    else
      printf("%s%u", space, axis->values[i]);
  }
}

static void print_ops(const fi_axis *axis, const fi_axis *op) {
  const char *space = "";
  for (uint32_t i = 0; i < op->value_count; i++) {
    if (axis->ops >> op->values[i] & 1) {
      printf("%s%s", space, op->value_names[i]);
      space = " ";
    }
  }
}

/* The op is axis 0. */
int main(void) {
  fi_axis op = {.struct_size = sizeof op};
  fi_axis axis = {.struct_size = sizeof axis};
  if (fi_axis_describe(0, &op) != FI_OK)
    return 1;
  for (uint32_t number = 0; fi_axis_describe(number, &axis) == FI_OK; number++) {
    printf("| `%s` | `%s` | ", axis.name, axis.key);
    print_values(&axis);
    printf(" | ");
    print_ops(&axis, &op);
    printf(" | %s |\n", axis.meaning);
  }
  return 0;
}
