/* The rope fields of a config.json, in their several spellings, as axes of a spec. */
#ifndef TOOLS_FLASHJIT_MODEL_ROPE_H
#define TOOLS_FLASHJIT_MODEL_ROPE_H

#include "tools/flashjit/config.h"
#include "tools/flashjit/model.h"

/* Fills the rope axes of layer->spec, whose head_dim is set, and adds to layer->missing what they cannot say.
 */
bool rope_read(struct config *config, struct model_layer *layer);

/* Adds a part to layer->missing. */
void missing_add(struct model_layer *layer, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
