/* Fields of a config.json. */
#include "tools/flashjit/model/config.h"

#include "tools/flashjit/model/architectures.h"
#include "tools/flashjit/model/fields.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/python_json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ----------------------------------------------------------------------------------------------- problems */

bool config_problem(struct config *config, const char *format, ...) {
  char message[384];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return problem_set("%s: %s", config->path, message);
}

/* As a file has it: all numbers of a config are read as reals. A copy. */
static json_t *as_written(json_t *value) {
  enum { EXACT = 1 << 30 };
  const double number = json_real_value(value);
  if (json_is_real(value) && fabs(number) < EXACT && number == floor(number))
    return json_integer((json_int_t)number);
  json_t *copy = json_copy(value);
  const char *key;
  size_t index;
  json_t *item;
  json_object_foreach(value, key, item)
    json_object_set_new(copy, key, as_written(item));
  json_array_foreach(value, index, item)
    json_array_set_new(copy, index, as_written(item));
  return copy;
}

bool config_mistake(struct config *config, const char *field, const json_t *value, const char *what) {
  json_t *copy = as_written((json_t *)value);
  char *text = json_dumps(copy, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
  json_decref(copy);
  config_problem(config, "field %s is %.80s%s, not %s", field, text ? text : "?",
                 text && strlen(text) > 80 ? "..." : "", what);
  free(text);
  return false;
}

/* ----------------------------------------------------------------------------------------- nested configs */

/* Objects that describe the language model of a model with several parts, the outermost first. */
static const char *const text_objects[] = {"thinker_config", "llm_config", "language_config",
                                           "text_config",    "decoder",    "generator"};

static bool has_layers(const json_t *object) {
  return json_object_get(object, "num_hidden_layers") && json_object_get(object, "num_attention_heads");
}

/* An object with layers and heads inside one that has none; NULL when there is none, or more than one. */
static json_t *only_decoder(json_t *object, const char **name) {
  json_t *found = NULL;
  const char *key;
  json_t *value;
  if (has_layers(object))
    return NULL;
  json_object_foreach(object, key, value) {
    const bool is_other = strstr(key, "vision") || strstr(key, "audio") || strstr(key, "encoder");
    if (is_other || !has_layers(value))
      continue;
    if (found)
      return NULL;
    found = value;
    *name = key;
  }
  return found;
}

static json_t *inner_config(struct config *config, json_t *object) {
  for (size_t i = 0; i < sizeof text_objects / sizeof *text_objects; i++) {
    json_t *inner = json_object_get(object, text_objects[i]);
    if (json_is_object(inner) && json_object_size(inner) > 0)
      return inner;
  }
  const char *name = NULL;
  json_t *inner = only_decoder(object, &name);
  if (inner)
    note(config->notes, "the language model is taken to be that in %s", name);
  return inner;
}

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

/* The innermost object, and the innermost model_type on the way to it. */
static void find_text(struct config *config) {
  json_t *object = config->root;
  do {
    const char *type = text_of(object, "model_type");
    if (type[0])
      snprintf(config->model_type, sizeof config->model_type, "%s", type);
    config->text = object;
    object = inner_config(config, object);
  } while (object);
}

/* ------------------------------------------------------------------------------------------------ opening */

/* The path of a folder becomes that of the config in it, which may be missing. */
static void find_file(struct config *config, const char *path) {
  struct stat status;
  const bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
  snprintf(config->path, sizeof config->path, "%s%s", path, is_folder ? "/config.json" : "");
}

bool config_open(struct config *config, const char *path, const json_t *settings, struct notes *notes) {
  *config = (struct config){.notes = notes};
  find_file(config, path);
  config->root = python_json_read(config->path);
  if (!config->root)
    return false;
  if (!json_is_object(config->root)) {
    config_close(config);
    return config_problem(config, "not a JSON object");
  }
  find_text(config);
  if (settings)
    json_object_update(config->text, (json_t *)settings);
  const char *type = text_of(config->text, "model_type");
  if (type[0])
    snprintf(config->model_type, sizeof config->model_type, "%s", type);
  const char *class = json_string_value(json_array_get(json_object_get(config->text, "architectures"), 0));
  config->defaults = architecture_defaults(config->model_type, class, &config->is_known);
  if (!config->defaults) {
    config_close(config);
    return config_problem(config, "out of memory");
  }
  return true;
}

void config_close(struct config *config) {
  json_decref(config->root);
  json_decref(config->defaults);
  config->root = NULL;
  config->defaults = NULL;
}

/* ------------------------------------------------------------------------------------------------ look-up */

/* The value at "name" or "object.name". */
static const json_t *value_at(const json_t *object, const char *name) {
  const char *dot = strchr(name, '.');
  if (!dot)
    return json_object_get(object, name);
  char outer[64];
  snprintf(outer, sizeof outer, "%.*s", (int)(dot - name), name);
  return json_object_get(json_object_get(object, outer), dot + 1);
}

/* Under the first alias that has a value; *is_null: one of them is there, and null. */
static const json_t *value_of(const json_t *object, const char *const *names, bool *is_null) {
  for (; *names; names++) {
    const json_t *value = value_at(object, *names);
    if (json_is_null(value))
      *is_null = true;
    else if (value)
      return value;
  }
  return NULL;
}

/* Another alias may say something else. */
static void tell_rivals(const struct config *config, const char *const *names, const json_t *counted) {
  const char *first = NULL;
  for (; *names; names++) {
    const json_t *value = value_at(config->text, *names);
    if (value == counted && !first)
      first = *names;
    else if (first && value && !json_is_null(value) && !json_equal(value, counted))
      note(config->notes, "%s and %s are both given, and differ: %s counts", first, *names, first);
  }
}

const json_t *config_trait(const struct config *config, const char *trait) {
  char key[64];
  snprintf(key, sizeof key, "@%s", trait);
  return json_object_get(config->defaults, key);
}

/* Some architectures have fields that their code does not read. */
static bool is_unused(const struct config *config, const char *field) {
  const json_t *unused = config_trait(config, "unused");
  for (size_t i = 0; i < json_array_size(unused); i++) {
    if (strcmp(json_string_value(json_array_get(unused, i)), field) == 0)
      return true;
  }
  return false;
}

static const json_t *given(const struct config *config, const char *field, bool *is_null) {
  const char *const *names = field_names(field);
  if (is_unused(config, field))
    return NULL;
  const json_t *value = value_of(config->layer, names, is_null);
  if (value || *is_null)
    return value;
  value = value_of(config->text, names, is_null);
  if (value)
    tell_rivals(config, names, value);
  return value;
}

const json_t *config_find_given(const struct config *config, const char *field) {
  bool is_null = false;
  return given(config, field, &is_null);
}

bool config_is_null(const struct config *config, const char *field) {
  bool is_null = false;
  return !given(config, field, &is_null) && is_null;
}

const json_t *config_find(const struct config *config, const char *field) {
  bool is_null = false;
  const json_t *value = given(config, field, &is_null);
  if (value || is_null || is_unused(config, field))
    return value;
  return value_of(config->defaults, field_names(field), &is_null);
}

const char *config_trait_text(const struct config *config, const char *trait, const char *fallback) {
  const char *text = json_string_value(config_trait(config, trait));
  return text ? text : fallback;
}

bool config_trait_is(const struct config *config, const char *trait, const char *text) {
  return strcmp(config_trait_text(config, trait, ""), text) == 0;
}

bool config_flag(const struct config *config, const char *field) {
  return json_is_true(config_find(config, field));
}

const char *config_text(const struct config *config, const char *field, const char *fallback) {
  const char *text = json_string_value(config_find(config, field));
  return text ? text : fallback;
}

/* ------------------------------------------------------------------------------------------------ numbers */

bool config_element(struct config *config, const char *field, const json_t *value, const json_t **element) {
  *element = value;
  if (!json_is_array(value))
    return true;
  if (json_array_size(value) < config->layers)
    return config_problem(config, "field %s has %zu entries for %u layers", field, json_array_size(value),
                          config->layers);
  *element = json_array_get(value, config->number);
  return true;
}

bool config_number(struct config *config, const char *field, double fallback, double *value) {
  const json_t *found;
  *value = fallback;
  if (!config_element(config, field, config_find(config, field), &found))
    return false;
  if (!found || json_is_null(found))
    return true;
  if (!json_is_number(found))
    return config_mistake(config, field, found, "a number");
  *value = json_number_value(found);
  return true;
}

bool config_count(struct config *config, const char *field, uint32_t fallback, uint32_t *value) {
  const json_t *found;
  *value = fallback;
  if (!config_element(config, field, config_find(config, field), &found))
    return false;
  if (!found || json_is_null(found))
    return fallback != 0 || config_problem(config, "field %s is missing", field);
  const double number = json_number_value(found); /* 0 for what is no number */
  if (number < 1 || number > INT32_MAX || number != floor(number))
    return config_mistake(config, field, found, "a whole number from 1 to 2147483647");
  *value = (uint32_t)number;
  return true;
}
