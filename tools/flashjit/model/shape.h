/* Heads and dims of a layer. */
#ifndef TOOLS_FLASHJIT_MODEL_SHAPE_H
#define TOOLS_FLASHJIT_MODEL_SHAPE_H

#include "tools/flashjit/model/config.h"
#include "tools/flashjit/model/kinds.h"
#include "tools/flashjit/model/layer.h"

/* Fills heads, dims and latent of the config's layer, all of the model on one device. */
bool shape_read(struct config *config, const struct kind *kind, struct layer *layer);

/* The part of one of so many devices; KV heads are replicated where there are fewer. */
bool shape_divide(struct config *config, uint32_t devices, struct layer *layer);

#endif
