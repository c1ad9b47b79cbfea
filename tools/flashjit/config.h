/* Typed access to the fields of a model's config.json; a problem is set with path and field. */
#ifndef TOOLS_FLASHJIT_CONFIG_H
#define TOOLS_FLASHJIT_CONFIG_H

#include "tools/flashjit/problem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config {
  const char *path;
  json_t *root;
  const json_t *text; /* text_config of a model with several, else root */
};

/* False, with the problem, when the file is not a JSON object. */
bool config_open(struct config *config, const char *path);
void config_close(struct config *config);

/* Sets the problem "path: ...". Returns false. */
bool config_problem(struct config *config, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The field of text, else of root; NULL when it is absent or null. */
const json_t *config_find(const struct config *config, const char *field);

/* Likewise, and true only when the field is true. */
bool config_flag(const struct config *config, const char *field);

/* A string field, or the fallback when it is absent or no string. */
const char *config_string(const struct config *config, const char *field, const char *fallback);

/* A whole number above 0. A fallback of 0 makes the field mandatory. */
bool config_count(struct config *config, const char *field, uint32_t fallback, uint32_t *value);

/* A number of any object, or the fallback when it is absent or null. */
bool config_number(struct config *config, const json_t *object, const char *field, double fallback, double *value);

#endif
