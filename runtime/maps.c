/* What a tensor map says: a kernel asks it for boxes by four coordinates, or five. */
#include "runtime/maps.h"

#include "generator/dtypes.h"
#include "generator/tile_warpgroups.h"
#include "runtime/context.h"

enum {
  UNIT_BYTES = 2,  /* what maps count in: an element of 16 bits, or two of 8 */
  BOX_UNITS = 64,  /* of a panel in shared memory: 128 bytes, as far as a swizzle pattern goes */
  MANY = INT32_MAX /* of what the host does not know the number of; the kernel asks for no more than there is */
};

static fi_status encode(const fi_kernel *kernel, const struct tensor *tensor, struct fi_tensor_map *map) {
  struct driver *driver = atomic_load_explicit(&kernel->ctx->driver, memory_order_acquire);
  return driver->map_tensor(driver, tensor, map);
}

static uint64_t bytes_of(uint32_t dtype, int64_t elements) {
  return (uint64_t)elements * dtype_of(dtype)->bits / 8;
}

/* Q by dim, head and token: the heads of a group and the tokens of a tile are rows that follow each other. */
static fi_status map_query(const fi_kernel *kernel, const struct strides *strides, uint32_t heads,
                           struct fi_attention_maps_args *args) {
  const fi_spec *spec = &kernel->spec;
  const uint64_t token_bytes = bytes_of(spec->q_dtype, strides->of[STRIDE_Q_TOKEN]);
  struct tensor tensor = {
      .rank = 4,
      .data = args->attention.q,
      .extents = {bytes_of(spec->q_dtype, spec->head_dim) / UNIT_BYTES, heads, MANY, 1},
      .strides = {bytes_of(spec->q_dtype, strides->of[STRIDE_Q_HEAD]), token_bytes, token_bytes},
      .box = {BOX_UNITS, kernel->tile.heads, kernel->tile.tokens, 1},
  };
  const fi_status status = encode(kernel, &tensor, &args->q);
  tensor.box[2] = 1;
  return status ? status : encode(kernel, &tensor, &args->q_token);
}

/*
 * K or V by dim, token of a window, head, where the window begins, and page or request, if there are such: of boxes of
 * so many tokens, as many as a window has. What a box has outside of its window is 0. The first element must be one:
 * the device asks for it where a box is outside.
 */
static fi_status map_kv(const fi_kernel *kernel, const struct fi_kv_args *kv, uint32_t dim, uint32_t kv_heads,
                        uint32_t tokens, struct fi_tensor_map *map) {
  const fi_spec *spec = &kernel->spec;
  const bool one_place = spec->page_size == 0 && spec->index == FI_INDEX_CSR;
  const uint64_t token_bytes = bytes_of(spec->kv_dtype, kv->token_stride);
  const struct tensor tensor = {
      .rank = one_place ? 4 : 5,
      .data = kv->data,
      .extents = {bytes_of(spec->kv_dtype, dim) / UNIT_BYTES, tokens, kv_heads,
                  spec->page_size ? spec->page_size : MANY, MANY},
      .strides = {token_bytes, bytes_of(spec->kv_dtype, kv->head_stride), token_bytes,
                  bytes_of(spec->kv_dtype, kv->page_stride)},
      .box = {BOX_UNITS, tokens, 1, 1, 1},
  };
  return encode(kernel, &tensor, map);
}

fi_status maps_fill(const fi_kernel *kernel, const struct strides *strides, uint32_t heads, uint32_t kv_heads,
                    struct fi_attention_maps_args *args) {
  const struct {
    const struct fi_kv_args *kv;
    uint32_t dim;
    uint32_t tokens;
    struct fi_tensor_map *map;
  } maps[] = {
      {&args->attention.k, kernel->spec.head_dim, kernel->tile.box_tokens, &args->k},
      {&args->attention.k, kernel->spec.head_dim, PART_TOKENS, &args->k_part},
      {&args->attention.k, kernel->spec.head_dim, 1, &args->k_token},
      {&args->attention.v, kernel->spec.v_dim, kernel->tile.box_tokens, &args->v},
      {&args->attention.v, kernel->spec.v_dim, PART_TOKENS, &args->v_part},
      {&args->attention.v, kernel->spec.v_dim, 1, &args->v_token},
  };
  fi_status status = map_query(kernel, strides, heads, args);
  for (size_t i = 0; i < sizeof maps / sizeof *maps && !status; i++) {
    const bool is_keys = maps[i].kv == &args->attention.k;
    if (kernel->tile.box_tokens == 0 || (!is_keys && kernel->spec.v_source == FI_V_KEYS))
      *maps[i].map = (struct fi_tensor_map){0}; /* which nothing asks */
    else
      status = map_kv(kernel, maps[i].kv, maps[i].dim, kv_heads, maps[i].tokens, maps[i].map);
  }
  return status;
}
