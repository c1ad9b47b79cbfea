/* A Hugging Face config.json, read down to the kinds of attention layers that it has and the spec of each. */
#ifndef TOOLS_FLASHJIT_MODEL_MODEL_H
#define TOOLS_FLASHJIT_MODEL_MODEL_H

#include "tools/flashjit/model/kinds.h"
#include "tools/flashjit/model/layer.h"
#include "tools/flashjit/model/notes.h"

#include <stddef.h>

enum { MODEL_KINDS = 24 };

/* The layers of one kind: those of which all that is known is equal. */
struct model_layer {
  struct layer layer;
  char kind[32]; /* its name; names of different kinds may be equal */
  uint32_t count;
  uint16_t numbers[MOST_LAYERS];
  uint32_t kv_heads; /* on one device */
  fi_spec spec;      /* of attention: head dim, group, types and rope; the cache's layout is not the model's affair */
  char missing[512]; /* what the kind needs and no spec can say; "" when nothing is */
};

struct model {
  char name[64]; /* of the file without its ending, or of its folder */
  char model_type[64];
  bool is_known; /* its architecture has a row; else its fields alone were read */
  uint32_t kinds;
  struct model_layer layers[MODEL_KINDS];
  struct notes notes;
};

/* How a model is served. */
struct model_choice {
  const char *path;     /* of a config.json, or of the folder with it */
  uint32_t devices;     /* that share the heads; 0: 1 */
  bool text_only;       /* no images, so that their positions and blocks do not matter */
  uint32_t kv_dtype;    /* of K in the cache; FI_DTYPE_DEFAULT: as the config says */
  uint32_t v_dtype;     /* of V; FI_DTYPE_DEFAULT: as kv_dtype */
  uint32_t kv_scale;    /* of groups of kv_dtype; FI_SCALE_NONE: scales as usual */
  const char *settings; /* "FIELD=VALUE" lines that go before the file's fields; NULL: none */
};

/* False, with a problem that begins with the path, when the file cannot be read as a model. */
bool model_read(const struct model_choice *choice, struct model *model);

/* "0 2 4 .. 22", "0..31": the numbers of a kind's layers. */
void model_numbers(const struct model_layer *layer, char *text, size_t size);

/* A model as an array: a layer_json a kind, with its layers, and what is missing. */
json_t *model_json(const struct model *model);

#endif
