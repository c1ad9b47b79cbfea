/* Failures: a status, and in the same thread the sentence that explains it. */
#ifndef RUNTIME_STATUS_H
#define RUNTIME_STATUS_H

#include "flashjit.h"

#include <stddef.h>

/* Sets what fi_last_error() returns in this thread, and returns the status. Too long a text is cut off. */
__attribute__((format(printf, 2, 3))) fi_status status_fail(fi_status status, const char *format, ...);

/* FI_OK when the public struct is there and has the size of this library's header. */
fi_status status_check_struct(const char *name, const void *pointer, size_t size);

#endif
