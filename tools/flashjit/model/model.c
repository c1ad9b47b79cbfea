/* From a model's config to its kinds of layers: each layer is read by itself, and equal ones are one kind. */
#include "tools/flashjit/model/model.h"

#include "tools/flashjit/model/attention.h"
#include "tools/flashjit/model/config.h"
#include "tools/flashjit/model/fields.h"
#include "tools/flashjit/model/lacks.h"
#include "tools/flashjit/model/rope.h"
#include "tools/flashjit/model/shape.h"
#include "tools/flashjit/model/types.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/python_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ a layer */

/* Fields of the layer alone: "05" or "5" in per_layer_config. */
static bool find_overrides(struct config *config) {
  const json_t *all = config_find(config, "per_layer_config");
  const char *key;
  json_t *value;
  config->layer = NULL;
  if (all && !json_is_object(all))
    return config_mistake(config, "per_layer_config", all, "an object");
  json_object_foreach((json_t *)all, key, value) {
    char *end;
    if (strtoul(key, &end, 10) == config->number && *key && !*end)
      config->layer = value;
  }
  return true;
}

static bool read_attention(struct config *config, const struct kind *kind, const struct model_choice *choice,
                           struct layer *layer) {
  layer->is_cross = strcmp(kind->name, "cross_attention") == 0;
  layer->attends = true;
  return shape_read(config, kind, layer) && rope_read(config, kind, layer) && attention_read(config, kind, layer) &&
         types_read(config, choice->kv_dtype, choice->v_dtype, choice->kv_scale, layer) &&
         shape_divide(config, choice->devices > 0 ? choice->devices : 1, layer);
}

/* Parts of a layer that it has not: a list of their names. */
static bool read_skips(struct config *config, struct layer *layer) {
  static const char *const others[] = {"mlp", "moe", "ffn", "feed_forward", "norm"};
  const json_t *skips = json_object_get(config->layer, "skip");
  if (skips && !json_is_null(skips) && !json_is_array(skips))
    return config_mistake(config, "skip", skips, "a list of parts of the layer");
  for (size_t i = 0; i < json_array_size(skips); i++) {
    const char *name = json_string_value(json_array_get(skips, i));
    bool is_other = false;
    for (size_t o = 0; o < sizeof others / sizeof *others; o++)
      is_other |= name && strstr(name, others[o]);
    if (name && strstr(name, "att")) {
      layer->attends = false;
      layer->reason = "its attention is skipped";
    } else if (!is_other) {
      return config_mistake(config, "skip", skips, "a list of parts of the layer that are known");
    }
  }
  return true;
}

static bool read_layer(struct config *config, const struct kinds *kinds, const struct model_choice *choice,
                       struct layer *layer) {
  const struct kind *kind = kinds->kind[config->number];
  *layer = (struct layer){.is_known = kind, .attends = kind && kind->reach != REACH_NONE};
  layer->reason = kind ? kind->reason : "unknown kind of layer";
  snprintf(layer->kind, sizeof layer->kind, "%s", kinds->name[config->number]);
  if (!find_overrides(config))
    return false;
  if (!read_skips(config, layer))
    return false;
  return !layer->attends || read_attention(config, kind, choice, layer);
}

/* ------------------------------------------------------------------------------------------------ kinds */

static struct model_layer *find_equal(struct model *model, json_t *const *known, const json_t *description) {
  for (uint32_t i = 0; i < model->kinds; i++) {
    if (json_equal(known[i], description))
      return &model->layers[i];
  }
  return NULL;
}

static void fill_kind(const struct layer *layer, bool text_only, struct model_layer *kind) {
  kind->layer = *layer;
  snprintf(kind->kind, sizeof kind->kind, "%s", layer->kind);
  kind->kv_heads = layer->attends ? layer_cached_heads(layer) : layer->kv_heads;
  fi_spec_init(&kind->spec);
  if (layer->attends)
    layer_spec(layer, text_only, &kind->spec, kind->missing, sizeof kind->missing);
}

struct reader {
  struct config *config;
  const struct model_choice *choice;
  struct model *model;
  json_t *known[MODEL_KINDS]; /* descriptions of the kinds */
};

static bool add_layer(struct reader *reader, const struct layer *layer) {
  struct model *model = reader->model;
  json_t *description = layer_json(layer);
  struct model_layer *kind = find_equal(model, reader->known, description);
  if (kind) {
    json_decref(description);
  } else if (model->kinds == MODEL_KINDS) {
    json_decref(description);
    return config_problem(reader->config, "more than %d kinds of layers", MODEL_KINDS);
  } else {
    reader->known[model->kinds] = description;
    kind = &model->layers[model->kinds++];
    fill_kind(layer, reader->choice->text_only, kind);
  }
  kind->numbers[kind->count++] = (uint16_t)reader->config->number;
  return true;
}

/*
 * Prefill of latent attention makes keys and values of all heads first, and is plain attention on these. Where keys are
 * selected it stays as it is. Scales of groups are in the cache alone.
 */
static bool add_expanded(struct reader *reader, const struct layer *layer) {
  struct layer expanded = *layer;
  if (layer->latent.rank == 0 || layer->sparse[0])
    return true;
  expanded.latent = (struct latent){0};
  expanded.is_expanded = true;
  if (reader->choice->kv_scale != FI_SCALE_NONE)
    types_of_values(&expanded);
  snprintf(expanded.kind, sizeof expanded.kind, "expanded_%.20s", layer->kind);
  return add_layer(reader, &expanded);
}

/* A decoder that reads an encoder has a second attention in each layer. */
static bool add_cross(struct reader *reader, const struct kinds *kinds) {
  static const struct kind cross = {"cross_attention", NULL, REACH_FULL, NULL, NULL};
  struct config *config = reader->config;
  for (uint32_t i = 0; i < kinds->layers && config_trait(config, "cross"); i++) {
    struct layer layer = {.is_known = true};
    config->number = i;
    if (!read_attention(config, &cross, reader->choice, &layer) || !add_layer(reader, &layer))
      return false;
  }
  return true;
}

static bool read_kinds(struct reader *reader, struct kinds *kinds) {
  struct config *config = reader->config;
  if (!kinds_read(config, kinds))
    return false;
  for (uint32_t i = 0; i < kinds->layers; i++) {
    struct layer layer;
    config->number = i;
    if (!read_layer(config, kinds, reader->choice, &layer) || !add_layer(reader, &layer) ||
        !add_expanded(reader, &layer))
      return false;
  }
  config->layer = NULL;
  return add_cross(reader, kinds);
}

/* ------------------------------------------------------------------------------------------------ the file */

static void read_name(const char *path, struct model *model) {
  char text[1024];
  snprintf(text, sizeof text, "%s", path);
  char *name = strrchr(text, '/');
  if (name && strcmp(name, "/config.json") == 0) { /* the folder's */
    *name = '\0';
    name = strrchr(text, '/');
  }
  snprintf(model->name, sizeof model->name, "%.63s", name ? name + 1 : text);
  char *ending = strstr(model->name, ".json");
  if (ending)
    *ending = '\0';
}

/* A value that is no JSON is a string. */
static bool read_settings(const char *text, json_t *settings) {
  while (text && *text) {
    json_error_t error;
    const size_t length = strcspn(text, "\n");
    const size_t name = strcspn(text, "=");
    json_t *value = name < length ? python_json_parse(text + name + 1, length - name - 1, &error) : NULL;
    if (!value && name < length)
      value = json_stringn(text + name + 1, length - name - 1);
    if (!value || json_object_setn_new(settings, text, name, value))
      return false;
    text += length + (text[length] == '\n');
  }
  return true;
}

static void describe(struct config *config) {
  const char *text = config_trait_text(config, "note", "");
  if (!config->is_known)
    note(config->notes, "%s%s is not an architecture that is known: its fields are read as usual, which is a guess",
         config->model_type[0] ? "model_type " : "no model_type in the file: it", config->model_type);
  if (text[0])
    note(config->notes, "%s", text);
}

static bool read_model(struct config *config, const struct model_choice *choice, struct model *model) {
  struct reader reader = {.config = config, .choice = choice, .model = model};
  struct kinds *kinds = malloc(sizeof *kinds);
  bool read = kinds || config_problem(config, "out of memory");
  describe(config);
  read = read && fields_are_understood(config) && read_kinds(&reader, kinds);
  if (read && model->kinds == 0)
    read = config_problem(config, "no attention layer");
  for (uint32_t i = 0; i < model->kinds; i++)
    json_decref(reader.known[i]);
  free(kinds);
  return read;
}

bool model_read(const struct model_choice *choice, struct model *model) {
  struct config config;
  *model = (struct model){0};
  json_t *settings = json_object();
  bool read = read_settings(choice->settings, settings);
  if (!read)
    problem_set("%s: --set is not FIELD=VALUE", choice->path);
  read = read && config_open(&config, choice->path, settings, &model->notes);
  if (read) {
    read_name(config.path, model);
    memcpy(model->model_type, config.model_type, sizeof model->model_type);
    model->is_known = config.is_known;
    read = read_model(&config, choice, model);
    config_close(&config);
  }
  json_decref(settings);
  return read;
}

/* ------------------------------------------------------------------------------------------------ output */

/* How many numbers from one on have the same step. */
static uint32_t run_length(const struct model_layer *layer, uint32_t begin) {
  uint32_t end = begin + 1;
  if (end == layer->count)
    return 1;
  const int step = layer->numbers[end] - layer->numbers[begin];
  while (end < layer->count && layer->numbers[end] - layer->numbers[end - 1] == step)
    end++;
  return end - begin;
}

void model_numbers(const struct model_layer *layer, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (uint32_t i = 0; i < layer->count && used < size;) {
    const uint16_t *number = &layer->numbers[i];
    const uint32_t length = run_length(layer, i);
    const char *gap = i > 0 ? " " : "";
    if (length < 3 || (length == 3 && number[1] != number[0] + 1)) {
      used += (size_t)snprintf(text + used, size - used, "%s%u", gap, number[0]);
      i++;
    } else if (number[1] == number[0] + 1) {
      used += (size_t)snprintf(text + used, size - used, "%s%u..%u", gap, number[0], number[length - 1]);
      i += length;
    } else {
      used +=
          (size_t)snprintf(text + used, size - used, "%s%u %u .. %u", gap, number[0], number[1], number[length - 1]);
      i += length;
    }
  }
}

json_t *model_json(const struct model *model) {
  json_t *kinds = json_array();
  for (uint32_t i = 0; i < model->kinds; i++) {
    const struct model_layer *layer = &model->layers[i];
    json_t *object = layer_json(&layer->layer);
    json_t *numbers = json_array();
    for (uint32_t n = 0; n < layer->count; n++)
      json_array_append_new(numbers, json_integer(layer->numbers[n]));
    json_object_set_new(object, "count", json_integer(layer->count));
    json_object_set_new(object, "layers", numbers);
    json_object_set_new(object, "attends", json_boolean(layer->layer.attends));
    json_object_set_new(object, "lacks", json_string(layer->layer.attends ? layer->missing : layer->layer.reason));
    json_array_append_new(kinds, object);
  }
  return kinds;
}
