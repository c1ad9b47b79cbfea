/* From a model's config to its kinds of layers: how many of each there are, their heads, and what no kernel
 * does yet. */
#include "tools/flashjit/model.h"

#include "tools/flashjit/config.h"
#include "tools/flashjit/model_rope.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is known of a kind of layer. */
struct kind {
  const char *name;
  bool has_heads;      /* query and KV heads, so that the config says what its spec is */
  const char *missing; /* what it needs beyond full attention; NULL: nothing */
  const char *field;   /* that says how much of it, or NULL */
};

static const struct kind kinds[] = {
    {"full_attention", true, NULL, NULL},
    {"sliding_attention", true, "sliding window", "sliding_window"},
    {"chunked_attention", true, "attention in chunks", "attention_chunk_size"},
    {"linear_attention", false, "linear attention, which has no KV cache", NULL},
    {"mamba", false, "a state-space layer, which has no KV cache", NULL},
    {"latent_attention", false, "multi-head latent attention", "kv_lora_rank"},
    {"compressed_attention", false, "sparse attention over compressed KV", "index_topk"},
};

/* What some models need in all their layers. */
struct feature {
  const char *model_type; /* NULL: any model with the field */
  const char *field;
  const char *missing;
};

static const struct feature features[] = {
    {"gpt_oss", NULL, "attention sinks"}, /* learned weights, which the config does not mention */
    {NULL, "attn_logit_softcapping", "logit softcap"},
    {NULL, "alibi", "ALiBi"},
};

void missing_add(struct model_layer *layer, const char *format, ...) {
  size_t used = strlen(layer->missing);
  if (used > 0)
    used += (size_t)snprintf(layer->missing + used, sizeof layer->missing - used, "; ");
  if (used >= sizeof layer->missing)
    return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(layer->missing + used, sizeof layer->missing - used, format, arguments);
  va_end(arguments);
}

/* ---------------------------------------------------------------------------------------- kinds of layers */

static bool count_layers(struct config *config, struct model *model, const char *kind, uint32_t count) {
  if (count == 0)
    return true;
  for (uint32_t i = 0; i < model->kinds; i++) {
    if (strcmp(model->layers[i].kind, kind) == 0) {
      model->layers[i].count += count;
      return true;
    }
  }
  if (model->kinds == MODEL_KINDS)
    return config_problem(config, "more than %d kinds of layers", MODEL_KINDS);
  struct model_layer *layer = &model->layers[model->kinds++];
  snprintf(layer->kind, sizeof layer->kind, "%s", kind);
  layer->count = count;
  return true;
}

static bool count_listed(struct config *config, const json_t *layer_types, struct model *model) {
  size_t index;
  json_t *name;
  json_array_foreach((json_t *)layer_types, index, name) {
    if (!json_is_string(name))
      return config_problem(config, "layer_types[%zu] is not a string", index);
    if (!count_layers(config, model, json_string_value(name), 1))
      return false;
  }
  return true;
}

/* Nemotron-H: one letter a layer. Letters that are neither of these are feed-forward layers. */
static bool count_lettered(struct config *config, const char *pattern, struct model *model) {
  for (const char *letter = pattern; *letter; letter++) {
    const char *kind = *letter == '*' ? "full_attention" : "mamba";
    if (strchr("*M", *letter) && !count_layers(config, model, kind, 1))
      return false;
  }
  return true;
}

/* One kind for all layers; of a local kind every interval-th layer is a full one. */
static bool count_regular(struct config *config, struct model *model) {
  uint32_t layers;
  uint32_t interval = UINT32_MAX;
  const char *kind = "full_attention";
  if (!config_count(config, "num_hidden_layers", 0, &layers))
    return false;
  if (config_find(config, "compress_ratios"))
    kind = "compressed_attention";
  else if (config_find(config, "kv_lora_rank"))
    kind = "latent_attention";
  else if (config_find(config, "attention_chunk_size")) {
    kind = "chunked_attention";
    if (!config_count(config, "no_rope_layer_interval", 4, &interval))
      return false;
  } else if (config_find(config, "sliding_window") && !json_is_false(config_find(config, "use_sliding_window"))) {
    kind = "sliding_attention";
    if (!config_count(config, "sliding_window_pattern", UINT32_MAX, &interval))
      return false;
  }
  uint32_t full = layers / interval;
  return count_layers(config, model, kind, layers - full) && count_layers(config, model, "full_attention", full);
}

static bool count_all(struct config *config, struct model *model) {
  const json_t *layer_types = config_find(config, "layer_types");
  const char *pattern = config_string(config, "hybrid_override_pattern", NULL);
  if (layer_types && !json_is_array(layer_types))
    return config_problem(config, "field layer_types is not an array");
  if (layer_types)
    return count_listed(config, layer_types, model);
  if (pattern)
    return count_lettered(config, pattern, model);
  return count_regular(config, model);
}

/* ----------------------------------------------------------------------------------------------- one kind */

static bool read_heads(struct config *config, struct model_layer *layer) {
  uint32_t heads;
  uint32_t hidden_size = 0;
  uint32_t head_dim;
  if (!config_count(config, "num_attention_heads", 0, &heads) ||
      !config_count(config, "num_key_value_heads", heads, &layer->kv_heads))
    return false;
  if (!config_find(config, "head_dim") && !config_count(config, "hidden_size", 0, &hidden_size))
    return false;
  if (!config_count(config, "head_dim", hidden_size / heads, &head_dim))
    return false;
  if (strcmp(layer->kind, "full_attention") == 0 &&
      (!config_count(config, "global_head_dim", head_dim, &head_dim) ||
       !config_count(config, "num_global_key_value_heads", layer->kv_heads, &layer->kv_heads)))
    return false;
  if (heads % layer->kv_heads != 0)
    return config_problem(config, "%u query heads cannot share %u KV heads", heads, layer->kv_heads);
  layer->spec.head_dim = head_dim;
  layer->spec.group = heads / layer->kv_heads;
  return true;
}

static void read_dtype(const struct config *config, struct model_layer *layer) {
  const char *dtype = config_string(config, "dtype", config_string(config, "torch_dtype", "bfloat16"));
  if (strcmp(dtype, "bfloat16") == 0)
    layer->spec.q_dtype = FI_BF16;
  else if (strcmp(dtype, "float16") == 0)
    layer->spec.q_dtype = FI_F16;
  else
    missing_add(layer, "dtype %s", dtype);
  layer->spec.kv_dtype = layer->spec.q_dtype;
}

static bool has_feature(const struct config *config, const struct feature *feature) {
  if (feature->model_type)
    return strcmp(config_string(config, "model_type", ""), feature->model_type) == 0;
  const json_t *value = config_find(config, feature->field);
  return value && !json_is_false(value);
}

static bool read_layer(struct config *config, struct model_layer *layer) {
  const struct kind *kind = NULL;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(kinds[i].name, layer->kind) == 0)
      kind = &kinds[i];
  }
  fi_spec_init(&layer->spec);
  if (!kind) {
    missing_add(layer, "unknown kind of layer");
    return true;
  }
  uint32_t amount = 0;
  if (kind->field && config_find(config, kind->field) && !config_count(config, kind->field, 0, &amount))
    return false;
  if (amount > 0)
    missing_add(layer, "%s (%s %u)", kind->missing, kind->field, amount);
  else if (kind->missing)
    missing_add(layer, "%s", kind->missing);
  if (!kind->has_heads)
    return true;
  for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
    if (has_feature(config, &features[i]))
      missing_add(layer, "%s", features[i].missing);
  }
  read_dtype(config, layer);
  return read_heads(config, layer) && rope_read(config, layer);
}

static void read_name(const char *path, struct model *model) {
  const char *slash = strrchr(path, '/');
  snprintf(model->name, sizeof model->name, "%s", slash ? slash + 1 : path);
  char *ending = strstr(model->name, ".json");
  if (ending)
    *ending = '\0';
}

bool model_read(const char *path, struct model *model) {
  struct config config;
  *model = (struct model){0};
  read_name(path, model);
  if (!config_open(&config, path))
    return false;
  bool read = count_all(&config, model);
  for (uint32_t i = 0; i < model->kinds && read; i++)
    read = read_layer(&config, &model->layers[i]);
  if (read && model->kinds == 0)
    read = config_problem(&config, "no attention layer");
  config_close(&config);
  return read;
}
