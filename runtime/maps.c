/* What a tensor map says: a kernel asks it for boxes by four coordinates. */
#include "runtime/maps.h"

#include "runtime/context.h"

enum {
  ELEMENT_BYTES = 2,
  BOX_DIMS = 64,   /* of a panel in shared memory: 128 bytes, as far as a swizzle pattern goes */
  MANY = INT32_MAX /* of what the host does not know the number of; the kernel asks for no more than there is */
};

/* A map of boxes, and the same of boxes of one token. */
struct map_pair {
  struct fi_tensor_map *boxes;
  struct fi_tensor_map *tokens;
  int token_axis;
};

static fi_status encode(const fi_kernel *kernel, struct tensor tensor, const struct map_pair *pair) {
  struct driver *driver = atomic_load_explicit(&kernel->ctx->driver, memory_order_acquire);
  const fi_status status = driver->map_tensor(driver, &tensor, pair->boxes);
  tensor.box[pair->token_axis] = 1;
  return status ? status : driver->map_tensor(driver, &tensor, pair->tokens);
}

/* Q by dim, head and token: the heads of a group and the tokens of a tile are rows that follow each other. */
static fi_status map_query(const fi_kernel *kernel, const struct strides *strides, uint32_t heads,
                           struct fi_attention_maps_args *args) {
  const fi_spec *spec = &kernel->spec;
  const uint64_t token_bytes = (uint64_t)strides->of[STRIDE_Q_TOKEN] * ELEMENT_BYTES;
  const struct map_pair pair = {&args->q, &args->q_token, 2};
  const struct tensor tensor = {
      .data = args->attention.q,
      .extents = {spec->head_dim, heads, MANY, 1},
      .strides = {(uint64_t)strides->of[STRIDE_Q_HEAD] * ELEMENT_BYTES, token_bytes, token_bytes},
      .box = {BOX_DIMS, kernel->tile.heads, kernel->tile.tokens, 1},
  };
  return encode(kernel, tensor, &pair);
}

/* K or V by dim, token of a page or a request, head, and page or request. */
static fi_status map_kv(const fi_kernel *kernel, const struct fi_kv_args *kv, uint32_t dim, uint32_t kv_heads,
                        const struct map_pair *pair) {
  const fi_spec *spec = &kernel->spec;
  const bool one_place = spec->page_size == 0 && spec->index == FI_INDEX_CSR;
  const uint64_t token_bytes = (uint64_t)kv->token_stride * ELEMENT_BYTES;
  const struct tensor tensor = {
      .data = kv->data,
      .extents = {dim, spec->page_size ? spec->page_size : MANY, kv_heads, one_place ? 1 : MANY},
      .strides = {token_bytes, (uint64_t)kv->head_stride * ELEMENT_BYTES,
                  one_place ? token_bytes : (uint64_t)kv->page_stride * ELEMENT_BYTES},
      .box = {BOX_DIMS, kernel->tile.box_tokens, 1, 1},
  };
  return encode(kernel, tensor, pair);
}

fi_status maps_fill(const fi_kernel *kernel, const struct strides *strides, uint32_t heads, uint32_t kv_heads,
                    struct fi_attention_maps_args *args) {
  const struct map_pair keys = {&args->k, &args->k_token, 1};
  const struct map_pair values = {&args->v, &args->v_token, 1};
  fi_status status = map_query(kernel, strides, heads, args);
  if (status)
    return status;
  if (kernel->tile.box_tokens == 0) {
    args->k = args->k_token = args->v = args->v_token = (struct fi_tensor_map){0};
    return FI_OK;
  }
  status = map_kv(kernel, &args->attention.k, kernel->spec.head_dim, kv_heads, &keys);
  if (!status)
    status = map_kv(kernel, &args->attention.v, kernel->spec.v_dim, kv_heads, &values);
  return status;
}
