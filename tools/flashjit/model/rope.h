/* The rope fields of a config.json in their several spellings. */
#ifndef TOOLS_FLASHJIT_MODEL_ROPE_H
#define TOOLS_FLASHJIT_MODEL_ROPE_H

#include "tools/flashjit/model/config.h"
#include "tools/flashjit/model/kinds.h"
#include "tools/flashjit/model/layer.h"

/* Fills layer->rope of the config's layer, whose kind and dims are set. */
bool rope_read(struct config *config, const struct kind *kind, struct layer *layer);

/* Whether the config's layer is among those that rotate, where a config lists them. */
bool rope_rotates(const struct config *config);

/* The magnitude that YaRN has for a factor: 0.1 mscale ln(factor) + 1. */
double rope_magnitude(double factor, double mscale);

#endif
