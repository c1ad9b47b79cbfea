/* Where the sentence about a failure goes: a caller's buffer, or the thread's text behind fi_last_error. */
#ifndef GENERATOR_ERROR_H
#define GENERATOR_ERROR_H

#include "flashjit.h"

#include <stddef.h>

/* Bytes that hold any sentence of the generator, and any that is kept as a thread's last error. */
enum { ERROR_SIZE = 512, LAST_ERROR_SIZE = 4096 };

/* Writes a sentence to why, which may be NULL, and returns status. What does not fit is cut off. */
__attribute__((format(printf, 4, 5))) fi_status error_write(fi_status status, char *why, size_t why_size,
                                                            const char *format, ...);

/* Makes a sentence this thread's last error and returns status. */
fi_status error_keep(fi_status status, const char *why);

#endif
