/* SplitMix64 and what is made of it. */
#include "tools/common/random.h"

#include "tests/dtypes.h"

#include <math.h>
#include <string.h>

uint64_t random_next(random_state *state) {
  uint64_t mixed = *state += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  return mixed ^ mixed >> 31;
}

uint32_t random_below(random_state *state, uint32_t limit) {
  return (uint32_t)((random_next(state) >> 32) * limit >> 32);
}

/* Box and Muller's transform of two uniform numbers. */
static double normal(random_state *state) {
  double radius = sqrt(-2 * log((double)((random_next(state) >> 11) + 1) * 0x1p-53));
  double angle = 2 * 3.14159265358979323846 * (double)(random_next(state) >> 11) * 0x1p-53;
  return radius * cos(angle);
}

/* Draws from a table of encoded values, because gigabytes are wanted. */
void random_normal(random_state *state, uint32_t dtype, void *data, size_t count) {
  enum { TABLE = 4096 };
  const size_t at_once = dtype_bits(dtype) < 8 ? 2 : 1;
  const size_t bytes = dtype_bits(dtype) * at_once / 8;
  uint32_t table[TABLE];                                                               /* room for the widest */
  const double deviation = dtype_spacing(dtype, 0) < 1 ? 1 : dtype_largest(dtype) / 4; /* of whole numbers */
  for (size_t i = 0; i < TABLE * at_once; i++)
    dtype_encode(dtype, deviation * normal(state), table, i);
  for (size_t i = 0; i < count / at_once; i++)
    memcpy((char *)data + i * bytes, (const char *)table + random_next(state) % TABLE * bytes, bytes);
}

void random_pattern(random_state *state, uint32_t dtype, void *data, size_t bytes) {
  enum { ELEMENTS = 8 * 524287 };
  const size_t whole = (size_t)ELEMENTS * dtype_bits(dtype) / 8;
  const size_t pattern = bytes < whole ? bytes : whole;
  random_normal(state, dtype, data, pattern * 8 / dtype_bits(dtype));
  for (size_t done = pattern; done < bytes; done += pattern)
    memcpy((char *)data + done, data, bytes - done < pattern ? bytes - done : pattern);
}

void random_permutation(random_state *state, int32_t *order, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    uint32_t place = random_below(state, i + 1);
    order[i] = order[place];
    order[place] = (int32_t)i;
  }
}
