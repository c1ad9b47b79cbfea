/* Prints the rows of the README's table of axes, from what the library says of them. */
#include "flashjit.h"

#include <stdio.h>

static void print_values(const fi_axis *axis) {
  if (axis->value_count == 0)
    printf("%u to %u", axis->minimum, axis->maximum);
  for (uint32_t i = 0; i < axis->value_count; i++) {
    const char *space = i == 0 ? "" : " ";
    if (axis->value_names)
      printf("%s%s", space, axis->value_names[i]);
    else
      printf("%s%u", space, axis->values[i]);
  }
}

static void print_ops(uint32_t ops) {
  static const char *const names[] = {"attention", "append", "merge", "plan"};
  const char *space = "";
  for (uint32_t op = 0; op < sizeof names / sizeof *names; op++) {
    if (ops >> op & 1) {
      printf("%s%s", space, names[op]);
      space = " ";
    }
  }
}

int main(void) {
  fi_axis axis = {.struct_size = sizeof axis};
  for (uint32_t number = 0; fi_axis_describe(number, &axis) == FI_OK; number++) {
    printf("| `%s` | `%s` | ", axis.name, axis.key);
    print_values(&axis);
    printf(" | ");
    print_ops(axis.ops);
    printf(" | %s |\n", axis.meaning);
  }
  return 0;
}
