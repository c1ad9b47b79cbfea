/* The number formats of tensors and caches, in plain arithmetic: decoded to double, encoded to the nearest
 * even. */
#ifndef TESTS_DTYPES_H
#define TESTS_DTYPES_H

#include <stddef.h>
#include <stdint.h>

/* Powers of two, 2^(code - 127), which scales are and elements are not. */
enum { DTYPE_E8M0 = 9 }; /* after the last one of the library */

/* Bits of an element, and bytes where it has whole ones. */
size_t dtype_bits(uint32_t dtype);
size_t dtype_bytes(uint32_t dtype);

/* "f16" and so on. */
const char *dtype_name(uint32_t dtype);

/* The inverse for types of Q, K and V; FI_DTYPE_DEFAULT when there is no such name. */
uint32_t dtype_find(const char *name);

double dtype_decode(uint32_t dtype, const void *data, size_t index);

/* Beyond the largest value f16 and bf16 become infinite, others stay at the largest. NaN stays NaN; of whole
 * numbers it is 0. */
void dtype_encode(uint32_t dtype, double value, void *data, size_t index);

/* The largest finite value. */
double dtype_largest(uint32_t dtype);

/* Between value and its neighbours in the format. */
double dtype_spacing(uint32_t dtype, double value);

#endif
