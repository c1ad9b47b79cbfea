/* Sentences about failures. The thread's last one is kept here, in the lowest layer, so that all may set it.
 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char last_error[LAST_ERROR_SIZE];

fi_status error_write(fi_status status, char *why, size_t why_size, const char *format, ...) {
  if (!why || why_size == 0)
    return status;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(why, why_size, format, arguments);
  va_end(arguments);
  return status;
}

fi_status error_keep(fi_status status, const char *why) {
  snprintf(last_error, sizeof last_error, "%s", why);
  return status;
}

const char *fi_last_error(void) {
  return last_error;
}
