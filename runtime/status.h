/* Failures: a status, and in the same thread the sentence that explains it. */
#ifndef RUNTIME_STATUS_H
#define RUNTIME_STATUS_H

#include "generator/abi.h"

/* Sets what fi_last_error() returns in this thread, and returns the status. Too long a text is cut off. */
__attribute__((format(printf, 2, 3))) fi_status status_fail(fi_status status, const char *format, ...);

/* abi_check with the reason for fi_last_error(). */
fi_status status_check_struct(enum abi_struct number, const void *pointer);

#endif
