/* Reading a snippet. */
#include "tools/flashjit/snippet.h"

#include "tools/flashjit/cli.h"
#include "tools/flashjit/input.h"
#include "tools/flashjit/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kind that the text begins with, and what follows it. */
static const char *cut_kind(const char *text, uint32_t *kind) {
  static const struct {
    const char *prefix;
    uint32_t kind;
  } kinds[] = {{"logit:", FI_SNIPPET_LOGIT}, {"weight:", FI_SNIPPET_WEIGHT}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const size_t size = strlen(kinds[i].prefix);
    *kind = kinds[i].kind;
    if (strncmp(text, kinds[i].prefix, size) == 0)
      return text + size;
  }
  *kind = FI_SNIPPET_LOGIT;
  return text;
}

/* The content of a file, up to one byte more than a snippet may have; NULL after a complaint. */
static char *read_text(const char *path) {
  enum { ROOM = FI_SNIPPET_SIZE + 2 };
  FILE *file = input_open(path);
  char *text = file ? malloc(ROOM) : NULL;
  if (!text) {
    complain("%s", file ? "out of memory" : problem_last());
    if (file)
      fclose(file);
    return NULL;
  }
  const size_t size = fread(text, 1, ROOM - 1, file);
  const bool failed = ferror(file);
  text[size] = '\0';
  fclose(file);
  if (!failed && strlen(text) == size)
    return text;
  complain("%s: %s", path, failed ? "it cannot be read" : "it has a byte 0");
  free(text);
  return NULL;
}

bool snippet_option(const char *command, const char *text, struct snippet_option *option) {
  const char *path = cut_kind(text, &option->kind);
  char *content = read_text(path);
  if (!content)
    return false;
  const fi_status status = fi_register_snippet(content, &option->hash);
  free(content);
  if (status)
    usage_error(command, "--snippet %s: %s", path, fi_last_error());
  return status == FI_OK;
}

void snippet_fill(const struct snippet_option *option, fi_spec *spec) {
  if (spec->snippet != FI_SNIPPET_NONE && spec->snippet_hash == 0)
    spec->snippet_hash = option->hash;
}

void snippet_set(const struct snippet_option *option, fi_spec *spec) {
  if (spec->op != FI_OP_ATTENTION || option->hash == 0)
    return;
  spec->snippet = option->kind;
  spec->snippet_hash = option->hash;
}
