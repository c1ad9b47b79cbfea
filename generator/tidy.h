/* The last touch on generated lines. */
#ifndef GENERATOR_TIDY_H
#define GENERATOR_TIDY_H

#include "text.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Adds text[0..size) to out without trailing spaces, with at most one blank line in a row, and none at the
 * ends, after a line that ends with "{" or before one that begins with "}". Returns the number of lines.
 */
uint32_t tidy_lines(const char *text, size_t size, struct text *out);

#endif
