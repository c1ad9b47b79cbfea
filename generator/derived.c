/* The table of what follows from a spec. */
#include "derived.h"

#include "dtypes.h"

#include <stddef.h>

uint32_t derived_qk_dim(const fi_spec *spec) {
  return spec->head_dim;
}

uint32_t derived_kv_bits(const fi_spec *spec) {
  return dtype_of(spec->kv_dtype)->bits;
}

uint32_t derived_rotates_keys(const fi_spec *spec) {
  return spec->rope != FI_ROPE_NONE && spec->rope_keys == FI_KEYS_UNROTATED;
}

uint32_t derived_has_intervals(const fi_spec *spec) {
  return spec->kv_start || spec->window_left || spec->window_right || spec->chunk || spec->ranges;
}

static uint32_t converts_query(const fi_spec *spec) {
  return dtype_of(spec->q_dtype)->operand != dtype_of(spec->kv_dtype)->operand;
}

/* bf16 has values that f16 lacks. */
static uint32_t scales_rows(const fi_spec *spec) {
  return spec->q_dtype == FI_BF16 && converts_query(spec);
}

const struct derived *derived_at(uint32_t number) {
  static const struct derived rows[] = {
      {"qk_dim", derived_qk_dim, "elements of a head of Q and K"},
      {"kv_bits", derived_kv_bits, "of a stored element of K or V"},
      {"rotates_keys", derived_rotates_keys, "1: K is rotated inside attention"},
      {"has_intervals", derived_has_intervals, "1: rows see KV from elsewhere than its first token on"},
      {"converts_query", converts_query, "1: Q is not of the type that the matrix instructions take K as"},
      {"scales_rows", scales_rows, "1: rows of Q are scaled into the range of that type"},
  };
  return number < sizeof rows / sizeof *rows ? &rows[number] : NULL;
}
