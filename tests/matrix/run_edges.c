/*
 * Attention on values at the edges of what is allowed. Each edge changes a random batch so that its result stays well
 * defined: equal keys, however large, have equal weights, and others
 * those of their differences; a row's only key has weight 1; Q may be of any size where
 * the softmax scale makes up for it; what a row does not see cannot change it, nor can the Q of another row.
 */
#include "tests/matrix/runs.h"

#include "tests/dtypes.h"
#include "tests/matrix/attention_check.h"
#include "tests/matrix/inside.h"
#include "tests/measure.h"

#include <math.h>
#include <stdio.h>

enum { MOST_SCALE_EXPONENT = 20, LEAST_SCALE_EXPONENT = -80, LARGE = 384 /* exact in e4m3 */ };

static const double SINGLE_LSE = 1e-4; /* relative error of a log-sum-exp that rounds no product */
static const double MOST_LOGIT = 1e30;

struct edge_run {
  struct trial *trial;
  fi_kernel *kernel;
  struct batch_case batch;
  struct reference reference;
  bool sums_exactly; /* sums of products of e4m3 lose what is small beside the largest of them */
};

static bool rotates(const fi_spec *spec) {
  return spec->rope != FI_ROPE_NONE;
}

/* That of log-sum-exps of scores without an error; 0: the type's. */
static double exact_lse(const struct edge_run *run) {
  return run->sums_exactly ? SINGLE_LSE : 0;
}

static float usual_scale(const fi_spec *spec) {
  return 1 / sqrtf((float)spec->head_dim);
}

/* ------------------------------------------------------------------------------------------------ rows */

static void set_row(uint32_t dtype, void *data, int64_t offset, uint32_t dim, double value) {
  for (uint32_t d = 0; d < dim; d++)
    dtype_encode(dtype, value, data, (size_t)offset + d);
}

static void multiply_row(uint32_t dtype, void *data, int64_t offset, uint32_t dim, double factor) {
  for (uint32_t d = 0; d < dim; d++)
    dtype_encode(dtype, factor * dtype_decode(dtype, data, (size_t)offset + d), data, (size_t)offset + d);
}

static void *q_data(const struct edge_run *run) {
  return run->batch.buffers[BUFFER_Q].host;
}

static uint32_t q_heads(const struct edge_run *run) {
  return run->batch.kv_heads * run->batch.spec.group;
}

static void set_k(const struct edge_run *run, uint32_t request, uint32_t token, uint32_t head, double value) {
  const struct reference_rows rows = reference_k_rows(&run->batch.spec);
  const int64_t offset = reference_cache_offset(&run->reference, request, token, head);
  set_row(rows.dtype, run->reference.tensors.k.data, offset, rows.dim, value);
}

/* The wide dims of a key. */
static void set_wide(const struct edge_run *run, uint32_t request, uint32_t token, uint32_t head, double value) {
  const fi_spec *spec = &run->batch.spec;
  const int64_t offset = reference_v_row_offset(&run->reference, request, token, head);
  set_row(spec->q_dtype, run->reference.tensors.v.data, offset, spec->wide_dims, value);
}

static void set_v(const struct edge_run *run, uint32_t request, uint32_t token, uint32_t head, double value) {
  const fi_spec *spec = &run->batch.spec;
  const int64_t offset = reference_v_offset(&run->reference, request, token, head);
  const uint32_t stored = reference_k_rows(spec).dim; /* of V in K; the rest of it is wide dims */
  const bool is_in_k = spec->v_source == FI_V_KEYS && spec->v_dim > stored;
  set_row(spec->v_dtype, reference_values(&run->reference)->data, offset, is_in_k ? stored : spec->v_dim, value);
}

/* ------------------------------------------------------------------------------------------------ equal keys */

/* What a snippet makes of scores beyond all floats is not what it makes of doubles. */
static bool has_snippet(const fi_spec *spec) {
  return spec->snippet != FI_SNIPPET_NONE;
}

/* A size that the type has, of any sign; exact in bf16 where f16 meets bf16. */
static double draw_size(struct trial *trial, const fi_spec *spec, uint32_t dtype) {
  static const double sizes[] = {0x1p-23, 0x1p-7, 1, 384, 49152, 133120, 0x1p50};
  const double size = sizes[trial_between(trial, 0, sizeof sizes / sizeof *sizes - 1)];
  const double largest = spec->kv_dtype == FI_BF16 ? fmin(61440, dtype_largest(dtype)) : dtype_largest(dtype);
  const double kept = fmin(size, dtype == FI_BF16 ? size : largest);
  return trial_chance(trial, 2) ? kept : -kept;
}

static bool has_plain_products(const fi_spec *spec) {
  const bool has_own_scales = reference_k_scale_rows(spec).count > 0;
  return !rotates(spec) && !has_own_scales;
}

/* Scores of equal keys are equal. */
static bool has_plain_keys(const fi_spec *spec) {
  return has_plain_products(spec) && spec->bias == FI_BIAS_NONE;
}

/* Every key of a request and head is the same, and so is every dim of a query. */
static void fill_equal_keys(struct edge_run *run) {
  struct batch_case *batch = &run->batch;
  const fi_spec *spec = &batch->spec;
  double most_k = 1;
  for (uint32_t r = 0; r < batch->requests; r++) {
    for (uint32_t head = 0; head < batch->kv_heads; head++) {
      const double k = draw_size(run->trial, spec, spec->kv_dtype);
      most_k = fmax(most_k, fabs(k));
      for (uint32_t token = 0; batch->q_len[r] > 0 && token < batch->kv_len[r]; token++)
        set_k(run, r, token, head, k);
    }
  }
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < q_heads(run); head++) {
      double q = draw_size(run->trial, spec, spec->q_dtype);
      while (fabs(q) * most_k * spec->head_dim > MOST_LOGIT)
        q /= 1024;
      set_row(spec->q_dtype, q_data(run), reference_q_offset(&run->reference, token, head), spec->head_dim, q);
    }
  }
  batch->softmax_scale = trial_chance(run->trial, 2) ? 0 : trial_chance(run->trial, 2) ? 0x1p-70f : 1.0f;
  batch->lse_tolerance = exact_lse(run);
}

static bool has_slopes(const fi_spec *spec) {
  return has_plain_products(spec) && spec->bias == FI_BIAS_SLOPES && !has_snippet(spec);
}

/*
 * Slopes of 0 leave equal logits equal. Of 128 dims they are of 2^27 and more, beside which a float cannot hold the
 * factor 2^8 of weights: with the first scale 2^16 would come of it, with the others 1.
 */
static void fill_flat_slopes(struct edge_run *run) {
  static const float scales[] = {5.00002f, 5.00002f, 7.7f, 40.4f};
  struct batch_case *batch = &run->batch;
  for (uint32_t r = 0; r < batch->requests; r++) {
    for (uint32_t token = 0; batch->q_len[r] > 0 && token < batch->kv_len[r]; token++) {
      for (uint32_t head = 0; head < batch->kv_heads; head++)
        set_k(run, r, token, head, LARGE);
    }
  }
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < q_heads(run); head++)
      set_row(batch->spec.q_dtype, q_data(run), reference_q_offset(&run->reference, token, head), batch->spec.head_dim,
              trial_chance(run->trial, 2) ? LARGE : -LARGE);
  }
  multiply_row(FI_F32, batch->buffers[BUFFER_SLOPES].host, 0, q_heads(run), 0);
  batch->softmax_scale = scales[trial_between(run->trial, 0, sizeof scales / sizeof *scales - 1)];
}

static bool is_scaled(const fi_spec *spec) {
  return spec->kv_scale != FI_SCALE_NONE && spec->v_source == FI_V_OWN && has_plain_keys(spec) && !has_snippet(spec);
}

/* K scales of any size, which V has not, with keys that are equal. Negative ones count as 0; those of tokens are never
 * so. */
static void fill_k_scales(struct edge_run *run) {
  static const float scales[] = {-0.5f, -INFINITY, 1e-39f, 1e-30f, 0x1p-20f, 0x1p20f, 1e12f, INFINITY};
  struct batch_case *batch = &run->batch;
  float *k_scale = batch->buffers[BUFFER_K_SCALE].host;
  const uint32_t least = batch->spec.kv_scale == FI_SCALE_TOKEN ? 2 : 0;
  for (uint32_t head = 0; head < batch->kv_heads; head++)
    k_scale[head] = scales[trial_between(run->trial, least, sizeof scales / sizeof *scales - 1)];
  fill_equal_keys(run);
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < q_heads(run); head++)
      set_row(batch->spec.q_dtype, q_data(run), reference_q_offset(&run->reference, token, head), batch->spec.head_dim,
              trial_chance(run->trial, 2) ? 3 : -3);
  }
}

/* ------------------------------------------------------------------------------------------------ large keys */

/* Beside a sink, weights of keys with large negative logits are less than any number. */
static bool has_plain_keys_alone(const fi_spec *spec) {
  return has_plain_keys(spec) && !spec->sinks && !has_snippet(spec);
}

/*
 * Keys that differ by little of what they have in common: scores are +-2^a + 0..7, exactly, and logits of any size have
 * differences from a quarter on, or ones beyond all floats. Where sums keep few bits scores have no more.
 */
static void fill_large_keys(struct edge_run *run) {
  static const float scales[] = {0.25f, 1, 8, 0x1p40f, 0x1p115f};
  struct batch_case *batch = &run->batch;
  const fi_spec *spec = &batch->spec;
  const uint32_t most_exponent = run->sums_exactly ? 14 : 3;
  void *k = run->reference.tensors.k.data;
  for (uint32_t r = 0; r < batch->requests; r++) {
    for (uint32_t head = 0; head < batch->kv_heads; head++) {
      const double large = trial_chance(run->trial, 2) ? 256 : -256;
      for (uint32_t token = 0; batch->q_len[r] > 0 && token < batch->kv_len[r]; token++) {
        const size_t offset = (size_t)reference_cache_offset(&run->reference, r, token, head);
        set_k(run, r, token, head, 0);
        dtype_encode(spec->kv_dtype, large, k, offset);
        dtype_encode(spec->kv_dtype, trial_between(run->trial, 0, 7), k, offset + 1);
      }
    }
  }
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < q_heads(run); head++) {
      const int64_t offset = reference_q_offset(&run->reference, token, head);
      set_row(spec->q_dtype, q_data(run), offset, spec->head_dim, 0);
      dtype_encode(spec->q_dtype, exp2(trial_between(run->trial, 0, most_exponent)), q_data(run), (size_t)offset);
      dtype_encode(spec->q_dtype, 1, q_data(run), (size_t)offset + 1);
    }
  }
  batch->softmax_scale = scales[trial_between(run->trial, 0, sizeof scales / sizeof *scales - 1)];
  batch->lse_tolerance = exact_lse(run);
}

/* ------------------------------------------------------------------------------------------------ one key */

/* One key has weight 1. */
static bool has_softmax_alone(const fi_spec *spec) {
  return !has_snippet(spec);
}

/* Q and K of any size; O is V, and a logit that sums large products of both signs is not checked. */
static void fill_one_key(struct edge_run *run) {
  struct batch_case *batch = &run->batch;
  const fi_spec *spec = &batch->spec;
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < q_heads(run); head++) {
      const double factor = fmin(fabs(draw_size(run->trial, spec, spec->q_dtype)), dtype_largest(spec->q_dtype) / 16);
      multiply_row(spec->q_dtype, q_data(run), reference_q_offset(&run->reference, token, head), spec->head_dim,
                   factor);
    }
  }
  batch->softmax_scale = 0;
  batch->lse_tolerance = INFINITY;
}

/* ------------------------------------------------------------------------------------------------ Q */

static bool has_any_keys(const fi_spec *spec) {
  (void)spec;
  return true;
}

/* All of Q times a power of two that the softmax scale takes back, as far as it is allowed. */
static void fill_q_range(struct edge_run *run) {
  static const int coarse[] = {-100, -60, -27, 10, 17, 60};
  static const int fine[] = {-14, -8, 6, 10};
  static const int narrow[] = {-5, -2, 3, 6};
  struct batch_case *batch = &run->batch;
  const fi_spec *spec = &batch->spec;
  const bool is_bf16 = spec->q_dtype == FI_BF16;
  const int *some = spec->q_dtype == FI_E4M3 ? narrow : fine;
  const int exponent = is_bf16 ? coarse[trial_between(run->trial, 0, sizeof coarse / sizeof *coarse - 1)]
                               : some[trial_between(run->trial, 0, sizeof fine / sizeof *fine - 1)];
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < q_heads(run); head++)
      multiply_row(spec->q_dtype, q_data(run), reference_q_offset(&run->reference, token, head), spec->head_dim,
                   exp2(exponent));
  }
  const int most = MOST_SCALE_EXPONENT;
  const int taken = -exponent > most ? most : -exponent < LEAST_SCALE_EXPONENT ? LEAST_SCALE_EXPONENT : -exponent;
  batch->softmax_scale = usual_scale(spec) * (float)exp2(taken);
}

/* One dim of Q is far larger than the others, and that of K zero. */
static void fill_q_spread(struct edge_run *run) {
  struct batch_case *batch = &run->batch;
  const fi_spec *spec = &batch->spec;
  const uint32_t dim = random_below(&run->trial->random, spec->head_dim);
  const double large = spec->q_dtype == FI_BF16 ? 133120 : 1024;
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < q_heads(run); head++)
      dtype_encode(spec->q_dtype, large, q_data(run), (size_t)reference_q_offset(&run->reference, token, head) + dim);
  }
  for (uint32_t r = 0; r < batch->requests; r++) {
    for (uint32_t token = 0; batch->q_len[r] > 0 && token < batch->kv_len[r]; token++) {
      for (uint32_t head = 0; head < batch->kv_heads; head++)
        dtype_encode(spec->kv_dtype, 0, run->reference.tensors.k.data,
                     (size_t)reference_cache_offset(&run->reference, r, token, head) + dim);
    }
  }
  batch->softmax_scale = 0;
}

/* ------------------------------------------------------------------------------------------------ out of sight */

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
      set_wide(run, request, token, head, draw_special(run->trial, spec->q_dtype));
  }
}

static void spoil_token(struct edge_run *run, uint32_t request, uint32_t token) {
  const bool is_k = trial_chance(run->trial, 4);
  const uint32_t dtype = is_k ? run->batch.spec.kv_dtype : run->batch.spec.v_dtype;
  for (uint32_t head = 0; head < run->batch.kv_heads; head++) {
    const double special = draw_special(run->trial, dtype);
    if (is_k)
      set_k(run, request, token, head, special);
    else
      set_v(run, request, token, head, special);
  }
  spoil_scales(run, request, token);
  spoil_groups(run, request, token);
}

/* Whether tokens are hidden from some query tokens by other than where they are. */
static bool hides_by_token(const fi_spec *spec) {
  return spec->bias == FI_BIAS_DENSE || spec->mask_bits || has_snippet(spec);
}

/*
 * All of one request, and of the others the tokens that only a last query token sees; of those that are hidden by more
 * than the mask, some.
 */
static void fill_specials(struct edge_run *run) {
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
  batch->softmax_scale = usual_scale(&batch->spec) / 4; /* all weights are more than 0 */
  multiply_row(FI_F32, batch->buffers[BUFFER_SLOPES].host, 0, q_heads(run), 0x1p-9);
}

/* ------------------------------------------------------------------------------------------------ odd queries */

/*
 * Some rows of Q have an element that is infinite or NaN, beside others of their tile that have none: O and LSE of the
 * others stay what they are. Of a rotated infinity the sign of a sine that is nearly zero would matter.
 */
static void fill_odd_queries(struct edge_run *run) {
  struct batch_case *batch = &run->batch;
  const fi_spec *spec = &batch->spec;
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < q_heads(run); head++) {
      const size_t at = (size_t)reference_q_offset(&run->reference, token, head);
      const double special = rotates(spec) ? NAN : draw_special(run->trial, spec->q_dtype);
      if (trial_chance(run->trial, 5))
        dtype_encode(spec->q_dtype, special, q_data(run), at + random_below(&run->trial->random, spec->head_dim));
    }
  }
  batch->sees_specials = true;
}

static bool hides_tokens(const fi_spec *spec) {
  return spec->mask == FI_MASK_CAUSAL || hides_by_token(spec);
}

/* ------------------------------------------------------------------------------------------------ run */

static const struct edge {
  const char *name;
  bool (*applies)(const fi_spec *spec);
  void (*fill)(struct edge_run *run);
  enum batch_kind kinds[2];
} edges[] = {
    {"equal keys", has_plain_keys, fill_equal_keys, {BATCH_MIXED, BATCH_SPLIT}},
    {"one key", has_softmax_alone, fill_one_key, {BATCH_ONE_KEY, BATCH_ONE_KEY}},
    {"flat slopes", has_slopes, fill_flat_slopes, {BATCH_MIXED, BATCH_SPLIT}},
    {"large keys", has_plain_keys_alone, fill_large_keys, {BATCH_MIXED, BATCH_SPLIT}},
    {"K scales", is_scaled, fill_k_scales, {BATCH_MIXED, BATCH_SPLIT}},
    {"range of Q", has_any_keys, fill_q_range, {BATCH_MIXED, BATCH_SPLIT}},
    {"spread of Q", has_plain_keys, fill_q_spread, {BATCH_MIXED, BATCH_SPLIT}},
    {"infinity and NaN out of sight", hides_tokens, fill_specials, {BATCH_MIXED, BATCH_SPLIT}},
    {"infinity and NaN in Q", has_any_keys, fill_odd_queries, {BATCH_MIXED, BATCH_SPLIT}},
};

static bool run_batch(struct edge_run *run, const struct edge *edge, const struct tile *tile, const fi_spec *canonical,
                      enum batch_kind kind) {
  struct batch_case *batch = &run->batch;
  struct trial *trial = run->trial;
  if (!batch_case_create(batch, trial, canonical, tile, kind))
    return false;
  run->reference = batch_case_reference(batch);
  edge->fill(run);
  batch_case_upload(batch, trial);
  const fi_batch lengths = batch_case_lengths(batch, false);
  const fi_tensors tensors = batch_case_tensors(batch, false);
  return batch_case_reserve(batch, trial, run->kernel) &&
         trial_ok(trial, "fi_plan", fi_plan(run->kernel, &lengths, &batch->workspace, NULL)) &&
         attention_launch(trial, run->kernel, batch, &tensors) && attention_check(trial, batch);
}

/* Failures begin with the edge's name. */
static bool run_edge(struct edge_run *run, const struct edge *edge, const struct tile *tile, const fi_spec *canonical) {
  bool passed = true;
  for (size_t i = 0; i < 2 && passed; i++) {
    passed = run_batch(run, edge, tile, canonical, edge->kinds[i]);
    batch_case_free(&run->batch, run->trial);
  }
  return passed || trial_name_failure(run->trial, edge->name);
}

bool run_edges(struct trial *trial, const fi_spec *canonical) {
  struct edge_run run = {.trial = trial, .sums_exactly = measure_dtype(canonical, trial->target) != FI_E4M3};
  if (!trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &run.kernel)))
    return false;
  const struct tile *tile = inside_tile(run.kernel);
  for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
    if (edges[i].applies(canonical) && !run_edge(&run, &edges[i], tile, canonical))
      return false;
  }
  return true;
}
