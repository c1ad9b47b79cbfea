/* Edges of attention on infinities and NaN that must not be seen. */
#include "tests/matrix/edges.h"

#include "tests/dtypes.h"

#include <math.h>

static double draw_special(struct trial *trial, uint32_t dtype) {
  const double specials[] = {NAN, INFINITY, -INFINITY};
  return dtype == FI_E4M3 ? NAN : specials[trial_between(trial, 0, 2)];
}

/* Whole numbers are never special, but the scales of a token may be NaN: O and LSE of rows that see it are NaN. */
static void spoil_scales(struct edge_run *run, uint32_t request, uint32_t token) {
  const struct reference *reference = &run->reference;
  float *k = run->batch.buffers[BUFFER_K_SCALE].host;
  float *v = run->batch.buffers[BUFFER_V_SCALE].host;
  for (uint32_t head = 0; head < run->batch.kv_heads && run->batch.spec.kv_scale == FI_SCALE_TOKEN; head++) {
    k[reference_k_scales(reference, request, token, head).first] = NAN;
    if (run->batch.spec.v_dtype == FI_I8)
      v[reference_v_scales(reference, request, token, head).first] = NAN;
  }
}

/* Of e4m3 with scales of groups any of these may be NaN, and wide dims infinite, too. */
static void spoil_groups(struct edge_run *run, uint32_t request, uint32_t token) {
  const fi_spec *spec = &run->batch.spec;
  const struct reference_scale_rows rows = reference_k_scale_rows(spec);
  void *scales = run->batch.buffers[BUFFER_K_SCALE].host;
  for (uint32_t head = 0; head < run->batch.kv_heads && spec->wide_dims > 0; head++) {
    const int64_t first = reference_k_scales(&run->reference, request, token, head).first;
    if (trial_chance(run->trial, 2))
      dtype_encode(rows.dtype, NAN, scales, (size_t)first + random_below(&run->trial->random, rows.count));
    if (trial_chance(run->trial, 2))
      edge_set_wide(run, request, token, head, draw_special(run->trial, spec->q_dtype));
  }
}

static void spoil_token(struct edge_run *run, uint32_t request, uint32_t token) {
  const bool is_k = trial_chance(run->trial, 4);
  const uint32_t dtype = is_k ? run->batch.spec.kv_dtype : run->batch.spec.v_dtype;
  for (uint32_t head = 0; head < run->batch.kv_heads; head++) {
    const double special = draw_special(run->trial, dtype);
    if (is_k)
      edge_set_k(run, request, token, head, special);
    else
      edge_set_v(run, request, token, head, special);
  }
  spoil_scales(run, request, token);
  spoil_groups(run, request, token);
}

/* Whether tokens are hidden from some query tokens by other than where they are. */
static bool hides_by_token(const fi_spec *spec) {
  return spec->bias == FI_BIAS_DENSE || spec->mask_bits || edge_has_snippet(spec);
}

/*
 * All of one request, and of the others the tokens that only a last query token sees; of those that are hidden by more
 * than the mask, some.
 */
void edge_fill_specials(struct edge_run *run) {
  struct batch_case *batch = &run->batch;
  const uint32_t spoiled = random_below(&run->trial->random, batch->requests);
  for (uint32_t r = 0; r < batch->requests; r++) {
    const bool is_spoiled = r == spoiled && batch->requests > 2 && batch->q_len[r] > 0; /* else it has no pages */
    const uint32_t first = is_spoiled || batch->kv_len[r] == 0 ? 0 : batch->kv_len[r] - 1;
    for (uint32_t token = first; (is_spoiled || batch->q_len[r] > 1) && token < batch->kv_len[r]; token++)
      spoil_token(run, r, token);
    for (uint32_t token = 0; hides_by_token(&batch->spec) && batch->q_len[r] > 0 && token < first; token += 100)
      spoil_token(run, r, token);
  }
  batch->sees_specials = true;
  batch->softmax_scale = edge_scale(&batch->spec) / 4; /* all weights are more than 0 */
  edge_multiply_row(FI_F32, batch->buffers[BUFFER_SLOPES].host, 0, edge_q_heads(run), 0x1p-9);
  edge_multiply_row(FI_F32, batch->buffers[BUFFER_SINKS].host, 0, edge_q_heads(run), 0.5);
}

/* ------------------------------------------------------------------------------------------------ odd queries */

/*
 * Some rows of Q have an element that is infinite or NaN, beside others of their tile that have none: O and LSE of the
 * others stay what they are. Of a rotated infinity the sign of a sine that is nearly zero would matter.
 */
void edge_fill_odd_queries(struct edge_run *run) {
  struct batch_case *batch = &run->batch;
  const fi_spec *spec = &batch->spec;
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < edge_q_heads(run); head++) {
      const size_t at = (size_t)reference_q_offset(&run->reference, token, head);
      const double special = edge_rotates(spec) ? NAN : draw_special(run->trial, spec->q_dtype);
      if (trial_chance(run->trial, 5))
        dtype_encode(spec->q_dtype, special, edge_q(run), at + random_below(&run->trial->random, spec->head_dim));
    }
  }
  batch->sees_specials = true;
}

bool edge_hides_tokens(const fi_spec *spec) {
  return spec->mask == FI_MASK_CAUSAL || hides_by_token(spec);
}
