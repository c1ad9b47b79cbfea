/*
 * Typed access to the fields of a model's config.json: overrides of one layer, the file, then the defaults of its
 * architecture. Problems have path and field; what was assumed is kept as notes.
 */
#ifndef TOOLS_FLASHJIT_MODEL_CONFIG_H
#define TOOLS_FLASHJIT_MODEL_CONFIG_H

#include "tools/flashjit/model/notes.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config {
  char path[1024];     /* of the file */
  char model_type[64]; /* of the language model; "" when the file does not say */
  bool is_known;       /* there is a row of this architecture */
  json_t *root;        /* the whole file */
  json_t *text;        /* the object in it that describes the language model */
  json_t *defaults;    /* of the architecture: fields and traits (@name) */
  const json_t *layer; /* fields of one layer that differ; NULL: none */
  uint32_t number;     /* of that layer: which element of a list counts */
  uint32_t layers;     /* of the model; 0 until it is known */
  struct notes *notes;
};

/*
 * Opens CONFIG.json, or a folder that holds config.json. `settings` are fields as an object that go before those of the
 * language model, or NULL. False, with a problem, when that is no config of a model.
 */
bool config_open(struct config *config, const char *path, const json_t *settings, struct notes *notes);
void config_close(struct config *config);

/* Sets the problem "path: ...". Returns false. */
bool config_problem(struct config *config, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "field NAME is VALUE, not WHAT", where the value is that in the file. Returns false. */
bool config_mistake(struct config *config, const char *field, const json_t *value, const char *what);

/*
 * A field by its name in fields.def, under any of its aliases. NULL when it is absent, or null in the file: a null is
 * not replaced by a default.
 */
const json_t *config_find(const struct config *config, const char *field);

/* Likewise, without the architecture's defaults. */
const json_t *config_find_given(const struct config *config, const char *field);

/* Whether the file says null. */
bool config_is_null(const struct config *config, const char *field);

/* A trait of the architecture, without its @; NULL when it has none. */
const json_t *config_trait(const struct config *config, const char *trait);
const char *config_trait_text(const struct config *config, const char *trait, const char *fallback);
bool config_trait_is(const struct config *config, const char *trait, const char *text);

/* Whether the field, of any of its layers, is true. */
bool config_flag(const struct config *config, const char *field);

/* The string of a field, or the fallback when it is absent or no string. */
const char *config_text(const struct config *config, const char *field, const char *fallback);

/*
 * A whole number from 1 to INT32_MAX; of a list the layer's element. The fallback stands for what is absent; a fallback
 * of 0 makes the field mandatory.
 */
bool config_count(struct config *config, const char *field, uint32_t fallback, uint32_t *value);

/* A number; of a list the layer's element. */
bool config_number(struct config *config, const char *field, double fallback, double *value);

/* The layer's element of a list, the value itself of anything else. False when the list is too short. */
bool config_element(struct config *config, const char *field, const json_t *value, const json_t **element);

#endif
