/* The table of dtypes.def as data. */
#ifndef GENERATOR_DTYPES_H
#define GENERATOR_DTYPES_H

#include <stdint.h>

struct dtype {
  uint32_t bits;    /* of an element */
  uint32_t operand; /* FI_F16 or FI_BF16, as which the matrix instructions take it */
  uint32_t whole;   /* 1: without infinities and NaN */
};

/* The row of FI_F16 and so on. */
const struct dtype *dtype_of(uint32_t code);

#endif
