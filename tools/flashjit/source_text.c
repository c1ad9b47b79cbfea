/* Sources, as the library renders them. */
#include "tools/flashjit/source_text.h"

#include "tools/flashjit/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *source_text(const fi_spec *spec, const char *target) {
  size_t size = 0;
  char *source = NULL;
  fi_status status = fi_kernel_source(spec, target, NULL, &size);
  if (status == FI_OK)
    source = malloc(size);
  if (source)
    status = fi_kernel_source(spec, target, source, &size);
  if (source && status == FI_OK)
    return source;
  complain("%s", status == FI_OK ? "out of memory" : fi_last_error());
  free(source);
  return NULL;
}

bool source_next_number(const char **at, char *name, size_t size, int *value) {
  static const char mark[] = "\nconstexpr int k";
  for (const char *line = strstr(*at, mark); line; line = strstr(line + 1, mark)) {
    const char *found = line + sizeof mark - 1;
    const size_t length = strcspn(found, " ");
    int end = 0;
    if (sscanf(found + length, " = %d;%n", value, &end) != 1 || !end)
      continue;
    snprintf(name, size, "%.*s", (int)length, found);
    *at = found;
    return true;
  }
  return false;
}

int source_number(const char *source, const char *name) {
  char found[64];
  int value;
  while (source_next_number(&source, found, sizeof found, &value)) {
    if (strcmp(found, name) == 0)
      return value;
  }
  return 0;
}
