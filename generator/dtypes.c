/* Turns dtypes.def into a table. */
#include "dtypes.h"

#include "flashjit.h"

const struct dtype *dtype_of(uint32_t code) {
  static const struct dtype dtypes[] = {
#define DTYPE(code, bits, operand, whole) [code] = {bits, operand, whole},
#include "dtypes.def"
  };
  return &dtypes[code];
}
