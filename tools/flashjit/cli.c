/* Messages of the command line. */
#include "tools/flashjit/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 1, 0))) print_line(const char *format, va_list arguments) {
  fputs("flashjit: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
}

void complain(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_line(format, arguments);
  va_end(arguments);
}

int usage_error(const char *command, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_line(format, arguments);
  va_end(arguments);
  fprintf(stderr, "Try 'flashjit%s%s --help'.\n", command ? " " : "", command ? command : "");
  return CLI_USAGE;
}

int unknown_option(const char *command, int code, char **argv) {
  const char *option = argv[optind - 1];
  if (code == ':')
    return usage_error(command, "option %s needs a value", option);
  return usage_error(command, "unknown option %s", option);
}

static bool output_is_told; /* why it cannot be written */

int output_failed(void) {
  if (!output_is_told)
    complain("what is printed cannot be written: %s", errno ? strerror(errno) : "a part of it was not");
  output_is_told = true;
  return CLI_FAILED;
}

int output_finish(int code) {
  const bool has_failed = ferror(stdout);
  errno = 0; /* of a write before this one nothing is known */
  if (fflush(stdout) == 0 && !has_failed)
    return code;
  const int failed = output_failed();
  return code == CLI_OK ? failed : code;
}
