/* The scales of a quantised cache. */
#include "tests/matrix/batch_scales.h"

#include "tests/dtypes.h"

/* Whether scales are those of tokens. */
static bool has_token_scales(const struct batch_case *batch) {
  return batch->spec.kv_scale == FI_SCALE_TOKEN;
}

/* Whether K or V of this type has scales that lie as rows do. */
static bool has_rows(const struct batch_case *batch, uint32_t dtype) {
  return reference_scale_dtype(dtype) != FI_F32 || has_token_scales(batch);
}

/* Codes are whole numbers, or up to 6: in the size of what other types hold. */
static float code_unit(uint32_t dtype) {
  return dtype == FI_I8 ? 1.0f / 32 : reference_scale_dtype(dtype) != FI_F32 ? 0.5f : 1;
}

/* Up to so many hundredths; what is appended may have any scale. */
static float draw_scale(const struct batch_case *batch, struct trial *trial, uint32_t dtype, uint32_t most) {
  static const float edges[] = {1e-39f, 1e-30f, 0x1p-40f, 0x1p40f, 1e30f};
  if (batch->spec.op == FI_OP_APPEND && trial_chance(trial, 4))
    return edges[trial_between(trial, 0, sizeof edges / sizeof *edges - 1)];
  return code_unit(dtype) * (float)trial_between(trial, 50, most) / 100;
}

/* Tokens before heads or heads before tokens, packed or with gaps of a row's `count` scales and more. */
static struct scale_layout draw_layout(const struct batch_case *batch, struct trial *trial, int64_t count,
                                       int64_t unit) {
  const int64_t places = (int64_t)batch_case_places(batch);
  const int64_t tokens = batch->spec.page_size > 0           ? batch->spec.page_size
                         : batch->spec.index == FI_INDEX_CSR ? places
                                                             : batch->workspace.max_kv_len;
  const int64_t heads = batch->kv_heads;
  struct scale_layout layout = {0};
  if (trial_chance(trial, 3)) {
    layout.elements = (size_t)(places * heads * count);
    layout.page_stride = batch->spec.page_size > 0 ? 0 : tokens * heads * count;
    return layout;
  }
  const bool is_heads_first = trial_chance(trial, 2);
  const int64_t inner = count + unit * trial_between(trial, 0, 1);
  const int64_t outer = (is_heads_first ? tokens : heads) * inner + unit * trial_between(trial, 0, 2);
  layout.token_stride = is_heads_first ? inner : outer;
  layout.head_stride = is_heads_first ? outer : inner;
  layout.page_stride = (is_heads_first ? heads : tokens) * outer + unit * trial_between(trial, 0, 3);
  layout.elements = (size_t)(places / tokens * layout.page_stride);
  return layout;
}

/* The layout of the scales of K or V. Where rows of them are whole pieces of 16 or 8 bytes, so are strides. */
static struct scale_layout layout_of(const struct batch_case *batch, struct trial *trial, uint32_t dtype,
                                     uint32_t dim) {
  const int64_t element = (int64_t)dtype_bytes(reference_scale_dtype(dtype));
  if (!has_rows(batch, dtype))
    return (struct scale_layout){.elements = batch->kv_heads};
  const int64_t count = reference_scale_dtype(dtype) == FI_F32 ? 1 : dim / batch->spec.scale_group;
  const int64_t bytes = count * element;
  return draw_layout(batch, trial, count, (bytes % 16 == 0 ? 16 : bytes % 8 == 0 ? 8 : 4) / element);
}

bool batch_scales_create(struct batch_case *batch, struct trial *trial) {
  const fi_spec *spec = &batch->spec;
  batch->k_scales = layout_of(batch, trial, spec->kv_dtype, spec->head_dim);
  batch->v_scales = layout_of(batch, trial, spec->v_dtype, spec->v_dim);
  return batch_case_buffer(batch, trial, BUFFER_K_SCALE, batch->k_scales.elements,
                           dtype_bytes(reference_scale_dtype(spec->kv_dtype))) &&
         batch_case_buffer(batch, trial, BUFFER_V_SCALE, batch->v_scales.elements,
                           dtype_bytes(reference_scale_dtype(spec->v_dtype)));
}

/* Scales of groups are numbers in any case; those of tokens that nobody sees stay NaN. */
static void draw_row(const struct batch_case *batch, struct trial *trial, const struct reference_scales *scales,
                     uint32_t dtype, uint32_t dim, uint32_t most, bool is_filled) {
  const bool has_groups = scales->dtype != FI_F32;
  const uint32_t count = has_groups ? dim / scales->group : 1;
  for (uint32_t i = 0; i < count && has_rows(batch, dtype) && (has_groups || is_filled); i++)
    dtype_encode(scales->dtype, (double)draw_scale(batch, trial, dtype, most), (void *)(uintptr_t)scales->data,
                 (size_t)scales->first + i);
}

void batch_scales_draw_token(struct batch_case *batch, struct trial *trial, const struct reference *reference,
                             const struct scaled_token *at) {
  const fi_spec *spec = &batch->spec;
  if (spec->op == FI_OP_APPEND)
    return;
  const struct reference_scales k = reference_k_scales(reference, at->request, at->token, at->head);
  const struct reference_scales v = reference_v_scales(reference, at->request, at->token, at->head);
  draw_row(batch, trial, &k, spec->kv_dtype, spec->head_dim, 150, at->is_filled);
  draw_row(batch, trial, &v, spec->v_dtype, spec->v_dim, 400, at->is_filled);
}

static void draw_heads(struct batch_case *batch, struct trial *trial, enum buffer buffer, uint32_t dtype,
                       uint32_t most) {
  float *scales = batch->buffers[buffer].host;
  for (uint32_t head = 0; head < batch->kv_heads && !has_rows(batch, dtype); head++)
    scales[head] = draw_scale(batch, trial, dtype, most);
}

/* The scale on the host, in the size of codes where there is no other; 0: none. */
static float draw_host(const struct batch_case *batch, struct trial *trial, uint32_t dtype, uint32_t most) {
  const bool is_alone = batch->spec.kv_scale == FI_SCALE_NONE && !has_rows(batch, dtype);
  const float unit = is_alone ? code_unit(dtype) : 1;
  const bool is_drawn = unit < 1 || (dtype_bits(dtype) <= 8 && trial_chance(trial, 2));
  return is_drawn ? unit * (float)trial_between(trial, 50, most) / 100 : 0;
}

void batch_scales_draw(struct batch_case *batch, struct trial *trial) {
  const fi_spec *spec = &batch->spec;
  draw_heads(batch, trial, BUFFER_K_SCALE, spec->kv_dtype, 150);
  draw_heads(batch, trial, BUFFER_V_SCALE, spec->v_dtype, 400);
  batch->k_scale = draw_host(batch, trial, spec->kv_dtype, 150);
  batch->v_scale = draw_host(batch, trial, spec->v_dtype, 400);
}

static void describe(const struct batch_case *batch, enum buffer buffer, const struct scale_layout *layout,
                     uint32_t dtype, bool on_host, fi_kv *kv) {
  if (batch->spec.kv_scale == FI_SCALE_NONE && !has_rows(batch, dtype))
    return;
  kv->scales = (void *)(uintptr_t)batch_case_pointer(batch, buffer, on_host);
  kv->scale_page_stride = layout->page_stride;
  kv->scale_token_stride = layout->token_stride;
  kv->scale_head_stride = layout->head_stride;
}

void batch_scales_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors) {
  tensors->k.scale = batch->k_scale;
  tensors->v.scale = batch->v_scale;
  describe(batch, BUFFER_K_SCALE, &batch->k_scales, batch->spec.kv_dtype, on_host, &tensors->k);
  describe(batch, BUFFER_V_SCALE, &batch->v_scales, batch->spec.v_dtype, on_host, &tensors->v);
}
