/*
 * The expressions of //@if: integers, names of facts, names of values, parentheses, and the operators of C
 *   ||   &&   == !=   < <= > >=   + -   * /   !
 * with their precedence. The name of a value stands only after "axis ==" or "axis !=": "rope == half".
 */
#ifndef GENERATOR_EXPRESSION_H
#define GENERATOR_EXPRESSION_H

#include "facts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Evaluates text[0..size). False, with the reason as the last error, for what is not an expression. */
bool expression_evaluate(const char *text, size_t size, const struct facts *facts, int64_t *value);

#endif
