/* Matrices in shared memory, as a matrix descriptor says where their chunks of 16 bytes lie. */
#ifndef GPUSIM_MACHINE_DESCRIPTOR_H
#define GPUSIM_MACHINE_DESCRIPTOR_H

#include "machine/tensor_map.h"

/* Lines are what is not contiguous: rows of A or columns of B, or of a transposed matrix the steps of K. */
struct sim_matrix {
  uint32_t start;
  uint32_t leading; /* bytes */
  uint32_t stride;
  uint32_t swizzle; /* sim_swizzle */
  uint32_t lines;
  uint32_t chunks; /* of a line */
  bool transposed;
};

enum { SIM_DESCRIPTOR_MASK = 0x3ffff };

/* `extent` rows or columns, and `depth_bytes` of K in bytes; a transposed one has 16-bit elements. */
static inline struct sim_matrix sim_matrix_of(uint64_t descriptor, bool transposed, uint32_t extent,
                                              uint32_t depth_bytes) {
  static const uint8_t swizzles[] = {SIM_SWIZZLE_NONE, SIM_SWIZZLE_128, SIM_SWIZZLE_64, SIM_SWIZZLE_32};
  return (struct sim_matrix){.start = (uint32_t)(descriptor & 0x3fff) << 4,
                             .leading = (uint32_t)(descriptor >> 16 & 0x3fff) << 4,
                             .stride = (uint32_t)(descriptor >> 32 & 0x3fff) << 4,
                             .swizzle = swizzles[descriptor >> 62],
                             .lines = transposed ? depth_bytes / 2 : extent,
                             .chunks = transposed ? extent / 8 : depth_bytes / 16,
                             .transposed = transposed};
}

static inline uint32_t sim_descriptor_base_offset(uint64_t descriptor) {
  return (uint32_t)(descriptor >> 49 & 7);
}

/* Eight lines are a group. Without a swizzle their chunks are 16 bytes apart, with one as far as the swizzle spans. */
static inline uint32_t sim_matrix_chunk(const struct sim_matrix *m, uint32_t line, uint32_t chunk) {
  uint32_t group = line / 8;
  uint32_t in_group = line % 8;
  uint32_t address = m->start;
  if (!m->swizzle) {
    address += in_group * 16;
    address += m->transposed ? chunk * m->stride + group * m->leading : chunk * m->leading + group * m->stride;
  } else {
    uint32_t span = sim_swizzle_span(m->swizzle);
    uint32_t per_span = span / 16;
    address += in_group * span + group * m->stride + chunk % per_span * 16 + chunk / per_span * m->leading;
  }
  return sim_swizzle_place(m->swizzle, address & SIM_DESCRIPTOR_MASK);
}

#endif
