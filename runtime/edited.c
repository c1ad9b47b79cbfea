/* Reading the file, and comparing its numbers with those of a tile. */
#include "runtime/edited.h"

#include "generator/error.h"
#include "generator/snippet.h"
#include "generator/spec.h"
#include "generator/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_BYTES = 1 << 20 };

/* -------------------------------------------------------------------------------- read */

/* Reads all of it, with a closing zero; NULL with errno. */
static char *read_text(const struct cache_io *io, int file, size_t *size) {
  char *text = malloc(MOST_BYTES + 1);
  ssize_t got = 1;
  *size = 0;
  while (text && got > 0 && *size < MOST_BYTES) {
    got = io->read(io->context, file, text + *size, MOST_BYTES - *size);
    *size += got > 0 ? (size_t)got : 0;
  }
  if (text && got >= 0) {
    text[*size] = '\0';
    return text;
  }
  free(text);
  return NULL;
}

/* A pipe would be waited for, and every context reads the text anew. */
static fi_status read_file(const struct cache_io *io, const char *path, char **text) {
  size_t size = 0;
  struct stat status;
  const int file = io->open_at(io->context, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
  const bool is_known = file >= 0 && io->status(io->context, file, &status) == 0;
  const bool is_regular = is_known && S_ISREG(status.st_mode);
  *text = is_regular ? read_text(io, file, &size) : NULL;
  const int reason = errno;
  if (file >= 0)
    io->close(io->context, file);
  if (is_known && !is_regular)
    return error_set(FI_ERROR_ARGUMENT, "FLASHJIT_SOURCE: %s is no regular file", path);
  if (!*text)
    return error_set(FI_ERROR_ARGUMENT, "FLASHJIT_SOURCE: cannot read %s: %s", path, strerror(reason));
  if (size < MOST_BYTES && strlen(*text) == size)
    return FI_OK;
  free(*text);
  *text = NULL;
  return error_set(FI_ERROR_ARGUMENT, "FLASHJIT_SOURCE: %s %s", path,
                   size < MOST_BYTES ? "has a byte 0" : "has more than 1 MiB");
}

/* The spec that the first line names. */
static fi_status read_spec(const char *path, const char *text, char canonical[FI_SPEC_TEXT_SIZE]) {
  static const char begin[] = "/* flashjit: ";
  char named[FI_SPEC_TEXT_SIZE];
  fi_spec spec, whole;
  const char *name = text + sizeof begin - 1;
  const char *end = strncmp(text, begin, sizeof begin - 1) == 0 ? strstr(name, " */\n") : NULL;
  if (!end || memchr(text, '\n', (size_t)(end - text)) || (size_t)(end - name) >= sizeof named)
    return error_set(FI_ERROR_ARGUMENT,
                     "FLASHJIT_SOURCE: the first line of %s must be that of a generated source, %sSPEC */", path,
                     begin);
  snprintf(named, sizeof named, "%.*s", (int)(end - name), name);
  fi_status status = fi_spec_parse(named, &spec);
  if (!status)
    status = spec_canonical(&spec, &whole);
  if (status) {
    char why[ERROR_SIZE];
    snprintf(why, sizeof why, "%s", fi_last_error());
    return error_set(FI_ERROR_ARGUMENT, "FLASHJIT_SOURCE: the first line of %s: %s", path, why);
  }
  spec_print_kernel(&whole, canonical, FI_SPEC_TEXT_SIZE);
  return FI_OK;
}

/* A kernel depends on nothing but its source. */
static fi_status check_files(const char *path, const char *text) {
  const char *found;
  const fi_status status = snippet_find_file(text, &found);
  if (status || !found)
    return status;
  return error_set(FI_ERROR_ARGUMENT, "FLASHJIT_SOURCE: %s has %s%s; it must hold all that it needs", path,
                   found[0] == '_' ? "" : "#", found);
}

/* The text after the line that names its file, as profilers look for it. */
static fi_status name_lines(const char *path, const char *content, char **text) {
  char place[PATH_MAX];
  struct text named = {0};
  if (!realpath(path, place))
    snprintf(place, sizeof place, "%s", path);
  if (strpbrk(place, "\"\\\n"))
    return error_set(FI_ERROR_ARGUMENT,
                     "FLASHJIT_SOURCE: %s is in a place whose name has a quote, backslash or newline", path);
  text_print(&named, "#line 1 \"%s\"\n%s", place, content);
  *text = text_take(&named);
  return *text ? FI_OK : error_set(FI_ERROR_MEMORY, "the host is out of memory");
}

fi_status edited_read(const struct cache_io *io, const char *path, struct edited *edited) {
  char *content;
  *edited = (struct edited){.text = NULL};
  if (!path || !*path)
    return FI_OK;
  fi_status status = read_file(io, path, &content);
  if (status)
    return status;
  status = read_spec(path, content, edited->spec);
  if (!status)
    status = check_files(path, content);
  if (!status)
    status = name_lines(path, content, &edited->text);
  free(content);
  return status;
}

void edited_free(struct edited *edited) {
  free(edited->text);
  edited->text = NULL;
}

/* -------------------------------------------------------------------------------- use */

bool edited_is_of(const struct edited *edited, const char *spec) {
  return edited->text && strcmp(edited->spec, spec) == 0;
}

/* A number that a source begins with: "constexpr int kRows = 16;", after a comment and records. */
struct constant {
  char name[64]; /* "kRows"; "none" after the last one */
  int value;
};

static const char *next_line(const char *line) {
  const char *end = strchr(line, '\n');
  return end ? end + 1 : line + strlen(line);
}

/* A number alone: an expression is none, nor is what follows one in the line, but for a comment. */
static bool read_constant(const char *line, struct constant *constant) {
  int end = 0;
  if (sscanf(line, "constexpr int %63[A-Za-z0-9] = %i;%n", constant->name, &constant->value, &end) != 2 || !end)
    return false;
  const char *rest = line + end + strspn(line + end, " \t\r");
  return !*rest || *rest == '\n' || *rest == '/';
}

static const char *first_constant(const char *line) {
  struct constant constant;
  while (*line && !read_constant(line, &constant))
    line = next_line(line);
  return line;
}

/* The constant at *line, or after empty lines; they end at any other line. */
static struct constant take_constant(const char **line) {
  struct constant constant;
  while (**line == '\n')
    ++*line;
  if (!read_constant(*line, &constant))
    return (struct constant){.name = "none"};
  *line = next_line(*line);
  return constant;
}

/* Those of the text must be those of the generated source, which tell one tile from another. */
static fi_status check_constants(const struct edited *edited, const char *generated) {
  const char *line = first_constant(edited->text);
  const char *wanted_line = first_constant(generated);
  struct constant found, wanted;
  do {
    found = take_constant(&line);
    wanted = take_constant(&wanted_line);
    if (strcmp(found.name, wanted.name) != 0)
      return error_set(FI_ERROR_UNSUPPORTED,
                       "the edited source of \"%s\" has the constant %s where the generated one has %s: kernels are "
                       "launched for those that it begins with",
                       edited->spec, found.name, wanted.name);
    if (found.value != wanted.value)
      return error_set(FI_ERROR_UNSUPPORTED, "%s is %d in the edited source of \"%s\"; the kernel is launched for %d",
                       found.name, found.value, edited->spec, wanted.value);
  } while (strcmp(wanted.name, "none") != 0);
  return FI_OK;
}

fi_status edited_use(const struct edited *edited, struct source *source) {
  const fi_status status = check_constants(edited, source->text);
  if (status)
    return status;
  char *text = strdup(edited->text);
  if (!text)
    return error_set(FI_ERROR_MEMORY, "the host is out of memory");
  free(source->text);
  source->text = text;
  source->size = strlen(text);
  source->lines = 0;
  for (const char *line = next_line(text); *line; line = next_line(line))
    source->lines++;
  return FI_OK;
}
