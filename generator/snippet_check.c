/* What a text must be to become part of a kernel, whose key is its source: it may not depend on files. */
#include "snippet.h"

#include "error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

/* A copy without backslashes at the end of a line, as the compiler first makes it; NULL without memory. */
static char *join_lines(const char *text) {
  char *joined = malloc(strlen(text) + 1);
  size_t used = 0;
  for (const char *at = text; joined && *at; at++) {
    const size_t newline = at[1] == '\r' ? 2 : 1;
    if (*at == '\\' && at[newline] == '\n')
      at += newline;
    else
      joined[used++] = *at;
  }
  if (joined)
    joined[used] = '\0';
  return joined;
}

/* After the comment that begins here; the same place when none does. */
static const char *skip_comment(const char *at) {
  if (at[0] != '/' || (at[1] != '*' && at[1] != '/'))
    return at;
  if (at[1] == '/')
    return at + strcspn(at, "\n");
  const char *end = strstr(at + 2, "*/");
  return end ? end + 2 : at + strlen(at);
}

static const char *skip_blanks(const char *at) {
  for (;;) {
    const char *after = skip_comment(at);
    if (after == at && is_blank(*at))
      after++;
    if (after == at)
      return at;
    at = after;
  }
}

/* What follows the sign of a directive that may begin here; NULL when none does. */
static const char *directive_at(const char *at) {
  if (*at == '#')
    return skip_blanks(at + 1);
  return at[0] == '%' && at[1] == ':' ? skip_blanks(at + 2) : NULL;
}

/*
 * What a text may not say, since the kernel would depend on what is in a file: NULL when it does not. Not in comments
 * and strings either: whoever tells them apart otherwise than the compiler lets something through.
 */
static const char *find_file(const char *joined) {
  static const char *const directives[] = {"include", "import", "embed"};
  static const char *const questions[] = {"__has_include", "__has_embed"};
  for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
    if (strstr(joined, questions[i]))
      return questions[i];
  }
  for (const char *at = joined; *at; at++) {
    const char *name = directive_at(at);
    for (size_t i = 0; name && i < sizeof directives / sizeof *directives; i++) {
      if (strncmp(name, directives[i], strlen(directives[i])) == 0)
        return directives[i];
    }
  }
  return NULL;
}

fi_status snippet_find_file(const char *text, const char **found) {
  char *joined = join_lines(text);
  *found = joined ? find_file(joined) : NULL;
  const bool has_memory = joined;
  free(joined);
  return has_memory ? FI_OK : error_set(FI_ERROR_MEMORY, "the host is out of memory");
}

fi_status snippet_check(const char *text) {
  if (!text)
    return error_set(FI_ERROR_ARGUMENT, "text is NULL");
  const size_t size = strlen(text);
  if (size == 0 || size > FI_SNIPPET_SIZE)
    return error_set(FI_ERROR_ARGUMENT, "text has %zu bytes; allowed: 1 to %d", size, FI_SNIPPET_SIZE);
  const char *found;
  const fi_status status = snippet_find_file(text, &found);
  if (status || !found)
    return status;
  return error_set(FI_ERROR_ARGUMENT, "text has %s%s; a snippet holds all that it needs, and reads no files",
                   found[0] == '_' ? "" : "#", found);
}
