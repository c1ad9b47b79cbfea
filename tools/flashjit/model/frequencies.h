/* The table of frequencies that a layer's kernels take. */
#ifndef TOOLS_FLASHJIT_MODEL_FREQUENCIES_H
#define TOOLS_FLASHJIT_MODEL_FREQUENCIES_H

#include "tools/flashjit/model/layer.h"

/* Fills the dims / 2 entries of a layer that rotates, and what rotated Q and K are multiplied with. */
fi_status layer_frequencies(const struct layer *layer, uint64_t *table, float *magnitude);

#endif
