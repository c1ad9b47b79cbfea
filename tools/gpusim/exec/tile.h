/* Products of small tiles, which mma and wgmma are made of. */
#ifndef GPUSIM_EXEC_TILE_H
#define GPUSIM_EXEC_TILE_H

#include "exec/half.h"
#include "program/program.h"

enum { SIM_TILE_ROWS = 8, SIM_TILE_COLUMNS = 8 };
enum sim_tile_format { SIM_TILE_F16, SIM_TILE_BF16, SIM_TILE_E4M3, SIM_TILE_E5M2 };

typedef float sim_row_vector __attribute__((vector_size(SIM_TILE_COLUMNS * sizeof(float))));

/* The elements of `bytes` bytes, in order. */
static inline void sim_unpack(const void *from, uint32_t format, uint32_t bytes, float *out) {
  const uint16_t *halves = from;
  const uint8_t *codes = from;
  switch (format) {
  case SIM_TILE_F16:
    for (uint32_t i = 0; i < bytes / 2; i++)
      out[i] = sim_half_to_float(halves[i]);
    break;
  case SIM_TILE_BF16:
    for (uint32_t i = 0; i < bytes / 2; i++)
      out[i] = sim_bf16_to_float(halves[i]);
    break;
  case SIM_TILE_E4M3:
    for (uint32_t i = 0; i < bytes; i++)
      out[i] = sim_fp8_to_float(codes[i], &sim_e4m3);
    break;
  default:
    for (uint32_t i = 0; i < bytes; i++)
      out[i] = sim_fp8_to_float(codes[i], &sim_e5m2);
  }
}

/* Eight rows at a time keep their sums in registers. Rows of the tile are `pitch` apart. */
static inline void sim_multiply_tile(sim_row_vector sums[SIM_TILE_ROWS], const float *tile, uint32_t pitch,
                                     uint32_t depth, const sim_row_vector *rows) {
  for (uint32_t k = 0; k < depth; k++)
    for (uint32_t i = 0; i < SIM_TILE_ROWS; i++)
      sums[i] += rows[k] * tile[i * pitch + k];
}

#endif
