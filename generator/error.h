/* Failures: a status, and in the same thread the sentence that explains it, which fi_last_error() returns. */
#ifndef GENERATOR_ERROR_H
#define GENERATOR_ERROR_H

#include "flashjit.h"

/* Bytes that hold a thread's last error, with the beginning of a compiler's log, and a list within a sentence. */
enum { ERROR_SIZE = 4096, ERROR_LIST_SIZE = 512 };

/*
 * Makes a sentence this thread's last error and returns the status, so that a function can end with
 * `return error_set(...)`. The last error may be one of the arguments. What does not fit is cut off.
 */
__attribute__((format(printf, 2, 3))) fi_status error_set(fi_status status, const char *format, ...);

#endif
