/* What a row of K or V is worth after append has quantised it, in doubles, by the formulas of flashjit.h. */
#ifndef TOOLS_BENCH_QUANTIZE_H
#define TOOLS_BENCH_QUANTIZE_H

#include <stdint.h>

struct quantizing {
  uint32_t dtype; /* FI_E4M3, FI_E5M2, FI_I8 (with a scale a token), FI_I4, FI_NVFP4; others are rounded to */
  uint32_t group; /* elements that have one scale, of FI_I4 and FI_NVFP4 */
  double scale;   /* of the tensor or the head, for e4m3 and e5m2; 0: 1 */
};

/* In place. Elements are of bf16, as is what append is given. */
void quantize_row(const struct quantizing *quantizing, double *row, uint32_t dim);

#endif
