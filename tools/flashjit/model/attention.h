/* What a layer does with its logits and its keys, beyond plain causal attention. */
#ifndef TOOLS_FLASHJIT_MODEL_ATTENTION_H
#define TOOLS_FLASHJIT_MODEL_ATTENTION_H

#include "tools/flashjit/model/config.h"
#include "tools/flashjit/model/kinds.h"
#include "tools/flashjit/model/layer.h"

/* Fills mask, window, scale, softcap, sinks, bias and so on of the config's layer, whose shape and rope are set. */
bool attention_read(struct config *config, const struct kind *kind, struct layer *layer);

#endif
