/* The scales of a quantised cache. */
#include "tests/matrix/batch_scales.h"

#include "tests/dtypes.h"

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
static struct scale_layout layout_of(const struct batch_case *batch, struct trial *trial,
                                     const struct reference_scale_rows *rows) {
  const int64_t element = (int64_t)dtype_bytes(rows->dtype);
  if (rows->count == 0)
    return (struct scale_layout){.elements = batch->kv_heads};
  const int64_t bytes = rows->packed * element;
  return draw_layout(batch, trial, rows->packed, (bytes % 16 == 0 ? 16 : bytes % 8 == 0 ? 8 : 4) / element);
}

bool batch_scales_create(struct batch_case *batch, struct trial *trial) {
  const fi_spec *spec = &batch->spec;
  const struct reference_scale_rows k_rows = reference_k_scale_rows(spec);
  const struct reference_scale_rows v_rows = reference_v_scale_rows(spec);
  batch->k_scales = layout_of(batch, trial, &k_rows);
  batch->v_scales = layout_of(batch, trial, &v_rows);
  return batch_case_buffer(batch, trial, BUFFER_K_SCALE, batch->k_scales.elements, dtype_bytes(k_rows.dtype)) &&
         batch_case_buffer(batch, trial, BUFFER_V_SCALE, batch->v_scales.elements, dtype_bytes(v_rows.dtype));
}

/* Scales of 4-bit types are numbers in any case; others of tokens that nobody sees stay NaN. */
static void draw_row(const struct batch_case *batch, struct trial *trial, const struct reference_scales *scales,
                     uint32_t dtype, uint32_t count, uint32_t most, bool is_filled) {
  const bool are_numbers = reference_scale_dtype(dtype) != FI_F32;
  for (uint32_t i = 0; i < count && (are_numbers || is_filled); i++)
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
  draw_row(batch, trial, &k, spec->kv_dtype, reference_k_scale_rows(spec).count, 150, at->is_filled);
  draw_row(batch, trial, &v, spec->v_dtype, reference_v_scale_rows(spec).count, 400, at->is_filled);
}

static void draw_heads(struct batch_case *batch, struct trial *trial, enum buffer buffer,
                       const struct reference_scale_rows *rows, uint32_t dtype, uint32_t most) {
  float *scales = batch->buffers[buffer].host;
  for (uint32_t head = 0; head < batch->kv_heads && rows->count == 0; head++)
    scales[head] = draw_scale(batch, trial, dtype, most);
}

/* The scale on the host, in the size of codes where there is no other; 0: none. */
static float draw_host(const struct batch_case *batch, struct trial *trial, const struct reference_scale_rows *rows,
                       uint32_t dtype, uint32_t most) {
  const bool is_alone = batch->spec.kv_scale == FI_SCALE_NONE && rows->count == 0;
  const float unit = is_alone ? code_unit(dtype) : 1;
  const bool is_drawn = unit < 1 || (dtype_bits(dtype) <= 8 && batch->spec.wide_dims == 0 && trial_chance(trial, 2));
  return is_drawn ? unit * (float)trial_between(trial, 50, most) / 100 : 0;
}

void batch_scales_draw(struct batch_case *batch, struct trial *trial) {
  const fi_spec *spec = &batch->spec;
  const struct reference_scale_rows k_rows = reference_k_scale_rows(spec);
  const struct reference_scale_rows v_rows = reference_v_scale_rows(spec);
  draw_heads(batch, trial, BUFFER_K_SCALE, &k_rows, spec->kv_dtype, 150);
  draw_heads(batch, trial, BUFFER_V_SCALE, &v_rows, spec->v_dtype, 400);
  batch->k_scale = draw_host(batch, trial, &k_rows, spec->kv_dtype, 150);
  batch->v_scale = draw_host(batch, trial, &v_rows, spec->v_dtype, 400);
}

static void describe(const struct batch_case *batch, enum buffer buffer, const struct scale_layout *layout,
                     const struct reference_scale_rows *rows, bool on_host, fi_kv *kv) {
  if (batch->spec.kv_scale == FI_SCALE_NONE && rows->count == 0)
    return;
  kv->scales = (void *)(uintptr_t)batch_case_pointer(batch, buffer, on_host);
  kv->scale_page_stride = layout->page_stride;
  kv->scale_token_stride = layout->token_stride;
  kv->scale_head_stride = layout->head_stride;
}

void batch_scales_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors) {
  tensors->k.scale = batch->k_scale;
  tensors->v.scale = batch->v_scale;
  const struct reference_scale_rows k_rows = reference_k_scale_rows(&batch->spec);
  const struct reference_scale_rows v_rows = reference_v_scale_rows(&batch->spec);
  describe(batch, BUFFER_K_SCALE, &batch->k_scales, &k_rows, on_host, &tensors->k);
  describe(batch, BUFFER_V_SCALE, &batch->v_scales, &v_rows, on_host, &tensors->v);
}
