/* Prints the source of a spec, for work on the templates: render_spec "attention hd=128 group=4" sm_90a */
#include "flashjit.h"

#include <stdio.h>
#include <stdlib.h>

static int fail(void) {
  fprintf(stderr, "render_spec: %s\n", fi_last_error());
  return 1;
}

int main(int count, char **arguments) {
  if (count < 2 || count > 3) {
    fprintf(stderr, "usage: render_spec SPEC [TARGET]\n");
    return 2;
  }
  const char *target = count == 3 ? arguments[2] : "sm_90a";
  fi_spec spec;
  size_t size = 0;
  if (fi_spec_parse(arguments[1], &spec) != FI_OK || fi_kernel_source(&spec, target, NULL, &size) != FI_OK)
    return fail();
  char *source = malloc(size);
  if (!source || fi_kernel_source(&spec, target, source, &size) != FI_OK)
    return fail();
  fputs(source, stdout);
  free(source);
  return 0;
}
