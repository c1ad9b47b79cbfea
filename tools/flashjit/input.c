/* Opens files without waiting for ever, and reads lines. */
#include "tools/flashjit/input.h"

#include "tools/flashjit/problem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------------ opening */

/* Of a file that does not block: without a writer it is at its end, and a writer that is silent is an error. */
static bool has_writer(FILE *file) {
  const int byte = getc(file);
  const bool is_at_end = feof(file);
  clearerr(file);
  if (byte != EOF)
    ungetc(byte, file);
  return !is_at_end;
}

/* The writer of a named pipe may come a little later. One that has been there, and is gone, hangs up. */
static bool wait_for_writer(FILE *file) {
  enum { TRIES = 30, MILLISECONDS = 100 };
  struct pollfd pipe = {.fd = fileno(file), .events = POLLIN};
  for (int i = 0; i < TRIES; i++) {
    if (poll(&pipe, 1, MILLISECONDS) != 0 || has_writer(file))
      return true;
  }
  return false;
}

static FILE *open_without_waiting(const char *path) {
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  FILE *file = descriptor >= 0 ? fdopen(descriptor, "r") : NULL;
  if (!file && descriptor >= 0)
    close(descriptor);
  return file;
}

FILE *input_open(const char *path) {
  struct stat status;
  FILE *file = open_without_waiting(path);
  if (!file || fstat(fileno(file), &status) != 0) {
    problem_set("%s: %s", path, strerror(errno));
  } else if (S_ISFIFO(status.st_mode) && !wait_for_writer(file)) {
    problem_set("%s: a pipe that nobody writes into", path);
  } else {
    fcntl(fileno(file), F_SETFL, 0); /* from here on it waits for its writer */
    return file;
  }
  if (file)
    fclose(file);
  return NULL;
}

/* ------------------------------------------------------------------------------------------------ lines */

bool input_lines_open(struct input_lines *lines, const char *path) {
  *lines = (struct input_lines){.path = path};
  lines->file = strcmp(path, "-") == 0 ? stdin : input_open(path);
  lines->is_broken = !lines->file;
  return lines->file;
}

bool input_lines_problem(const struct input_lines *lines, const char *format, ...) {
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return problem_set("%s:%zu: %s", lines->path, lines->number, message);
}

bool input_lines_next(struct input_lines *lines) {
  const ssize_t length = getline(&lines->memory, &lines->room, lines->file);
  lines->text = NULL;
  if (length < 0) {
    lines->is_broken = !feof(lines->file); /* no memory for a line is no end, too */
    return lines->is_broken ? problem_set("%s: %s", lines->path, strerror(errno)) : false;
  }
  lines->number++;
  lines->is_broken = strlen(lines->memory) < (size_t)length;
  if (lines->is_broken)
    return input_lines_problem(lines, "it has a byte 0");
  lines->text = lines->memory;
  return true;
}

bool input_lines_close(struct input_lines *lines) {
  free(lines->memory);
  if (lines->file && lines->file != stdin)
    fclose(lines->file);
  return !lines->is_broken;
}
