/* What follows from a spec alone: worked out once, and known to tile plans and templates by name. */
#ifndef GENERATOR_DERIVED_H
#define GENERATOR_DERIVED_H

#include "flashjit.h"

#include <stdbool.h>
#include <stdint.h>

struct derived {
  const char *name;
  uint32_t (*value)(const fi_spec *spec);
  const char *meaning;
};

/* Steps through them; NULL after the last. */
const struct derived *derived_at(uint32_t number);

uint32_t derived_qk_dim(const fi_spec *spec);
uint32_t derived_kv_bits(const fi_spec *spec);
uint32_t derived_v_bits(const fi_spec *spec);

/* The type as which the matrix instructions take K. */
uint32_t derived_operand(const fi_spec *spec);

/* Elements of a row of K: all dims but the wide ones. */
uint32_t derived_code_dims(const fi_spec *spec);

/* What rows at fi_tensors.v have, of V or of the wide dims of K: their elements, and the type of these. */
uint32_t derived_v_row_dims(const fi_spec *spec);
uint32_t derived_v_row_dtype(const fi_spec *spec);
uint32_t derived_rotates_keys(const fi_spec *spec);
uint32_t derived_plans_intervals(const fi_spec *spec);
uint32_t derived_has_intervals(const fi_spec *spec);
uint32_t derived_reads_lists(const fi_spec *spec);
uint32_t derived_tells_prefixes(const fi_spec *spec); /* batches say what their requests share */
uint32_t derived_hides_tokens(const fi_spec *spec);
uint32_t derived_converts_query(const fi_spec *spec);
uint32_t derived_has_token_scales(const fi_spec *spec);
uint32_t derived_key_scale_bytes(const fi_spec *spec);
uint32_t derived_value_scale_bytes(const fi_spec *spec);
uint32_t derived_key_scale_element(const fi_spec *spec);
uint32_t derived_value_scale_element(const fi_spec *spec);

/* The KV tokens that a query token sees by windows and chunks, at most. */
uint32_t derived_span(const fi_spec *spec);

/* The fewest query heads of a KV head that a tile has: tiles share a group by halves, as far as it has such. */
uint32_t derived_least_heads(const fi_spec *spec);

/* Of the scale of a group of elements of FI_I4 and so on; 0 for types without groups. */
uint32_t derived_group_scale_bytes(uint32_t dtype);

#endif
