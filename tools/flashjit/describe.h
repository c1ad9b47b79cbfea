/* What is said of a model on stderr. */
#ifndef TOOLS_FLASHJIT_DESCRIBE_H
#define TOOLS_FLASHJIT_DESCRIBE_H

#include "tools/flashjit/options.h"

/* The model of the options; the caller frees it. NULL after a complaint. What was assumed is told. */
struct model *model_load(const struct model_options *options);

/* A line on a kind of layer; whether it attends and all its roles have a kernel. */
bool describe_layer(const struct model *model, const struct model_layer *layer, uint32_t page_size, const char *target);

#endif
