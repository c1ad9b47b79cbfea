/*
 * Attention on values at the edges of what is allowed. Each edge changes a random batch so that its result stays well
 * defined: equal keys, however large, have equal weights, and others
 * those of their differences; a row's only key has weight 1; Q may be of any size where
 * the softmax scale makes up for it; what a row does not see cannot change it, nor can the Q of another row.
 */
#include "tests/matrix/runs.h"

#include "tests/dtypes.h"
#include "tests/matrix/attention_check.h"
#include "tests/matrix/edges.h"
#include "tests/matrix/inside.h"
#include "tests/measure.h"

#include <math.h>
#include <stdio.h>

enum { MOST_SCALE_EXPONENT = 20, LEAST_SCALE_EXPONENT = -80, LARGE = 384 /* exact in e4m3 */ };

static const double SINGLE_LSE = 1e-4; /* relative error of a log-sum-exp that rounds no product */
static const double MOST_LOGIT = 1e30;

/* That of log-sum-exps of scores without an error; 0: the type's. */
static double exact_lse(const struct edge_run *run) {
  return run->sums_exactly ? SINGLE_LSE : 0;
}

/* ------------------------------------------------------------------------------------------------ equal keys */

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
  return !edge_rotates(spec) && !has_own_scales;
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
        edge_set_k(run, r, token, head, k);
    }
  }
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < edge_q_heads(run); head++) {
      double q = draw_size(run->trial, spec, spec->q_dtype);
      while (fabs(q) * most_k * spec->head_dim > MOST_LOGIT)
        q /= 1024;
      edge_set_row(spec->q_dtype, edge_q(run), reference_q_offset(&run->reference, token, head), spec->head_dim, q);
    }
  }
  batch->softmax_scale = trial_chance(run->trial, 2) ? 0 : trial_chance(run->trial, 2) ? 0x1p-70f : 1.0f;
  batch->lse_tolerance = exact_lse(run);
}

static bool has_slopes(const fi_spec *spec) {
  return has_plain_products(spec) && spec->bias == FI_BIAS_SLOPES && !edge_has_snippet(spec);
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
        edge_set_k(run, r, token, head, LARGE);
    }
  }
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < edge_q_heads(run); head++)
      edge_set_row(batch->spec.q_dtype, edge_q(run), reference_q_offset(&run->reference, token, head),
                   batch->spec.head_dim, trial_chance(run->trial, 2) ? LARGE : -LARGE);
  }
  edge_multiply_row(FI_F32, batch->buffers[BUFFER_SLOPES].host, 0, edge_q_heads(run), 0);
  batch->softmax_scale = scales[trial_between(run->trial, 0, sizeof scales / sizeof *scales - 1)];
}

static bool is_scaled(const fi_spec *spec) {
  return spec->kv_scale != FI_SCALE_NONE && spec->v_source == FI_V_OWN && has_plain_keys(spec) &&
         !edge_has_snippet(spec);
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
    for (uint32_t head = 0; head < edge_q_heads(run); head++)
      edge_set_row(batch->spec.q_dtype, edge_q(run), reference_q_offset(&run->reference, token, head),
                   batch->spec.head_dim, trial_chance(run->trial, 2) ? 3 : -3);
  }
}

/* ------------------------------------------------------------------------------------------------ large keys */

/* Beside a sink, weights of keys with large negative logits are less than any number. */
static bool has_plain_keys_alone(const fi_spec *spec) {
  return has_plain_keys(spec) && !spec->sinks && !edge_has_snippet(spec);
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
        edge_set_k(run, r, token, head, 0);
        dtype_encode(spec->kv_dtype, large, k, offset);
        dtype_encode(spec->kv_dtype, trial_between(run->trial, 0, 7), k, offset + 1);
      }
    }
  }
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < edge_q_heads(run); head++) {
      const int64_t offset = reference_q_offset(&run->reference, token, head);
      edge_set_row(spec->q_dtype, edge_q(run), offset, spec->head_dim, 0);
      dtype_encode(spec->q_dtype, exp2(trial_between(run->trial, 0, most_exponent)), edge_q(run), (size_t)offset);
      dtype_encode(spec->q_dtype, 1, edge_q(run), (size_t)offset + 1);
    }
  }
  batch->softmax_scale = scales[trial_between(run->trial, 0, sizeof scales / sizeof *scales - 1)];
  batch->lse_tolerance = exact_lse(run);
}

/*
 * Keys from some token on whose logits are larger by so much that the weights of those before them are nothing. V is
 * what it was, or so large that no float holds it times the weights of keys that far above what is taken off.
 */
static void fill_rising_keys(struct edge_run *run) {
  static const float rises[] = {12, 20, 30, 40, 60, 1e6f};
  struct batch_case *batch = &run->batch;
  const fi_spec *spec = &batch->spec;
  const bool large = spec->v_dtype == FI_BF16 && spec->o_dtype != FI_F16 && trial_chance(run->trial, 2);
  for (uint32_t r = 0; r < batch->requests; r++) {
    const uint32_t first = trial_between(run->trial, 0, batch->kv_len[r]);
    for (uint32_t token = 0; batch->q_len[r] > 0 && token < batch->kv_len[r]; token++) {
      for (uint32_t head = 0; head < batch->kv_heads; head++)
        edge_set_k(run, r, token, head, token >= first);
      for (uint32_t head = 0; large && head < batch->kv_heads; head++)
        edge_set_v(run, r, token, head, token % 2 ? 0x1p100 : 0x1.8p99);
    }
  }
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < edge_q_heads(run); head++)
      edge_set_row(spec->q_dtype, edge_q(run), reference_q_offset(&run->reference, token, head), spec->head_dim, 1);
  }
  batch->softmax_scale =
      rises[trial_between(run->trial, 0, sizeof rises / sizeof *rises - 1)] / (float)spec->head_dim;
}

/* ------------------------------------------------------------------------------------------------ one key */

/* One key has weight 1. */
static bool has_softmax_alone(const fi_spec *spec) {
  return !edge_has_snippet(spec);
}

/* Q and K of any size; O is V, and a logit that sums large products of both signs is not checked. */
static void fill_one_key(struct edge_run *run) {
  struct batch_case *batch = &run->batch;
  const fi_spec *spec = &batch->spec;
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < edge_q_heads(run); head++) {
      const double factor = fmin(fabs(draw_size(run->trial, spec, spec->q_dtype)), dtype_largest(spec->q_dtype) / 16);
      edge_multiply_row(spec->q_dtype, edge_q(run), reference_q_offset(&run->reference, token, head), spec->head_dim,
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
    for (uint32_t head = 0; head < edge_q_heads(run); head++)
      edge_multiply_row(spec->q_dtype, edge_q(run), reference_q_offset(&run->reference, token, head), spec->head_dim,
                        exp2(exponent));
  }
  const int most = MOST_SCALE_EXPONENT;
  const int taken = -exponent > most ? most : -exponent < LEAST_SCALE_EXPONENT ? LEAST_SCALE_EXPONENT : -exponent;
  batch->softmax_scale = edge_scale(spec) * (float)exp2(taken);
}

/* One dim of Q is far larger than the others, and that of K zero. */
static void fill_q_spread(struct edge_run *run) {
  struct batch_case *batch = &run->batch;
  const fi_spec *spec = &batch->spec;
  const uint32_t dim = random_below(&run->trial->random, spec->head_dim);
  const double large = spec->q_dtype == FI_BF16 ? 133120 : 1024;
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < edge_q_heads(run); head++)
      dtype_encode(spec->q_dtype, large, edge_q(run), (size_t)reference_q_offset(&run->reference, token, head) + dim);
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
    {"rising keys", has_plain_keys_alone, fill_rising_keys, {BATCH_MIXED, BATCH_SPLIT}},
    {"K scales", is_scaled, fill_k_scales, {BATCH_MIXED, BATCH_SPLIT}},
    {"range of Q", has_any_keys, fill_q_range, {BATCH_MIXED, BATCH_SPLIT}},
    {"spread of Q", has_plain_keys, fill_q_spread, {BATCH_MIXED, BATCH_SPLIT}},
    {"infinity and NaN out of sight", edge_hides_tokens, edge_fill_specials, {BATCH_MIXED, BATCH_SPLIT}},
    {"infinity and NaN in Q", has_any_keys, edge_fill_odd_queries, {BATCH_MIXED, BATCH_SPLIT}},
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
