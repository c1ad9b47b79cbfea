/* The many ways in which configs say which layer is what; the first that a config has counts. */
#include "tools/flashjit/model/kinds.h"

#include "tools/flashjit/model/rope.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char state[] = "linear attention or another recurrent state, which has no KV cache";
static const char dense[] = "no attention";

static const struct kind known[] = {
    {"full_attention", "attention", REACH_FULL, NULL, NULL},
    {"sliding_attention", "local", REACH_SLIDING, NULL, NULL},
    {"chunked_attention", NULL, REACH_CHUNK, NULL, NULL},
    {"hybrid", NULL, REACH_FULL, NULL, NULL},
    {"hybrid_sliding", NULL, REACH_SLIDING, NULL, NULL},
    {"cross_attention", NULL, REACH_FULL, NULL, NULL},
    {"indexed_attention", "deepseek_sparse_attention", REACH_FULL, NULL, "indexed tokens"},
    {"compressed_sparse_attention", NULL, REACH_SLIDING, NULL, "selected compressed entries"},
    {"heavily_compressed_attention", NULL, REACH_SLIDING, NULL, "all compressed entries"},
    {"minimax_m3_sparse", NULL, REACH_FULL, NULL, "selected blocks"},
    {"reference_sliding_attention", NULL, REACH_FULL, NULL, "the prompt and a window of generated tokens"},
    {"linear_attention", "mamba", REACH_NONE, state, NULL},
    {"conv", NULL, REACH_NONE, "a convolution, which has no KV cache", NULL},
    {"moe", "sparse", REACH_NONE, dense, NULL},
    {"mlp", "dense", REACH_NONE, dense, NULL},
    {"no_attention", NULL, REACH_NONE, dense, NULL},
};

/* Further names, of older configs. */
static const char *const other_names[][2] = {
    {"global", "full_attention"},
    {"qwen_sparse_attention", "indexed_attention"},
    {"recurrent", "linear_attention"},
    {"kda", "linear_attention"},
    {"mamba2", "linear_attention"},
    {"gated_delta_net", "linear_attention"},
    {"local_attention", "sliding_attention"},
};

static const struct kind *find_kind(const char *name) {
  for (size_t i = 0; i < sizeof other_names / sizeof *other_names; i++) {
    if (strcmp(other_names[i][0], name) == 0)
      name = other_names[i][1];
  }
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(known[i].name, name) == 0 || (known[i].old_name && strcmp(known[i].old_name, name) == 0))
      return &known[i];
  }
  return NULL;
}

/* Some architectures mean another kind by a name. */
static void set(struct config *config, struct kinds *kinds, uint32_t layer, const char *name) {
  const struct kind *kind = find_kind(name);
  const char *meant = json_string_value(json_object_get(config_trait(config, "kinds"), kind ? kind->name : name));
  if (meant)
    kind = find_kind(meant);
  kinds->kind[layer] = kind;
  snprintf(kinds->name[layer], sizeof kinds->name[layer], "%s", kind ? kind->name : name);
}

/* ------------------------------------------------------------------------------------------------ lists */

/* Draft layers come after the others in some configs. */
static bool check_length(struct config *config, const char *field, size_t entries) {
  uint32_t drafts = 0;
  const size_t layers = config->layers;
  if (config_find(config, "num_nextn_predict_layers"))
    drafts = (uint32_t)json_number_value(config_find(config, "num_nextn_predict_layers"));
  if (entries == layers)
    return true;
  if (entries < layers || entries > layers + drafts)
    return config_problem(config, "field %s has %zu entries for %zu layers", field, entries, layers);
  note(config->notes, "the last %zu of the %zu entries of %s are draft layers, which are not listed", entries - layers,
       entries, field);
  return true;
}

static bool read_names(struct config *config, const char *field, const json_t *list, struct kinds *kinds) {
  if (!json_is_array(list))
    return config_mistake(config, field, list, "a list");
  for (size_t i = 0; i < json_array_size(list); i++) {
    const char *name = json_string_value(json_array_get(list, i));
    if (!name)
      return config_problem(config, "field %s[%zu] is not a string", field, i);
    if (i < config->layers)
      set(config, kinds, (uint32_t)i, name);
  }
  return check_length(config, field, json_array_size(list));
}

/* A list that is repeated. */
static bool read_cycle(struct config *config, const json_t *list, struct kinds *kinds) {
  const size_t names = json_array_size(list);
  if (names == 0)
    return config_mistake(config, "block_types", list, "a list of kinds of layers");
  for (uint32_t i = 0; i < config->layers; i++) {
    const char *name = json_string_value(json_array_get(list, i % names));
    if (!name)
      return config_problem(config, "field block_types[%zu] is not a string", i % names);
    set(config, kinds, i, name);
  }
  return true;
}

/* One letter a layer; the pattern is repeated unless it is as long as the model. */
static bool read_letters(struct config *config, const char *field, const char *letters, struct kinds *kinds) {
  const bool is_window = strcmp(field, "sliding_window_pattern") == 0; /* there L is a local layer */
  static const char *const names[][2] = {
      {"*FG", "full_attention"},
      {"S", "sliding_attention"},
      {"C", "chunked_attention"},
      {"LMR", "linear_attention"},
      {"V", "conv"},
      {"E", "moe"},
      {"-", "mlp"},
      {"H", "hybrid"},
      {"h", "hybrid_sliding"},
      {"I", "indexed_attention"},
      {"c", "compressed_sparse_attention"},
      {"y", "heavily_compressed_attention"},
  };
  const size_t count = strlen(letters);
  for (uint32_t i = 0; i < config->layers; i++) {
    const char letter = letters[i % count];
    const char *name = NULL;
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
      name = strchr(names[n][0], letter) ? names[n][1] : name;
    if (is_window && letter == 'L')
      name = "sliding_attention";
    if (!name)
      return config_problem(config, "field %s has the letter %c; allowed are * M E - L G and those of @layers", field,
                            letter);
    set(config, kinds, i, name);
  }
  return true;
}

/* A list of layer numbers, and what the layers in it and the others are. */
struct numbers {
  const char *field;
  const char *listed;
  const char *others;
  uint32_t first; /* number of the first layer */
};

static const struct numbers number_lists[] = {
    {"linear_attn_config.full_attn_layers", "full_attention", "linear_attention", 1},
    {"attn_layer_indices", "full_attention", "linear_attention", 0},
    {"full_attn_idxs", "full_attention", "conv", 0},
    {"hybrid_layer_ids", "hybrid", "linear_attention", 0},
    {"local_layer_ids", "sliding_attention", "full_attention", 0},
    {"cross_attention_layers", "cross_attention", "full_attention", 0},
};

static bool read_numbers(struct config *config, const struct numbers *numbers, const json_t *list,
                         struct kinds *kinds) {
  if (!json_is_array(list))
    return config_mistake(config, numbers->field, list, "a list");
  for (uint32_t i = 0; i < config->layers; i++)
    set(config, kinds, i, numbers->others);
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *value = json_array_get(list, i);
    const double layer = json_is_number(value) ? json_number_value(value) - numbers->first : -1;
    if (layer < 0 || layer >= config->layers || layer != floor(layer))
      return config_mistake(config, numbers->field, list, "a list of numbers of layers");
    set(config, kinds, (uint32_t)layer, numbers->listed);
  }
  return true;
}

/* A list of 0 and 1. */
struct flags {
  const char *field;
  const char *names[2];
};

static const struct flags flag_lists[] = {
    {"hybrid_layer_pattern", {"full_attention", "sliding_attention"}},
    {"attn_type_list", {"linear_attention", "full_attention"}},
    {"sparse_attention_config.sparse_attention_freq", {"full_attention", "minimax_m3_sparse"}},
};

static bool read_flags(struct config *config, const struct flags *flags, const json_t *list, struct kinds *kinds) {
  if (!json_is_array(list))
    return config_mistake(config, flags->field, list, "a list");
  for (size_t i = 0; i < json_array_size(list); i++) {
    const double value = json_number_value(json_array_get(list, i));
    if (!json_is_number(json_array_get(list, i)) || (value != 0 && value != 1))
      return config_mistake(config, flags->field, list, "a list of 0 and 1");
    if (i < config->layers)
      set(config, kinds, (uint32_t)i, flags->names[(int)value]);
  }
  return check_length(config, flags->field, json_array_size(list));
}

/* How far DeepSeek-V4 compresses the KV that lies outside of a layer's window. */
static bool read_ratios(struct config *config, const json_t *list, struct kinds *kinds) {
  if (!json_is_array(list))
    return config_mistake(config, "compress_ratios", list, "a list");
  for (uint32_t i = 0; i < config->layers; i++) {
    const json_t *element = json_array_get(list, i);
    const double ratio = json_number_value(element);
    char name[32];
    if (element && (!json_is_number(element) || ratio < 0))
      return config_mistake(config, "compress_ratios", element, "a list of numbers of tokens");
    snprintf(name, sizeof name, "compressed_by_%g", ratio);
    set(config, kinds, i,
        ratio == 0     ? "sliding_attention"
        : ratio == 4   ? "compressed_sparse_attention"
        : ratio == 128 ? "heavily_compressed_attention"
                       : name);
  }
  return check_length(config, "compress_ratios", json_array_size(list));
}

static bool read_blocks(struct config *config, const json_t *list, struct kinds *kinds) {
  if (!json_is_array(list))
    return config_mistake(config, "block_configs", list, "a list");
  for (uint32_t i = 0; i < config->layers; i++) {
    const json_t *attention = json_object_get(json_array_get(list, i), "attention");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)attention, key, value) {
      const bool is_off = json_is_null(value) || json_is_false(value);
      if (!is_off && strcmp(key, "n_heads_in_group") && strcmp(key, "no_op") && strcmp(key, "replace_with_linear"))
        return config_problem(config, "field block_configs[%u].attention.%s is not understood", i, key);
    }
    const bool is_none = json_is_true(json_object_get(attention, "no_op")) ||
                         json_is_true(json_object_get(attention, "replace_with_linear"));
    set(config, kinds, i, is_none ? "no_attention" : "full_attention");
  }
  return check_length(config, "block_configs", json_array_size(list));
}

/* ------------------------------------------------------------------------------------------------ periods */

/* One layer of so many is a full one. */
struct period {
  const char *field;
  const char *offset; /* field with the first such layer; NULL: the last of each period */
  const char *others;
};

static const struct period periods[] = {
    {"attn_layer_period", "attn_layer_offset", "linear_attention"},
    {"full_attention_interval", NULL, "linear_attention"},
    {"layer_group_size", NULL, "linear_attention"},
    {"global_attn_every_n_layers", NULL, "sliding_attention"},
    {"sliding_window_pattern", NULL, "sliding_attention"},
};

static bool read_period(struct config *config, const struct period *period, struct kinds *kinds) {
  uint32_t length;
  const json_t *offset = period->offset ? config_find(config, period->offset) : NULL;
  if (!config_count(config, period->field, 0, &length))
    return false;
  const uint32_t first = config_trait_is(config, "period", "first") ? 0 : length - 1;
  const uint32_t place = offset ? (uint32_t)json_number_value(offset) : first;
  if (place >= length)
    return config_problem(config, "field %s is %u, not below %s, which is %u", period->offset, place, period->field,
                          length);
  /* What is left over after the last whole group. */
  const uint32_t rest = strcmp(period->field, "layer_group_size") == 0 ? config->layers % length : 0;
  for (uint32_t i = 0; i < config->layers; i++)
    set(config, kinds, i, i % length == place || i >= config->layers - rest ? "full_attention" : period->others);
  return true;
}

/* -------------------------------------------------------------------------------------- the architecture's */

static bool read_pattern(struct config *config, const char *pattern, struct kinds *kinds) {
  const uint32_t layers = config->layers;
  const uint32_t first = (uint32_t)json_number_value(config_trait(config, "first_full"));
  if (!read_letters(config, "@layers", pattern, kinds))
    return false;
  if (config_trait(config, "from_end")) {
    for (uint32_t i = 0; i < layers; i++) {
      const char letter[] = {pattern[strlen(pattern) - 1 - (layers - 1 - i) % strlen(pattern)], '\0'};
      set(config, kinds, i, letter[0] == 'F' ? "full_attention" : "sliding_attention");
    }
  }
  for (uint32_t i = 0; i < first && i < layers; i++)
    set(config, kinds, i, "full_attention");
  if (config_trait(config, "last_full"))
    set(config, kinds, layers - 1, "full_attention");
  return true;
}

static void tell_unusual_window(const struct config *config) {
  if (config->is_known && config_find_given(config, "sliding_window") &&
      !json_object_get(config->defaults, "sliding_window") && !config_trait(config, "window_flag"))
    note(config->notes, "sliding_window is no field of %s: it is taken to be that of every layer", config->model_type);
}

/* Qwen: layers from some number on slide, or even ones below it; phi3, mistral and unknown ones: all. */
static bool read_windowed(struct config *config, const char *rule, struct kinds *kinds) {
  double bound;
  const bool has_bound = strcmp(rule, "windowed") != 0;
  if (!config_number(config, "max_window_layers", UINT32_MAX, &bound))
    return false;
  for (uint32_t i = 0; i < config->layers; i++) {
    uint32_t window = 0;
    config->number = i;
    if (!window_read(config, &window))
      return false;
    const bool is_below = strcmp(rule, "even_below_max_window_layers") == 0;
    const bool is_in_bound = is_below ? i < bound && i % 2 == 0 : i >= bound;
    set(config, kinds, i, window > 0 && (!has_bound || is_in_bound) ? "sliding_attention" : "full_attention");
    if (window > 0)
      tell_unusual_window(config);
  }
  return true;
}

/* llama4: those that rotate go by chunks; smollm3: those that do not slide. */
static void read_rotating(struct config *config, struct kinds *kinds) {
  const char *rotating = config_trait_text(config, "rotating", "full_attention");
  const char *others = config_trait_text(config, "unrotated", "full_attention");
  for (uint32_t i = 0; i < config->layers; i++) {
    config->number = i;
    set(config, kinds, i, rope_rotates(config) ? rotating : others);
  }
}

static bool read_by_architecture(struct config *config, struct kinds *kinds) {
  const char *rule = config_trait_text(config, "layers", "windowed");
  if (strcmp(rule, "by_rotation") == 0) {
    read_rotating(config, kinds);
    return true;
  }
  if (strcmp(rule, "windowed") == 0 && config_find(config, "attention_chunk_size")) {
    note(config->notes, "attention_chunk_size is read as in llama4: each fourth layer has no chunks");
    return read_letters(config, "attention_chunk_size", "CCCF", kinds);
  }
  if (strstr(rule, "window"))
    return read_windowed(config, rule, kinds);
  return read_pattern(config, rule, kinds);
}

/* ------------------------------------------------------------------------------------------------ all */

static bool read_any(struct config *config, struct kinds *kinds) {
  static const char *const name_lists[] = {"layer_types", "layers_block_type", "attention_layers", "attn_layers"};
  const json_t *value;
  for (size_t i = 0; i < sizeof name_lists / sizeof *name_lists; i++) {
    if ((value = config_find(config, name_lists[i])))
      return read_names(config, name_lists[i], value, kinds);
  }
  if ((value = config_find(config, "block_types")))
    return read_cycle(config, value, kinds);
  if ((value = config_find(config, "hybrid_override_pattern")) && json_string_length(value) > 0)
    return read_letters(config, "hybrid_override_pattern", json_string_value(value), kinds);
  if ((value = config_find(config, "block_configs")))
    return read_blocks(config, value, kinds);
  if ((value = config_find(config, "compress_ratios")))
    return read_ratios(config, value, kinds);
  for (size_t i = 0; i < sizeof flag_lists / sizeof *flag_lists; i++) {
    if ((value = config_find(config, flag_lists[i].field)))
      return read_flags(config, &flag_lists[i], value, kinds);
  }
  for (size_t i = 0; i < sizeof number_lists / sizeof *number_lists; i++) {
    if ((value = config_find(config, number_lists[i].field)))
      return read_numbers(config, &number_lists[i], value, kinds);
  }
  for (size_t i = 0; i < sizeof periods / sizeof *periods; i++) {
    value = config_find(config, periods[i].field);
    if (json_is_string(value) && json_string_length(value) > 0)
      return read_letters(config, periods[i].field, json_string_value(value), kinds);
    if (value && json_number_value(value) != 0)
      return read_period(config, &periods[i], kinds);
  }
  return read_by_architecture(config, kinds);
}

/* Of models that name no number, the length of their list; the letters of Nemotron-H go before the number. */
static bool count_layers(struct config *config) {
  static const char *const lists[] = {"layer_types", "layers_block_type", "block_configs"};
  const json_t *letters = config_find_given(config, "hybrid_override_pattern");
  size_t layers = json_string_length(letters);
  for (size_t i = 0; i < sizeof lists / sizeof *lists && layers == 0; i++) {
    if (!config_find_given(config, "num_hidden_layers"))
      layers = json_array_size(config_find(config, lists[i]));
  }
  const double attentions = json_number_value(config_trait(config, "attentions_per_layer"));
  config->layers = (uint32_t)layers;
  if (layers == 0 && !config_count(config, "num_hidden_layers", 0, &config->layers))
    return false;
  if (attentions > 0)
    config->layers *= (uint32_t)attentions;
  if (config->layers > MOST_LAYERS)
    return config_problem(config, "%u layers are more than the %d that are allowed", config->layers, MOST_LAYERS);
  return true;
}

static void tell_drafts(const struct config *config) {
  const double drafts = json_number_value(config_find(config, "num_nextn_predict_layers"));
  if (drafts > 0)
    note(config->notes, "%g draft layers (num_nextn_predict_layers or the like) are not listed", drafts);
}

bool kinds_read(struct config *config, struct kinds *kinds) {
  *kinds = (struct kinds){0};
  if (!count_layers(config))
    return false;
  tell_drafts(config);
  kinds->layers = config->layers;
  return read_any(config, kinds);
}

/* ------------------------------------------------------------------------------------------------ windows */

bool window_read(struct config *config, uint32_t *window) {
  const json_t *flag = config_find(config, "use_sliding_window");
  const bool is_off = json_is_false(flag) || (!json_is_true(flag) && config_trait(config, "window_flag"));
  const json_t *value;
  uint32_t half = 1;
  *window = 0;
  if (is_off) {
    if (config_find_given(config, "sliding_window") && !json_is_false(flag))
      note(config->notes, "sliding_window is not used: use_sliding_window is not true");
    return true;
  }
  if (!config_find(config, "sliding_window") && config_find(config, "local_attention"))
    half = 2; /* it counts both sides */
  const char *field = half == 2 ? "local_attention" : "sliding_window";
  if (!config_element(config, field, config_find(config, field), &value))
    return false;
  if (!value || json_is_null(value) || json_is_false(value) || (json_is_number(value) && json_number_value(value) == 0))
    return true;
  const double tokens = json_number_value(value);
  if (tokens < 1 || tokens > INT32_MAX || tokens != floor(tokens))
    return config_mistake(config, field, value, "a number of tokens; null or 0 is no window");
  *window = (uint32_t)tokens / half;
  return true;
}
