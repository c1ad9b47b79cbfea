/* Messages of the command line. */
#include "tools/flashjit/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

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
