/* The table of what follows from a spec. */
#include "derived.h"

#include "dtypes.h"

#include <stddef.h>

enum { WORD = 4 }; /* bytes */

uint32_t derived_operand(const fi_spec *spec) {
  const bool is_stored = spec->op != FI_OP_INDEXER && spec->wide_dims == 0; /* K as the cache has it */
  return dtype_of(is_stored ? spec->kv_dtype : spec->q_dtype)->operand;
}

uint32_t derived_qk_dim(const fi_spec *spec) {
  return spec->head_dim;
}

uint32_t derived_kv_bits(const fi_spec *spec) {
  return dtype_of(spec->kv_dtype)->bits;
}

uint32_t derived_v_bits(const fi_spec *spec) {
  return dtype_of(spec->v_dtype)->bits;
}

uint32_t derived_code_dims(const fi_spec *spec) {
  return spec->head_dim - spec->wide_dims;
}

uint32_t derived_v_row_dims(const fi_spec *spec) {
  return spec->wide_dims > 0 ? spec->wide_dims : spec->v_dim;
}

uint32_t derived_v_row_dtype(const fi_spec *spec) {
  return spec->wide_dims > 0 ? spec->q_dtype : spec->v_dtype;
}

uint32_t derived_rotates_keys(const fi_spec *spec) {
  return spec->rope != FI_ROPE_NONE && spec->rope_keys == FI_KEYS_UNROTATED;
}

/* Pairs of neighbours fill chunks of 8 elements; halves do where each of them does. */
static uint32_t rotates_pairs(const fi_spec *spec) {
  const uint32_t chunk = spec->rope == FI_ROPE_HALF ? 16 : 8;
  return spec->rope != FI_ROPE_NONE && (spec->rope_dim % chunk > 0 || spec->rope_first % 8 > 0);
}

uint32_t derived_plans_intervals(const fi_spec *spec) {
  return spec->kv_start || spec->window_left || spec->window_right || spec->chunk || spec->ranges;
}

uint32_t derived_reads_lists(const fi_spec *spec) {
  return spec->op == FI_OP_ATTENTION && spec->select > 0;
}

uint32_t derived_tells_prefixes(const fi_spec *spec) {
  return spec->prefixes == 2;
}

/* The tokens of lists are looked at one by one. */
uint32_t derived_has_intervals(const fi_spec *spec) {
  return derived_plans_intervals(spec) && !spec->select;
}

uint32_t derived_converts_query(const fi_spec *spec) {
  return dtype_of(spec->q_dtype)->operand != derived_operand(spec);
}

/* bf16 has values that f16 lacks. */
static uint32_t scales_rows(const fi_spec *spec) {
  return spec->q_dtype == FI_BF16 && derived_converts_query(spec);
}

/* A matrix instruction takes 16 dims of Q and K, and two octets of V, at a time. */
static uint32_t is_odd_octets(uint32_t dim) {
  return dim / 8 % 2;
}

static uint32_t qk_tail(const fi_spec *spec) {
  return is_odd_octets(spec->head_dim);
}

static uint32_t v_tail(const fi_spec *spec) {
  return is_odd_octets(spec->v_dim);
}

static uint32_t half_chunks(const fi_spec *spec) {
  return derived_kv_bits(spec) == 8 && spec->wide_dims == 0 && (qk_tail(spec) || v_tail(spec));
}

uint32_t derived_has_token_scales(const fi_spec *spec) {
  return spec->kv_scale == FI_SCALE_TOKEN;
}

uint32_t derived_group_scale_bytes(uint32_t dtype) {
  return dtype == FI_I4 ? 2 : dtype == FI_NVFP4 ? 1 : 0;
}

/* Of the scales of groups of e4m3, in whole words. */
static uint32_t grouped_scale_bytes(const fi_spec *spec) {
  const uint32_t bytes = derived_code_dims(spec) / spec->scale_group * derived_key_scale_element(spec);
  return (bytes + WORD - 1) / WORD * WORD;
}

/* Of the scales of a token and head, for K or V of this type. */
static uint32_t scale_bytes(const fi_spec *spec, uint32_t dtype, uint32_t dim) {
  const uint32_t of_group = derived_group_scale_bytes(dtype);
  if (of_group > 0)
    return dim / spec->scale_group * of_group;
  return derived_has_token_scales(spec) ? sizeof(float) : 0;
}

uint32_t derived_key_scale_bytes(const fi_spec *spec) {
  return spec->wide_dims > 0 ? grouped_scale_bytes(spec) : scale_bytes(spec, spec->kv_dtype, spec->head_dim);
}

uint32_t derived_value_scale_bytes(const fi_spec *spec) {
  return scale_bytes(spec, spec->v_dtype, spec->v_dim);
}

/* Bytes of one of these scales. */
static uint32_t scale_element(uint32_t dtype) {
  const uint32_t of_group = derived_group_scale_bytes(dtype);
  return of_group > 0 ? of_group : sizeof(float);
}

uint32_t derived_key_scale_element(const fi_spec *spec) {
  return spec->kv_scale == FI_SCALE_E8M0 ? 1 : scale_element(spec->kv_dtype);
}

uint32_t derived_value_scale_element(const fi_spec *spec) {
  return scale_element(spec->v_dtype);
}

static uint32_t copies_scales(const fi_spec *spec) {
  return derived_key_scale_bytes(spec) + derived_value_scale_bytes(spec) > 0;
}

uint32_t derived_span(const fi_spec *spec) {
  const bool ends = spec->mask == FI_MASK_CAUSAL || spec->window_right > 0;
  const uint32_t window = spec->window_left > 0 && ends ? spec->window_left + spec->window_right : UINT32_MAX;
  return spec->chunk > 0 && spec->chunk < window ? spec->chunk : window;
}

uint32_t derived_least_heads(const fi_spec *spec) {
  uint32_t heads = spec->group;
  while (heads % 2 == 0)
    heads /= 2;
  return heads;
}

static uint32_t quantizes_rows(const fi_spec *spec) {
  return dtype_of(spec->v_dtype)->whole || spec->wide_dims > 0;
}

static uint32_t changes_scores(const fi_spec *spec) {
  return spec->softcap || spec->bias != FI_BIAS_NONE || spec->snippet != FI_SNIPPET_NONE ||
         derived_has_token_scales(spec);
}

static uint32_t weighs_at_once(const fi_spec *spec) {
  return spec->softcap && spec->bias == FI_BIAS_NONE && !spec->snippet && !spec->prefixes && !spec->mask_bits &&
         !derived_has_token_scales(spec);
}

uint32_t derived_hides_tokens(const fi_spec *spec) {
  return spec->bias == FI_BIAS_DENSE || spec->snippet != FI_SNIPPET_NONE;
}

const struct derived *derived_at(uint32_t number) {
  static const struct derived rows[] = {
      {"qk_dim", derived_qk_dim, "elements of a head of Q and K"},
      {"kv_bits", derived_kv_bits, "of a stored element of K or V"},
      {"qk_tail", qk_tail, "1: 8 dims of Q and K are left after all blocks of 16"},
      {"v_tail", v_tail, "1: 8 dims of V are left after all blocks of 16"},
      {"half_chunks", half_chunks, "1: rows of K or V end with half a chunk of 16 bytes"},
      {"code_dims", derived_code_dims, "elements of a row of K: all but the wide dims"},
      {"rotates_keys", derived_rotates_keys, "1: K is rotated inside attention"},
      {"rotates_pairs", rotates_pairs, "1: rotated pairs do not fill chunks of 8 elements"},
      {"has_intervals", derived_has_intervals, "1: rows see KV from elsewhere than its first token on"},
      {"converts_query", derived_converts_query, "1: Q is not of the type that the matrix instructions take K as"},
      {"scales_rows", scales_rows, "1: rows of Q are scaled into the range of that type"},
      {"v_bits", derived_v_bits, "of a stored element of V"},
      {"token_scales", derived_has_token_scales, "1: K of a token and head, and 8-bit V, have a scale of their own"},
      {"key_scale_bytes", derived_key_scale_bytes, "of the scales that K of a token and head has of its own"},
      {"value_scale_bytes", derived_value_scale_bytes, "of those that V has"},
      {"key_scale_element", derived_key_scale_element, "bytes of one of the scales of K"},
      {"value_scale_element", derived_value_scale_element, "bytes of one of those of V"},
      {"copies_scales", copies_scales, "1: there are such"},
      {"quantizes_rows", quantizes_rows, "1: append converts a row as a whole"},
      {"changes_scores", changes_scores, "1: a score becomes its logit by more than a factor"},
      {"weighs_at_once", weighs_at_once, "1: scores become weights at once"},
      {"hides_tokens", derived_hides_tokens, "1: logits of -infinity are of tokens that are not seen"},
  };
  return number < sizeof rows / sizeof *rows ? &rows[number] : NULL;
}
