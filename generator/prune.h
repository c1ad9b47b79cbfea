/* Leaves out the definitions that a kernel does not use. */
#ifndef GENERATOR_PRUNE_H
#define GENERATOR_PRUNE_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Adds what the roots of text[0..size) reach to out: kernels, static_asserts, and every definition whose name
 * occurs in something that is kept. Names in comments and strings do not count. A comment that stands alone
 * goes with the definition after it. False when the host is out of memory.
 */
bool prune_definitions(const char *text, size_t size, struct text *out);

#endif
