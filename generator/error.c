/* Names of statuses, and the thread's last error. It is kept here, in the lowest layer, so that all may set it. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  const char *meaning;
} statuses[] = {
#define STATUS(name, number, meaning) [number] = {#name, meaning},
#include "status.def"
#undef STATUS
};

const char *fi_status_name(fi_status status) {
  const size_t count = sizeof statuses / sizeof *statuses;
  return status >= 0 && (size_t)status < count ? statuses[status].name : "unknown status";
}

const char *fi_status_meaning(fi_status status) {
  const size_t count = sizeof statuses / sizeof *statuses;
  return status >= 0 && (size_t)status < count ? statuses[status].meaning : "unknown status";
}

static _Thread_local char last_error[ERROR_SIZE];

fi_status error_set(fi_status status, const char *format, ...) {
  char text[ERROR_SIZE];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  memcpy(last_error, text, strlen(text) + 1);
  return status;
}

const char *fi_last_error(void) {
  return last_error;
}
