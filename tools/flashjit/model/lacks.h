/* From what a layer computes to a spec, and to what no spec can say yet. */
#ifndef TOOLS_FLASHJIT_MODEL_LACKS_H
#define TOOLS_FLASHJIT_MODEL_LACKS_H

#include "tools/flashjit/model/layer.h"

#include <stddef.h>

/*
 * Fills the spec of attention, and the sentence on what it leaves out: "" when it says all. Of a text-only server,
 * image blocks do not occur, and the three positions of a token are equal.
 */
void layer_spec(const struct layer *layer, bool text_only, fi_spec *spec, char *lacks, size_t size);

#endif
