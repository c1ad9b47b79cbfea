/* JSON as Python writes it. */
#ifndef TOOLS_FLASHJIT_PYTHON_JSON_H
#define TOOLS_FLASHJIT_PYTHON_JSON_H

#include <jansson.h>
#include <stddef.h>

/* What a file begins with that an editor saved with a byte order mark. */
extern const char byte_order_mark[];

/*
 * Parses a text that may begin with a byte order mark and have NaN, Infinity and -Infinity where a value stands; they
 * become strings of that name, so that only a reader of that field minds. All numbers become reals: Python's integers
 * have no bound. NULL with *error; NULL with an empty error text when memory is out.
 */
json_t *python_json_parse(const char *text, size_t length, json_error_t *error);

/* The same of a file; NULL with a problem that begins with the path. */
json_t *python_json_read(const char *path);

#endif
