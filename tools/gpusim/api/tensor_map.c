/* Driver interface: cuTensorMapEncodeTiled, with the driver's rules about what is valid. */
#include "api/tensor_map.h"

#include "machine/tensor_map.h"

#include <stdbool.h>
#include <string.h>

enum { ADDRESS_ALIGNMENT = 16, STRIDE_STEP = 16, MAX_BOX = 256, MAX_STEP = 8 };
#define MAX_DIM (UINT64_C(1) << 32)
#define STRIDE_LIMIT (UINT64_C(1) << 40)

_Static_assert(sizeof(CUtensorMap) == SIM_TENSOR_MAP_BYTES && sizeof(struct sim_tensor_map) <= SIM_TENSOR_MAP_BYTES,
               "a tensor map has 128 bytes");

struct element {
  uint8_t bytes;
  uint8_t type;
  bool is_float;
};

static const struct element elements[] = {
    [CU_TENSOR_MAP_DATA_TYPE_UINT8] = {1, SIM_TENSOR_U8, false},
    [CU_TENSOR_MAP_DATA_TYPE_UINT16] = {2, SIM_TENSOR_U16, false},
    [CU_TENSOR_MAP_DATA_TYPE_UINT32] = {4, SIM_TENSOR_U32, false},
    [CU_TENSOR_MAP_DATA_TYPE_INT32] = {4, SIM_TENSOR_S32, false},
    [CU_TENSOR_MAP_DATA_TYPE_UINT64] = {8, SIM_TENSOR_U64, false},
    [CU_TENSOR_MAP_DATA_TYPE_INT64] = {8, SIM_TENSOR_S64, false},
    [CU_TENSOR_MAP_DATA_TYPE_FLOAT16] = {2, SIM_TENSOR_F16, true},
    [CU_TENSOR_MAP_DATA_TYPE_FLOAT32] = {4, SIM_TENSOR_F32, true},
    [CU_TENSOR_MAP_DATA_TYPE_FLOAT64] = {8, SIM_TENSOR_F64, true},
    [CU_TENSOR_MAP_DATA_TYPE_BFLOAT16] = {2, SIM_TENSOR_BF16, true},
};

static const uint8_t swizzles[] = {
    [CU_TENSOR_MAP_SWIZZLE_NONE] = SIM_SWIZZLE_NONE,
    [CU_TENSOR_MAP_SWIZZLE_32B] = SIM_SWIZZLE_32,
    [CU_TENSOR_MAP_SWIZZLE_64B] = SIM_SWIZZLE_64,
    [CU_TENSOR_MAP_SWIZZLE_128B] = SIM_SWIZZLE_128,
};

static bool dimension_valid(uint64_t dim, uint32_t box, uint32_t step) {
  return dim > 0 && dim <= MAX_DIM && box > 0 && box <= MAX_BOX && step > 0 && step <= MAX_STEP;
}

static bool stride_valid(uint64_t stride) {
  return stride % STRIDE_STEP == 0 && stride < STRIDE_LIMIT;
}

/* The rows of a box are whole chunks, and no wider than the swizzle. */
static bool row_valid(const struct sim_tensor_map *map) {
  uint32_t bytes = (uint32_t)map->box[0] * map->element_bytes;
  return bytes % 16 == 0 && (!map->swizzle || bytes <= sim_swizzle_span(map->swizzle));
}

static CUresult encode_tiled(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t rank, void *address,
                             const cuuint64_t *dims, const cuuint64_t *strides, const cuuint32_t *box,
                             const cuuint32_t *steps, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                             CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
  bool nan = fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA;
  struct sim_tensor_map map = {.magic = SIM_TENSOR_MAP_MAGIC, .fill_nan = nan};
  if (!out || (uintptr_t)out % SIM_TENSOR_MAP_ALIGNMENT || !address || !dims || !box || !steps)
    return CUDA_ERROR_INVALID_VALUE;
  if (rank == 0 || rank > SIM_MAX_RANK || (rank > 1 && !strides) || (uintptr_t)address % ADDRESS_ALIGNMENT)
    return CUDA_ERROR_INVALID_VALUE;
  if ((unsigned)promotion > CU_TENSOR_MAP_L2_PROMOTION_L2_256B || (unsigned)fill > 1)
    return CUDA_ERROR_INVALID_VALUE;
  if (interleave != CU_TENSOR_MAP_INTERLEAVE_NONE || (size_t)swizzle >= sizeof swizzles ||
      (size_t)type >= sizeof elements / sizeof *elements)
    return CUDA_ERROR_NOT_SUPPORTED; /* valid, and not simulated */
  map.address = (uint64_t)(uintptr_t)address;
  map.rank = (uint8_t)rank;
  map.type = elements[type].type;
  map.element_bytes = elements[type].bytes;
  map.swizzle = swizzles[swizzle];
  if (nan && !elements[type].is_float)
    return CUDA_ERROR_INVALID_VALUE;
  for (uint32_t d = 0; d < rank; d++) {
    if (!dimension_valid(dims[d], box[d], steps[d]) || (d && !stride_valid(strides[d - 1])))
      return CUDA_ERROR_INVALID_VALUE;
    map.dims[d] = dims[d];
    map.strides[d] = d ? strides[d - 1] : map.element_bytes;
    map.box[d] = (uint16_t)box[d];
    map.steps[d] = (uint8_t)steps[d];
  }
  if (!row_valid(&map))
    return CUDA_ERROR_INVALID_VALUE;
  memset(out, 0, sizeof *out);
  memcpy(out, &map, sizeof map);
  return CUDA_SUCCESS;
}

static CUresult replace_address(CUtensorMap *tensor_map, void *address) {
  struct sim_tensor_map map;
  if (!tensor_map || !address || (uintptr_t)address % ADDRESS_ALIGNMENT)
    return CUDA_ERROR_INVALID_VALUE;
  memcpy(&map, tensor_map, sizeof map);
  if (map.magic != SIM_TENSOR_MAP_MAGIC)
    return CUDA_ERROR_INVALID_VALUE;
  map.address = (uint64_t)(uintptr_t)address;
  memcpy(tensor_map, &map, sizeof map);
  return CUDA_SUCCESS;
}

static const struct api_entry entries[] = {
    API_ENTRY("cuTensorMapEncodeTiled", encode_tiled),
    API_ENTRY("cuTensorMapReplaceAddress", replace_address),
};

const struct api_table api_tensor_map_table = API_TABLE(entries);
