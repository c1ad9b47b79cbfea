/* What went wrong in the command's own readers: one sentence, as fi_last_error() has it for the library. */
#ifndef TOOLS_FLASHJIT_PROBLEM_H
#define TOOLS_FLASHJIT_PROBLEM_H

#include <stdbool.h>

/*
 * Keeps a sentence and returns false, so that a function can end with `return problem_set(...)`. The last one may be
 * an argument. What does not fit is cut off.
 */
bool problem_set(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The last one; "" if none. */
const char *problem_last(void);

#endif
