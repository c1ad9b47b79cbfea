/* The variable of the library does the work. */
#include "tools/flashjit/source_file.h"

#include "tools/flashjit/whole_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char variable[] = "FLASHJIT_SOURCE";

void source_file_use(const char *path) {
  setenv(variable, path, 1);
}

const char *source_file_path(void) {
  return getenv(variable);
}

/* By the canonical text of the spec in the first line, which the library has checked. */
bool source_file_is_of(const char *spec) {
  const char *path = source_file_path();
  FILE *file = path && *path ? fopen(path, "r") : NULL;
  char named[FI_SPEC_TEXT_SIZE] = "";
  char text[FI_SPEC_TEXT_SIZE] = "";
  fi_spec parsed;
  if (!file)
    return false;
  const bool is_named = fscanf(file, "/* flashjit: %1000[^*\n]", named) == 1;
  fclose(file);
  return is_named && fi_spec_parse(named, &parsed) == FI_OK && fi_spec_print(&parsed, text, sizeof text) == FI_OK &&
         strcmp(text, spec) == 0;
}

char *source_file_text(void) {
  size_t size;
  return (char *)whole_file_read(source_file_path(), &size);
}
