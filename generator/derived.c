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

static uint32_t converts_query(const fi_spec *spec) {
  return dtype_of(spec->q_dtype)->operand != dtype_of(spec->kv_dtype)->operand;
}

const struct derived *derived_at(uint32_t number) {
  static const struct derived rows[] = {
      {"qk_dim", derived_qk_dim, "elements of a head of Q and K"},
      {"kv_bits", derived_kv_bits, "of a stored element of K or V"},
      {"rotates_keys", derived_rotates_keys, "1: K is rotated inside attention"},
      {"converts_query", converts_query, "1: Q is not of the type that the matrix instructions take K as"},
  };
  return number < sizeof rows / sizeof *rows ? &rows[number] : NULL;
}
