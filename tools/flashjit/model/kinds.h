/* Which kind of attention each layer of a model has. */
#ifndef TOOLS_FLASHJIT_MODEL_KINDS_H
#define TOOLS_FLASHJIT_MODEL_KINDS_H

#include "tools/flashjit/model/config.h"

enum { MOST_LAYERS = 1024 };

enum reach {
  REACH_FULL,    /* all keys in front of the query */
  REACH_SLIDING, /* a window */
  REACH_CHUNK,
  REACH_NONE /* no attention */
};

struct kind {
  const char *name;     /* as in layer_types */
  const char *old_name; /* that it had before, or NULL */
  enum reach reach;
  const char *reason; /* of REACH_NONE */
  const char *sparse; /* how keys are selected, or NULL */
};

/* The kinds of a model's layers; NULL for one that nobody knows, whose name is in names. */
struct kinds {
  uint32_t layers;
  const struct kind *kind[MOST_LAYERS];
  char name[MOST_LAYERS][32];
};

bool kinds_read(struct config *config, struct kinds *kinds);

/* The window that layers which slide have in this model; 0: none. */
bool window_read(struct config *config, uint32_t *window);

#endif
