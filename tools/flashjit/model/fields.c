/* The table of fields, looked up. */
#include "tools/flashjit/model/fields.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const struct field {
  const char *name;
  const char *aliases[12]; /* none: its own name */
} fields[] = {
#define FIELD(field, ...) {#field, {__VA_ARGS__}},
#define OTHER(name) {#name, {NULL}},
#define NOTHING(name) {#name, {NULL}},
#include "tools/flashjit/model/fields.def"
};

static const char *const suspects[] = {
#define SUSPECT(part) #part,
#include "tools/flashjit/model/fields.def"
};

static const char *const harmless[] = {
#define HARMLESS(part) #part,
#include "tools/flashjit/model/fields.def"
};

enum {
  FIELDS = sizeof fields / sizeof *fields,
  SUSPECTS = sizeof suspects / sizeof *suspects,
  HARMLESS_PARTS = sizeof harmless / sizeof *harmless
};

/* Rows of the table by what their names add up to, of those with equal sums one after the other: each layer of a config
 * asks for a hundred fields. */
enum { BUCKETS = 256, NO_ROW = UINT16_MAX };

struct index {
  bool is_made;
  uint16_t first[BUCKETS];
  uint16_t next[FIELDS];
};

static unsigned bucket_of(const char *name) {
  unsigned sum = 0;
  while (*name)
    sum = sum * 31 + (unsigned char)*name++;
  return sum % BUCKETS;
}

static void make_index(struct index *index) {
  memset(index->first, 0xff, sizeof index->first);
  for (int i = FIELDS; i-- > 0;) {
    uint16_t *first = &index->first[bucket_of(fields[i].name)];
    index->next[i] = *first;
    *first = (uint16_t)i;
  }
  index->is_made = true;
}

static const struct field *find_field(const char *name) {
  static _Thread_local struct index index;
  if (!index.is_made)
    make_index(&index);
  for (unsigned i = index.first[bucket_of(name)]; i != NO_ROW; i = index.next[i]) {
    if (strcmp(fields[i].name, name) == 0)
      return &fields[i];
  }
  return NULL;
}

const char *const *field_names(const char *name) {
  static _Thread_local const char *itself[2];
  const struct field *field = find_field(name);
  if (field && field->aliases[0])
    return field->aliases;
  itself[0] = name;
  return itself;
}

/* ----------------------------------------------------------------------------------- what is not understood */

static bool is_alias(const char *name) {
  for (int i = 0; i < FIELDS; i++) {
    for (const char *const *alias = fields[i].aliases; *alias; alias++) {
      if (strcmp(*alias, name) == 0)
        return true;
    }
  }
  return false;
}

static bool has_part(const char *name, const char *const *parts, int count) {
  for (int i = 0; i < count; i++) {
    if (strstr(name, parts[i]))
      return true;
  }
  return false;
}

/* What says that something is not there. */
static bool is_off(const json_t *value) {
  return json_is_null(value) || json_is_false(value) || (json_is_number(value) && json_number_value(value) == 0) ||
         (json_is_string(value) && json_string_length(value) == 0) ||
         (json_is_array(value) && !json_array_size(value)) || (json_is_object(value) && !json_object_size(value));
}

/* Fields that the architecture's row has, or that it says it does not use. */
static bool is_of_architecture(const struct config *config, const char *name) {
  size_t index;
  json_t *unused;
  json_array_foreach((json_t *)config_trait(config, "unused"), index, unused) {
    if (strcmp(json_string_value(unused), name) == 0)
      return true;
  }
  return json_object_get(config->defaults, name);
}

/* A factor of 1. */
static bool is_neutral(const char *name, const json_t *value) {
  static const char *const factors[] = {"factor", "ratio", "multiplier"};
  return has_part(name, factors, sizeof factors / sizeof *factors) && json_is_number(value) &&
         json_number_value(value) == 1;
}

static bool is_understood(const struct config *config, const char *name, const char *last_part, const json_t *value) {
  return is_off(value) || is_neutral(name, value) || !has_part(last_part, suspects, SUSPECTS) ||
         has_part(last_part, harmless, HARMLESS_PARTS) || find_field(name) || is_alias(name) ||
         is_of_architecture(config, name);
}

static bool check(struct config *config, const char *name, const char *last_part, const json_t *value) {
  if (is_understood(config, name, last_part, value))
    return true;
  config_mistake(config, name, value, "understood, and could change attention (--set FIELD=null leaves it out)");
  return false;
}

/* Objects whose fields are looked at, too. */
static bool check_inner(struct config *config, const char *outer) {
  const char *key;
  json_t *value = json_object_get(config->text, outer);
  if (value && !json_is_null(value) && !json_is_object(value))
    return config_mistake(config, outer, value, "an object");
  json_object_foreach(json_object_get(config->text, outer), key, value) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s", outer, key);
    if (!check(config, name, key, value))
      return false;
  }
  return true;
}

/* The fields of single layers are those of all. */
static bool check_layers(struct config *config) {
  const char *layer;
  json_t *fields_of_layer;
  json_object_foreach(json_object_get(config->text, "per_layer_config"), layer, fields_of_layer) {
    const char *key;
    json_t *value;
    json_object_foreach(fields_of_layer, key, value) {
      if (!check(config, key, key, value))
        return false;
    }
  }
  return true;
}

bool fields_are_understood(struct config *config) {
  static const char *const objects[] = {"attn_config", "attention_other_setting", "linear_attn_config",
                                        "sparse_attention_config"};
  const char *key;
  json_t *value;
  json_object_foreach(config->text, key, value) {
    if (!check(config, key, key, value))
      return false;
  }
  for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
    if (!check_inner(config, objects[i]))
      return false;
  }
  return check_layers(config);
}
