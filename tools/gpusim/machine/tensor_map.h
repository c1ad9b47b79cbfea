/* Tensor maps: what the simulator keeps in the 128 opaque bytes, and the boxes that they describe. */
#ifndef GPUSIM_MACHINE_TENSOR_MAP_H
#define GPUSIM_MACHINE_TENSOR_MAP_H

#include <stdbool.h>
#include <stdint.h>

enum { SIM_MAX_RANK = 5, SIM_TENSOR_MAP_BYTES = 128, SIM_TENSOR_MAP_ALIGNMENT = 64 };
#define SIM_TENSOR_MAP_MAGIC UINT64_C(0x70616d2d6d697366)

/* How elements are read by reductions, and filled with NaN. */
enum sim_tensor_type {
  SIM_TENSOR_U8,
  SIM_TENSOR_U16,
  SIM_TENSOR_U32,
  SIM_TENSOR_S32,
  SIM_TENSOR_U64,
  SIM_TENSOR_S64,
  SIM_TENSOR_F16,
  SIM_TENSOR_F32,
  SIM_TENSOR_F64,
  SIM_TENSOR_BF16
};

/* The swizzles exchange chunks of 16 bytes: that many address bits are flipped by the row. */
enum sim_swizzle { SIM_SWIZZLE_NONE, SIM_SWIZZLE_32, SIM_SWIZZLE_64, SIM_SWIZZLE_128 };

struct sim_tensor_map {
  uint64_t magic;
  uint64_t address;
  uint64_t dims[SIM_MAX_RANK];    /* elements; 1 beyond the rank */
  uint64_t strides[SIM_MAX_RANK]; /* bytes */
  uint16_t box[SIM_MAX_RANK];
  uint8_t steps[SIM_MAX_RANK]; /* of the elements taken, in each dimension but the first */
  uint8_t rank;
  uint8_t type; /* sim_tensor_type */
  uint8_t element_bytes;
  uint8_t swizzle;  /* sim_swizzle */
  uint8_t fill_nan; /* outside of the tensor; otherwise 0 */
};

/* A box at a place: rows that are contiguous in global and, before the swizzle, in shared memory. */
struct sim_box {
  struct sim_tensor_map map;
  int32_t at[SIM_MAX_RANK];
  uint32_t counts[SIM_MAX_RANK]; /* elements in each dimension */
  uint32_t row_bytes;
  uint32_t rows;
};

struct sim_box_row {
  uint32_t offset;  /* in the box */
  uint32_t from;    /* bytes of the row that lie in the tensor */
  uint32_t to;      /* their end; not above `from` when there are none */
  uint64_t address; /* of byte `from` */
};

void sim_box_set(struct sim_box *box, const struct sim_tensor_map *map, const int32_t *at);

/* So many bytes in a row, without a tensor. */
void sim_box_set_linear(struct sim_box *box, uint64_t address, uint32_t bytes);

struct sim_box_row sim_box_row(const struct sim_box *box, uint32_t index);

static inline uint32_t sim_box_bytes(const struct sim_box *box) {
  return box->rows * box->row_bytes;
}

/* The bytes of a row, or less, that a swizzle moves within. */
static inline uint32_t sim_swizzle_span(uint32_t swizzle) {
  return 16u << swizzle;
}

/* Where a chunk of 16 bytes lies that has this address before the swizzle. */
static inline uint32_t sim_swizzle_place(uint32_t swizzle, uint32_t address) {
  return address ^ ((address >> 7 & ((1u << swizzle) - 1)) << 4);
}

#endif
