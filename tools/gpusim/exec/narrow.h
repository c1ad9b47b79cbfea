/*
 * Products of small tiles of 8-bit elements, summed as an H200's matrix units sum them: each term, the accumulator
 * among them, is cut so many bits below the largest exponent, their sum is exact, and the result is cut again. The
 * exponent of a product is the sum of those of its elements, not normalised, of which 0 and what is subnormal have
 * the least. All that data/ of tests/gpusim has recorded comes out to the bit; that 0 has an exponent, and not none,
 * is not told by it.
 */
#ifndef GPUSIM_EXEC_NARROW_H
#define GPUSIM_EXEC_NARROW_H

#include "exec/tile.h"

typedef int32_t sim_row_words __attribute__((vector_size(SIM_TILE_COLUMNS * sizeof(int32_t))));
typedef uint32_t sim_row_units __attribute__((vector_size(SIM_TILE_COLUMNS * sizeof(uint32_t))));

enum { SIM_NARROW_DEPTH = 32, SIM_POWER_BITS = 0x7f800000 };

struct sim_cut {
  float least_a; /* 2 to the least exponent of an element */
  float least_b;
  float scale;  /* 2 to the bits that terms keep below the largest exponent */
  int32_t kept; /* of the bits of a result */
};

/* 2 to the exponents of elements, infinite where one is infinite or no number. */
static inline void sim_powers(const float *elements, uint32_t count, float least, float *powers) {
  for (uint32_t i = 0; i < count; i++) {
    const float power = sim_float(sim_bits(elements[i]) & SIM_POWER_BITS);
    powers[i] = power > least ? power : least;
  }
}

/* The largest power of a column's terms, to begin with of its accumulator. */
static inline void sim_raise(sim_row_vector *largest, const float *row, uint32_t depth, const sim_row_vector *rows) {
  sim_row_vector top = *largest;
  for (uint32_t k = 0; k < depth; k++) {
    const sim_row_vector power = rows[k] * row[k];
    for (uint32_t column = 0; column < SIM_TILE_COLUMNS; column++)
      top[column] = power[column] > top[column] ? power[column] : top[column];
  }
  *largest = top;
}

/* Toward 0, as is each term. What is infinite or no number is so in the float sum, whatever the units are. */
static inline void sim_sum_cut(sim_row_vector *sums, const float *row, uint32_t depth, const sim_row_vector *rows,
                               const sim_row_vector *top, const struct sim_cut *cut) {
  const sim_row_vector scale = cut->scale / *top;
  sim_row_units sum = (sim_row_units) __builtin_convertvector(*sums * scale, sim_row_words);
  for (uint32_t k = 0; k < depth; k++)
    sum += (sim_row_units) __builtin_convertvector(rows[k] * row[k] * scale, sim_row_words);
  const sim_row_words units = (sim_row_words)sum; /* of what is infinite anything */
  const sim_row_vector nearest = __builtin_convertvector(units, sim_row_vector);
  const sim_row_words back = __builtin_convertvector(nearest, sim_row_words);
  const sim_row_words beyond = ((back > units) & (units > 0)) | ((back < units) & (units < 0));
  const sim_row_vector kept = (sim_row_vector)(((sim_row_words)nearest + beyond) & cut->kept);
  const sim_row_words infinite = *top == INFINITY;
  int32_t any = 0;
  for (uint32_t column = 0; column < SIM_TILE_COLUMNS; column++)
    any |= infinite[column];
  sim_row_vector floats = *sums;
  for (uint32_t k = 0; k < depth && any; k++)
    floats += rows[k] * row[k];
  const sim_row_vector result = kept * (*top / cut->scale);
  *sums = (sim_row_vector)(((sim_row_words)floats & infinite) | ((sim_row_words)result & ~infinite));
}

/* Rows of the tile are `pitch` apart. */
static inline void sim_multiply_narrow(sim_row_vector sums[SIM_TILE_ROWS], const float *tile, uint32_t pitch,
                                       uint32_t depth, const sim_row_vector *rows, const struct sim_cut *cut) {
  sim_row_vector powers[SIM_NARROW_DEPTH];
  float row_powers[SIM_NARROW_DEPTH];
  sim_powers((const float *)rows, depth * SIM_TILE_COLUMNS, cut->least_b, (float *)powers);
  for (uint32_t i = 0; i < SIM_TILE_ROWS; i++) {
    const float *row = tile + i * pitch;
    sim_row_vector top = (sim_row_vector)((sim_row_words)sums[i] & SIM_POWER_BITS);
    sim_powers(row, depth, cut->least_a, row_powers);
    sim_raise(&top, row_powers, depth, powers);
    sim_sum_cut(&sums[i], row, depth, rows, &top, cut);
  }
}

#endif
