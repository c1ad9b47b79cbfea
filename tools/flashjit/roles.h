/* The kernels that a server needs for one kind of layer. */
#ifndef TOOLS_FLASHJIT_ROLES_H
#define TOOLS_FLASHJIT_ROLES_H

#include "tools/flashjit/model/model.h"

enum role {
  ROLE_PREFILL, /* attention of whole prompts */
  ROLE_APPEND,
  ROLE_EXTEND, /* attention of a few tokens a request, as speculative decoding has them */
  ROLE_DECODE,
  ROLE_ENTRIES,    /* append of compressed entries, the second KV of a layer that has such */
  ROLE_INDEXER,    /* what chooses the tokens, blocks or entries of a layer's lists */
  ROLE_INDEX_KEYS, /* append of the keys that it compares */
  ROLE_COUNT,
  PLAIN_ROLES = ROLE_ENTRIES /* attention and its append come first; the others are of layers that have lists */
};

/* Query tokens of a request in ROLE_EXTEND. */
enum { EXTEND_TOKENS = 4 };

const char *role_name(enum role role);

/* The spec of the plan kernel of kernels without windows and the like: every target has it. */
fi_spec plan_spec(void);

/* fi_spec.members of plan kernels that make the plans of all. */
enum { PLAN_OF_SEVERAL = 2 };

/* The plan kernel that fi_get_kernel makes beside a kernel of a target; false when it makes none. */
bool plan_spec_of(const fi_spec *spec, const char *target, fi_spec *plan);

/*
 * The spec of a role, with a cache of such pages (0: none); target is NULL for any. FI_ERROR_UNSUPPORTED or
 * FI_ERROR_SPEC with the reason when there is no kernel for it.
 */
fi_status role_spec(const struct model_layer *layer, uint32_t page_size, enum role role, const char *target,
                    fi_spec *spec);

/*
 * Whether the layer needs the role: one that shares the cache of another, or reads an encoder, appends nothing; and
 * latent attention is expanded for prefill only.
 */
bool layer_has_role(const struct model_layer *layer, enum role role);

/* Of its indexer, on one device: all index heads, or, where each of these has a list, those of its KV heads. */
uint32_t layer_index_heads(const struct model_layer *layer);

/* Whether its indexer, if it has one, has its kernels, or why not: then only what makes the lists is missing. */
bool layer_indexer_supported(const struct model_layer *layer, uint32_t page_size, const char *target);

/* Whether all its roles but those of an indexer have a kernel, or why not. */
bool layer_supported(const struct model_layer *layer, uint32_t page_size, const char *target);

#endif
