/* Collects the reasons of soft failures. */
#include "cache/reason.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cache_reason_clear(struct cache_reason *reason) {
  reason->text[0] = '\0';
}

bool cache_refuse(struct cache_reason *reason, const char *format, ...) {
  int error = errno;
  size_t used = strlen(reason->text);
  if (used > 0 && used + 2 < sizeof reason->text) {
    memcpy(reason->text + used, "; ", 3);
    used += 2;
  }
  va_list arguments;
  va_start(arguments, format);
  const int size = vsnprintf(reason->text + used, sizeof reason->text - used, format, arguments);
  va_end(arguments);
  if (size >= (int)(sizeof reason->text - used))
    memcpy(reason->text + sizeof reason->text - 4, "...", 4);
  errno = error;
  return false;
}
