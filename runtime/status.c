/* Names of statuses, and failures with an explanation. */
#include "runtime/status.h"

#include "generator/error.h"

#include <stdarg.h>
#include <stdio.h>

/* The beginning of a compiler log fits. */
enum { DETAIL_SIZE = 4096 };

#define STATUSES(STATUS)                                                                                               \
  STATUS(FI_OK)                                                                                                        \
  STATUS(FI_ERROR_ARGUMENT)                                                                                            \
  STATUS(FI_ERROR_SPEC)                                                                                                \
  STATUS(FI_ERROR_UNSUPPORTED)                                                                                         \
  STATUS(FI_ERROR_NO_COMPILER)                                                                                         \
  STATUS(FI_ERROR_NO_DRIVER)                                                                                           \
  STATUS(FI_ERROR_OLD_DRIVER)                                                                                          \
  STATUS(FI_ERROR_COMPILE)                                                                                             \
  STATUS(FI_ERROR_NOT_CACHED)                                                                                          \
  STATUS(FI_ERROR_DEADLINE)                                                                                            \
  STATUS(FI_ERROR_DRIVER)                                                                                              \
  STATUS(FI_ERROR_MEMORY)                                                                                              \
  STATUS(FI_ERROR_FORKED)                                                                                              \
  STATUS(FI_ERROR_CAPTURE)                                                                                             \
  STATUS(FI_ERROR_ABI)

static const char *const status_names[] = {
#define STATUS_NAME(status) [status] = #status,
    STATUSES(STATUS_NAME)
#undef STATUS_NAME
};

const char *fi_status_name(fi_status status) {
  const size_t count = sizeof status_names / sizeof *status_names;
  return status >= 0 && (size_t)status < count ? status_names[status] : "unknown status";
}

fi_status status_fail(fi_status status, const char *format, ...) {
  char text[DETAIL_SIZE]; /* the last error itself may be one of the arguments */
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return error_keep(status, text);
}

fi_status status_check_struct(enum abi_struct number, const void *pointer) {
  char why[ERROR_SIZE];
  const fi_status status = abi_check(number, pointer, why, sizeof why);
  return status ? error_keep(status, why) : FI_OK;
}
