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

/* The text of the first kernel that a spec stands for; "" when it has none. */
static void name_kernel(const char *given, char text[FI_SPEC_TEXT_SIZE]) {
  fi_spec spec;
  fi_spec kernel;
  text[0] = '\0';
  if (fi_spec_parse(given, &spec) == FI_OK && fi_spec_member(&spec, NULL, 0, &kernel) == FI_OK)
    fi_spec_print(&kernel, text, FI_SPEC_TEXT_SIZE);
}

/* By the spec in the first line, which the library has checked. */
bool source_file_is_of(const char *spec) {
  const char *path = source_file_path();
  FILE *file = path && *path ? fopen(path, "r") : NULL;
  char named[FI_SPEC_TEXT_SIZE] = "";
  char text[FI_SPEC_TEXT_SIZE];
  char wanted[FI_SPEC_TEXT_SIZE];
  if (!file)
    return false;
  const bool is_named = fscanf(file, "/* flashjit: %1000[^*\n]", named) == 1;
  fclose(file);
  name_kernel(named, text);
  name_kernel(spec, wanted);
  return is_named && text[0] && strcmp(text, wanted) == 0;
}

char *source_file_text(void) {
  size_t size;
  return (char *)whole_file_read(source_file_path(), &size);
}
