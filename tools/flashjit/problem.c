/* The thread's last problem. */
#include "tools/flashjit/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PROBLEM_SIZE = 1024 };

static _Thread_local char last[PROBLEM_SIZE];

bool problem_set(const char *format, ...) {
  char text[PROBLEM_SIZE];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  memcpy(last, text, strlen(text) + 1);
  return false;
}

const char *problem_last(void) {
  return last;
}
