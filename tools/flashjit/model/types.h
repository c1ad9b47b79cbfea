/* The type of a model's values and that of its KV cache. */
#ifndef TOOLS_FLASHJIT_MODEL_TYPES_H
#define TOOLS_FLASHJIT_MODEL_TYPES_H

#include "tools/flashjit/model/config.h"
#include "tools/flashjit/model/layer.h"

/*
 * Fills the types of the layer; kv_dtype and v_dtype are what K and V of the cache have been chosen to be,
 * FI_DTYPE_DEFAULT: as the config says, and V as K; kv_scale is that of groups, if there is one.
 */
bool types_read(struct config *config, uint32_t kv_dtype, uint32_t v_dtype, uint32_t kv_scale, struct layer *layer);

/* The cache has the type of the model's values, without scales. */
void types_of_values(struct layer *layer);

#endif
