/* Which specs are for products of e4m3, and the number of a tile that says that its weights are. */
#include "tile_narrow.h"

enum { WEIGHT_EXPONENT = 8 }; /* 2^8 is the largest power of two that e4m3 has */

bool tile_narrow_serves(const fi_spec *spec) {
  return spec->q_dtype == FI_E4M3 && spec->kv_dtype == FI_E4M3 && spec->v_dtype == FI_E4M3 &&
         spec->rope == FI_ROPE_NONE && spec->snippet != FI_SNIPPET_WEIGHT && spec->v_source == FI_V_OWN &&
         !spec->select && !spec->prefixes;
}

void tile_narrow_add(struct tile *tile, bool is_narrow) {
  tile_add(tile, "weight_exponent", is_narrow ? WEIGHT_EXPONENT : 0,
           "weights are e4m3, 2 to this power at most; 0: of 16 bits");
}
