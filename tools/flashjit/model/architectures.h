/* What the code of an architecture does, and its config does not say. */
#ifndef TOOLS_FLASHJIT_MODEL_ARCHITECTURES_H
#define TOOLS_FLASHJIT_MODEL_ARCHITECTURES_H

#include <jansson.h>
#include <stdbool.h>

/*
 * The row of a model_type, or when that is "" of a class such as Qwen3MoeForCausalLM (NULL: none), with all that it
 * takes over from others; an empty object and *is_known false when there is none. The caller's. NULL: out of memory.
 */
json_t *architecture_defaults(const char *model_type, const char *class, bool *is_known);

/* The names of all rows, in their order; NULL after the last. */
const char *architecture_name(size_t number);

#endif
