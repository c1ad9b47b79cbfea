/* Fields of a config.json. */
#include "tools/flashjit/config.h"

#include <stdarg.h>
#include <stdio.h>

bool config_open(struct config *config, const char *path) {
  json_error_t error;
  *config = (struct config){.path = path};
  config->root = json_load_file(path, 0, &error);
  if (!config->root && error.line < 0)
    return problem_set("%s", error.text); /* the file cannot be opened; the text has its name */
  if (!config->root)
    return problem_set("%s:%d:%d: %s", path, error.line, error.column, error.text);
  if (!json_is_object(config->root)) {
    config_close(config);
    return config_problem(config, "not a JSON object");
  }
  const json_t *text = json_object_get(config->root, "text_config");
  config->text = json_is_object(text) ? text : config->root;
  return true;
}

void config_close(struct config *config) {
  json_decref(config->root);
  config->root = NULL;
}

bool config_problem(struct config *config, const char *format, ...) {
  char message[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return problem_set("%s: %s", config->path, message);
}

static const json_t *present(const json_t *value) {
  return json_is_null(value) ? NULL : value;
}

const json_t *config_find(const struct config *config, const char *field) {
  const json_t *value = present(json_object_get(config->text, field));
  return value ? value : present(json_object_get(config->root, field));
}

bool config_flag(const struct config *config, const char *field) {
  return json_is_true(config_find(config, field));
}

const char *config_string(const struct config *config, const char *field, const char *fallback) {
  const char *text = json_string_value(config_find(config, field));
  return text ? text : fallback;
}

bool config_count(struct config *config, const char *field, uint32_t fallback, uint32_t *value) {
  const json_t *found = config_find(config, field);
  *value = fallback;
  if (!found)
    return fallback != 0 || config_problem(config, "field %s is missing", field);
  json_int_t number = json_integer_value(found); /* 0 for what is no integer */
  if (number < 1 || number > INT32_MAX)
    return config_problem(config, "field %s is not a whole number above 0", field);
  *value = (uint32_t)number;
  return true;
}

bool config_number(struct config *config, const json_t *object, const char *field, double fallback, double *value) {
  const json_t *found = present(json_object_get(object, field));
  *value = found ? json_number_value(found) : fallback;
  return !found || json_is_number(found) || config_problem(config, "field %s is not a number", field);
}
