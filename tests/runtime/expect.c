/* On stdout, before the program's last line. */
#include "expect.h"

#include <stdarg.h>
#include <stdio.h>

unsigned failures;

void expect(bool holds, const char *format, ...) {
  va_list arguments;
  if (holds)
    return;
  failures++;
  fputs("wrong: ", stdout);
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
}
