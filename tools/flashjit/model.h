/* A Hugging Face config.json, read down to the kinds of attention layers that it has and the spec of each. */
#ifndef TOOLS_FLASHJIT_MODEL_H
#define TOOLS_FLASHJIT_MODEL_H

#include "flashjit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_KINDS = 8 };

/* The layers of one kind. */
struct model_layer {
  char kind[32]; /* "full_attention" and so on, as in layer_types */
  uint32_t count;
  uint32_t kv_heads;
  fi_spec spec;      /* of attention: head dim, group, types and rope; the cache's layout is not the model's affair */
  char missing[192]; /* what the kind needs and no spec can say; "" when nothing is */
};

struct model {
  char name[64]; /* of the file, without its ending */
  uint32_t kinds;
  struct model_layer layers[MODEL_KINDS];
};

/* False with a message that begins with the path when the file cannot be read as a model. */
bool model_read(const char *path, struct model *model);

#endif
