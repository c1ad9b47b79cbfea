/* The scales of a quantised cache. */
#include "tests/matrix/batch_scales.h"

#include "tests/dtypes.h"

/* Whether scales are those of tokens. */
static bool has_token_scales(const struct batch_case *batch) {
  return batch->spec.kv_scale == FI_SCALE_TOKEN;
}

/* Codes are up to 127: in the size of what other types hold. */
static float code_unit(const struct batch_case *batch) {
  return batch->spec.kv_dtype == FI_I8 ? 1.0f / 32 : 1;
}

/* Up to so many hundredths; what is appended may have any scale. */
static float draw_scale(const struct batch_case *batch, struct trial *trial, uint32_t most) {
  static const float edges[] = {1e-39f, 1e-30f, 0x1p-40f, 0x1p40f, 1e30f};
  if (batch->spec.op == FI_OP_APPEND && trial_chance(trial, 4))
    return edges[trial_between(trial, 0, sizeof edges / sizeof *edges - 1)];
  return code_unit(batch) * (float)trial_between(trial, 50, most) / 100;
}

/* Tokens before heads or heads before tokens, packed or with gaps. */
static struct scale_layout draw_scales(const struct batch_case *batch, struct trial *trial) {
  const int64_t places = (int64_t)batch_case_places(batch);
  const int64_t tokens = batch->spec.page_size > 0           ? batch->spec.page_size
                         : batch->spec.index == FI_INDEX_CSR ? places
                                                             : batch->workspace.max_kv_len;
  const int64_t heads = batch->kv_heads;
  struct scale_layout layout = {0};
  if (trial_chance(trial, 3)) {
    layout.elements = (size_t)(places * heads);
    layout.page_stride = batch->spec.page_size > 0 ? 0 : tokens * heads;
    return layout;
  }
  const bool is_heads_first = trial_chance(trial, 2);
  const int64_t inner = trial_between(trial, 1, 2);
  const int64_t outer = (is_heads_first ? tokens : heads) * inner + trial_between(trial, 0, 2);
  layout.token_stride = is_heads_first ? inner : outer;
  layout.head_stride = is_heads_first ? outer : inner;
  layout.page_stride = (is_heads_first ? heads : tokens) * outer + trial_between(trial, 0, 3);
  layout.elements = (size_t)(places / tokens * layout.page_stride);
  return layout;
}

bool batch_scales_create(struct batch_case *batch, struct trial *trial) {
  const struct scale_layout heads = {.elements = batch->kv_heads};
  batch->k_scales = has_token_scales(batch) ? draw_scales(batch, trial) : heads;
  batch->v_scales = has_token_scales(batch) ? draw_scales(batch, trial) : heads;
  return batch_case_buffer(batch, trial, BUFFER_K_SCALE, batch->k_scales.elements, sizeof(float)) &&
         batch_case_buffer(batch, trial, BUFFER_V_SCALE, batch->v_scales.elements, sizeof(float));
}

void batch_scales_draw_token(struct batch_case *batch, struct trial *trial, const struct reference *reference,
                             uint32_t request, uint32_t token, uint32_t head) {
  float *k = batch->buffers[BUFFER_K_SCALE].host;
  float *v = batch->buffers[BUFFER_V_SCALE].host;
  if (!has_token_scales(batch) || batch->spec.op != FI_OP_ATTENTION)
    return;
  k[reference_k_scale_offset(reference, request, token, head)] = draw_scale(batch, trial, 150);
  v[reference_v_scale_offset(reference, request, token, head)] = draw_scale(batch, trial, 400);
}

static void draw_heads(struct batch_case *batch, struct trial *trial) {
  float *k_scale = batch->buffers[BUFFER_K_SCALE].host;
  float *v_scale = batch->buffers[BUFFER_V_SCALE].host;
  for (uint32_t head = 0; head < batch->kv_heads; head++) {
    k_scale[head] = draw_scale(batch, trial, 150);
    v_scale[head] = draw_scale(batch, trial, 400);
  }
}

void batch_scales_draw(struct batch_case *batch, struct trial *trial) {
  if (!has_token_scales(batch))
    draw_heads(batch, trial);
  const bool is_unscaled = batch->spec.kv_scale == FI_SCALE_NONE;
  const bool is_needed = is_unscaled && code_unit(batch) < 1;
  const bool on_host = is_needed || (dtype_bytes(batch->spec.kv_dtype) == 1 && trial_chance(trial, 2));
  const float unit = is_unscaled ? code_unit(batch) : 1;
  batch->k_scale = on_host ? unit * (float)trial_between(trial, 50, 150) / 100 : 0;
  batch->v_scale = on_host ? unit * (float)trial_between(trial, 50, 400) / 100 : 0;
}

static void describe_scales(const struct scale_layout *layout, const void *scales, fi_kv *kv) {
  kv->scales = (void *)(uintptr_t)scales;
  kv->scale_page_stride = layout->page_stride;
  kv->scale_token_stride = layout->token_stride;
  kv->scale_head_stride = layout->head_stride;
}

void batch_scales_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors) {
  tensors->k.scale = batch->k_scale;
  tensors->v.scale = batch->v_scale;
  if (batch->spec.kv_scale == FI_SCALE_NONE)
    return;
  describe_scales(&batch->k_scales, batch_case_pointer(batch, BUFFER_K_SCALE, on_host), &tensors->k);
  describe_scales(&batch->v_scales, batch_case_pointer(batch, BUFFER_V_SCALE, on_host), &tensors->v);
}
