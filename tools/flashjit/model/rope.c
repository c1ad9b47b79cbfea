/*
 * Rope: rope_theta and rope_scaling of older configs, rope_parameters (flat, or by kind of layer) of newer ones, and
 * lists with one value a layer.
 */
#include "tools/flashjit/model/rope.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------- which layers */

bool rope_rotates(const struct config *config) {
  const json_t *list = config_find(config, "no_rope_layers"); /* 1: rotates */
  const json_t *interval = config_find(config, "no_rope_layer_interval");
  if (json_array_size(list) > config->number)
    return json_number_value(json_array_get(list, config->number)) != 0;
  list = config_find(config, "use_rope_layers");
  if (json_array_size(list) > config->number)
    return json_is_true(json_array_get(list, config->number)) ||
           json_number_value(json_array_get(list, config->number)) != 0;
  if (json_number_value(interval) >= 1)
    return (config->number + 1) % (uint32_t)json_number_value(interval) != 0;
  return true;
}

/* An empty list, as Llama 4 writes it, is none. */
static bool check_layer_lists(struct config *config) {
  static const char *const fields[] = {"no_rope_layers", "use_rope_layers"};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    const json_t *list = config_find(config, fields[i]), *element;
    if (list && !json_is_null(list) && !json_is_array(list))
      return config_mistake(config, fields[i], list, "a list");
    if (json_array_size(list) > 0 && !config_element(config, fields[i], list, &element))
      return false;
  }
  return true;
}

static uint32_t find_pairing(const char *name) {
  if (strcmp(name, "none") == 0)
    return FI_ROPE_NONE;
  return strcmp(name, "interleaved") == 0 ? FI_ROPE_INTERLEAVED : FI_ROPE_HALF;
}

/* The pairing is in the model's code, not in its config. Some kinds of layers do not rotate where others do. */
static uint32_t pairing_of(const struct config *config, const struct kind *kind) {
  const bool is_local = kind->reach != REACH_FULL;
  const char *name = config_trait_text(config, "rope", "half");
  const char *embedding = config_text(config, "position_embedding_type", "");
  uint32_t window;
  name = config_trait_text(config, is_local ? "rope_local" : "rope_full", name);
  if (!is_local && config_trait(config, "rope_full_alone") && window_read((struct config *)config, &window) &&
      window == 0)
    name = config_trait_text(config, "rope_full_alone", name);
  if (strcmp(embedding, "rope") == 0 || strcmp(embedding, "rotary") == 0)
    name = config_trait_text(config, "rope_if_asked", name);
  if (config_flag(config, "use_mem_rope"))
    name = config_trait_text(config, "rope_if_asked", name);
  if (config_flag(config, "original_rope") || json_is_false(config_find(config, "rope_interleave")) ||
      json_is_false(config_find(config, "use_mla")))
    name = strcmp(name, "interleaved") == 0 ? "half" : name;
  if (config_flag(config, "rotary_emb_interleaved"))
    name = "interleaved";
  return find_pairing(name);
}

/* A model that is known has its positions in its code. */
static bool has_other_positions(const struct config *config) {
  static const char *const others[] = {"nope", "absolute", "learned_absolute", "learned", "sinusoidal"};
  const char *embedding = config_text(config, "position_embedding_type", "");
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (strcmp(embedding, others[i]) == 0 && !config->is_known)
      return true;
    if (strcmp(embedding, others[i]) == 0)
      note(config->notes, "position_embedding_type is \"%s\", which is not asked for in %s", embedding,
           config->model_type);
  }
  return strcmp(embedding, "alibi") == 0;
}

static bool is_unrotated(const struct config *config) {
  return !rope_rotates(config) || config_flag(config, "alibi") || config_flag(config, "mla_use_nope") ||
         has_other_positions(config) ||
         (config_trait(config, "rope_needs_theta") && config_is_null(config, "rope_theta"));
}

/* ------------------------------------------------------------------------------------------------ objects */

/* What one layer takes its values from: an object of its kind, then one that goes before or after it. */
struct source {
  struct config *config;
  const char *name;   /* of the field */
  const json_t *over; /* goes before object, or NULL */
  const json_t *object;
  bool is_none;    /* null for this kind of layer: no rotation */
  bool is_default; /* the architecture's, which the file's own rope_theta goes before */
};

/* Some models scale the frequencies of some layers only, by their numbers or their kinds. */
static bool is_scaled(const struct config *config, const struct kind *kind) {
  const json_t *layers = config_find(config, "rope_scaling_layers");
  const json_t *kinds = config_find(config, "yarn_only_types");
  bool is_listed = !layers && !kinds;
  size_t index;
  json_t *value;
  json_array_foreach((json_t *)layers, index, value)
    is_listed |= json_number_value(value) == config->number;
  json_array_foreach((json_t *)kinds, index, value) {
    const char *name = json_string_value(value);
    is_listed |= name && strcmp(name, kind->name) == 0;
  }
  const bool is_of_full = !kinds && config_trait(config, "rope_scaling_of_full");
  return is_listed && (!is_of_full || kind->reach == REACH_FULL || kind->sparse);
}

static bool find_object(struct config *config, const char *field, const json_t **object) {
  *object = config_find(config, field);
  if (!*object || json_is_object(*object))
    return true;
  return config_mistake(config, field, *object, "an object");
}

static const char *const kind_keys[] = {"full_attention",    "sliding_attention", "chunked_attention", "hybrid",
                                        "hybrid_sliding",    "attention",         "linear_attention",  "main",
                                        "indexed_attention", "compress"};

static bool is_nested(const json_t *object) {
  for (size_t i = 0; i < sizeof kind_keys / sizeof *kind_keys; i++) {
    if (json_object_get(object, kind_keys[i]))
      return true;
  }
  return false;
}

/* The inner object of a kind of layer, where there are such. */
static void choose_kind(struct source *source, const struct kind *kind) {
  const char *other = config_trait(source->config, "compresses") ? kind->sparse ? "compress" : "main" : kind->old_name;
  if (!is_nested(source->object))
    return;
  const json_t *inner = json_object_get(source->object, kind->name);
  if (!inner && other)
    inner = json_object_get(source->object, other);
  if (!inner)
    note(source->config->notes, "%s has nothing for %s: default RoPE", source->name, kind->name);
  source->is_none = json_is_null(inner);
  source->object = inner;
}

static bool find_source(struct config *config, const struct kind *kind, struct source *source) {
  const json_t *scaling;
  const json_t *parameters;
  if (!find_object(config, "rope_scaling", &scaling) || !find_object(config, "rope_parameters", &parameters))
    return false;
  if (json_object_size(scaling) == 0 || !is_scaled(config, kind))
    scaling = NULL;
  /* Of these models, an old rope_scaling is added to what the kind of layer has. */
  const bool is_added = scaling && config_trait(config, "rope_scaling_of_full") && !is_nested(scaling);
  const bool takes_scaling = scaling && !is_added;
  *source = (struct source){.config = config,
                            .name = takes_scaling ? "rope_scaling" : "rope_parameters",
                            .over = is_added ? scaling : NULL,
                            .object = takes_scaling ? scaling : parameters,
                            .is_default = !takes_scaling && !config_find_given(config, "rope_parameters")};
  if (takes_scaling && config_find_given(config, "rope_parameters"))
    note(config->notes, "rope_scaling and rope_parameters are both given: rope_scaling counts");
  choose_kind(source, kind);
  return true;
}

static const json_t *source_find(const struct source *source, const char *key) {
  const json_t *value = json_object_get(source->over, key);
  if (!value || json_is_null(value))
    value = json_object_get(source->object, key);
  return json_is_null(value) ? NULL : value;
}

static bool source_number(const struct source *source, const char *key, double fallback, double *value) {
  const json_t *found = source_find(source, key);
  *value = found ? json_number_value(found) : fallback;
  return !found || json_is_number(found) || config_mistake(source->config, key, found, "a number");
}

/* A number that the type cannot do without. */
static bool source_needed(const struct source *source, const char *key, double *value) {
  if (!source_number(source, key, -1, value))
    return false;
  if (*value > 0)
    return true;
  const json_t *found = source_find(source, key);
  if (found)
    return config_mistake(source->config, key, found, "a number above 0");
  return config_problem(source->config, "field %s of %s is missing", key, source->name);
}

static bool check_keys(const struct source *source) {
  static const char *const keys[] = {"rope_type",
                                     "type",
                                     "rope_theta",
                                     "partial_rotary_factor",
                                     "factor",
                                     "low_freq_factor",
                                     "high_freq_factor",
                                     "original_max_position_embeddings",
                                     "max_position_embeddings",
                                     "beta_fast",
                                     "beta_slow",
                                     "mscale",
                                     "mscale_all_dim",
                                     "attention_factor",
                                     "truncate",
                                     "short_factor",
                                     "long_factor",
                                     "short_mscale",
                                     "long_mscale",
                                     "mrope_section",
                                     "xdrope_section",
                                     "mrope_interleaved",
                                     "alpha",
                                     "rotary_dim",
                                     "finetuned",
                                     "llama_4_scaling_beta",
                                     "apply_yarn_scaling",
                                     "attn_factor",
                                     "extrapolation_factor",
                                     "alpha_scaling"};
  const json_t *objects[] = {source->over, source->object};
  for (size_t o = 0; o < 2; o++) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)objects[o], key, value) {
      bool is_known = json_is_null(value);
      for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        is_known |= strcmp(keys[i], key) == 0;
      if (!is_known)
        return config_problem(source->config, "field %s of %s is not understood, and could change attention", key,
                              source->name);
    }
  }
  return true;
}

/* ------------------------------------------------------------------------------------------ theta and dims */

/* *is_none: a theta of 0 in a list means that the layer does not rotate. */
static bool read_theta(const struct source *source, const struct kind *kind, double *theta, bool *is_none) {
  struct config *config = source->config;
  const bool is_given = source->is_default && config_find_given(config, "rope_theta");
  const json_t *inner = is_given ? NULL : source_find(source, "rope_theta");
  double ratio;
  *is_none = false;
  if (!config_number(config, "layer_rope_theta", -1, theta) || !config_number(config, "rope_ratio", 1, &ratio))
    return false;
  if (*theta >= 0) {
    *is_none = *theta == 0;
    return true;
  }
  const bool is_local = kind->reach != REACH_FULL;
  const bool has_local = is_local && !inner && config_find(config, "rope_local_base_freq");
  const char *field = has_local                                                    ? "rope_local_base_freq"
                      : kind->sparse && config_find(config, "compress_rope_theta") ? "compress_rope_theta"
                                                                                   : "rope_theta";
  if (!config_number(config, field, 10000, theta) || (inner && !source_number(source, "rope_theta", *theta, theta)))
    return false;
  *is_none = *theta == 0 && json_is_array(config_find(config, field));
  if (!*is_none && !(*theta > 1))
    return config_problem(config, "field %s is %g, not above 1", field, *theta);
  *theta *= ratio;
  return true;
}

/* The part of a head that is rotated. Some architectures may name its dims in place of the part. */
static bool read_part(struct config *config, uint32_t head_dim, double *part) {
  const char *field = config_trait_text(config, "dims", "partial_rotary_factor");
  if (config_find_given(config, "partial_rotary_factor") || !config_find_given(config, field))
    return config_number(config, "partial_rotary_factor", 1, part);
  uint32_t dims;
  if (!config_count(config, field, 0, &dims))
    return false;
  if (dims > head_dim)
    return config_problem(config, "field %s is %u, more than the %u dims of a head", field, dims, head_dim);
  *part = (double)dims / head_dim;
  return true;
}

/* A factor is cut, not rounded: 0.334 of 192 are 64. */
static bool read_dims(const struct source *source, struct layer *layer) {
  struct config *config = source->config;
  double dims;
  double factor;
  double fallback;
  const uint32_t head_dim = layer->latent.rank > 0 ? layer->latent.rope_dims : layer->head_dim;
  if (!read_part(config, head_dim, &fallback) || !source_number(source, "partial_rotary_factor", fallback, &factor))
    return false;
  if (layer->latent.rank > 0 || config_trait(config, "forced_dims"))
    factor = json_number_value(config_trait(config, "forced_dims")) > 0
                 ? json_number_value(config_trait(config, "forced_dims"))
                 : 1;
  if (!config_number(config, "rotary_dim", floor(head_dim * factor + 1e-9), &dims) ||
      !source_number(source, "rotary_dim", dims, &dims))
    return false;
  if (dims < 1 || dims > head_dim || dims != floor(dims))
    return config_problem(config,
                          "%g rotated dims (field partial_rotary_factor or rotary_dim) of a head of %u: allowed "
                          "are whole numbers up to it",
                          dims, head_dim);
  layer->rope.dims = (uint32_t)dims;
  return true;
}

/* --------------------------------------------------------------------------------------------- by the type */

static const struct {
  const char *name;
  enum rope_type type;
} type_names[] = {
    {"default", ROPE_DEFAULT},   {"mrope", ROPE_DEFAULT},       {"none", ROPE_DEFAULT},
    {"linear", ROPE_LINEAR},     {"dynamic", ROPE_DYNAMIC},     {"llama3", ROPE_LLAMA3},
    {"yarn", ROPE_YARN},         {"telechat3-yarn", ROPE_YARN}, {"deepseek_yarn", ROPE_YARN},
    {"longrope", ROPE_LONGROPE}, {"su", ROPE_LONGROPE},         {"proportional", ROPE_PROPORTIONAL},
    {"learned", ROPE_LEARNED},   {"xdrope", ROPE_DYNAMIC},
};

static void read_type(const struct source *source, struct rope *rope) {
  const json_t *named = source_find(source, "rope_type");
  const json_t *older = source_find(source, "type"); /* the older spelling */
  if (named && older && !json_equal(named, older))
    note(source->config->notes, "rope_type and type are both given, and differ: rope_type counts");
  if (!named)
    named = older;
  const char *name = json_string_value(named);
  rope->type = ROPE_UNKNOWN;
  if (!named)
    name = "default";
  if (name && strcmp(name, "yarn") == 0 && config_trait(source->config, "yarn_is_longrope"))
    name = "longrope";
  if (name && strcmp(name, "yarn") == 0 && config_trait(source->config, "learned_frequencies"))
    name = "learned";
  snprintf(rope->type_name, sizeof rope->type_name, "%s", name ? name : "?");
  for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
    if (name && strcmp(type_names[i].name, name) == 0)
      rope->type = type_names[i].type;
  }
}

double rope_magnitude(double factor, double mscale) {
  return factor > 1 ? 0.1 * mscale * log(factor) + 1 : 1;
}

/* Of the model: what a scaling stretches. */
static bool read_context(const struct source *source, struct rope *rope) {
  double fallback;
  if (!config_number(source->config, "max_position_embeddings", 0, &fallback) ||
      !source_number(source, "original_max_position_embeddings", fallback, &fallback) ||
      !config_number(source->config, "original_max_position_embeddings", fallback, &rope->context))
    return false;
  if (rope->context >= 1 && rope->context == floor(rope->context))
    return true;
  return config_problem(source->config, "field original_max_position_embeddings of %s is %g, not a number of tokens",
                        source->name, rope->context);
}

/* The factor, or how much longer the model's context is than that of its training. */
static bool read_factor(const struct source *source, struct rope *rope) {
  double most;
  if (source_find(source, "factor"))
    return source_needed(source, "factor", &rope->factor);
  if (!config_number(source->config, "max_position_embeddings", 0, &most))
    return false;
  rope->factor = most / rope->context;
  return rope->factor > 0 || config_problem(source->config, "field factor of %s is missing", source->name);
}

static bool read_yarn(const struct source *source, struct rope *rope) {
  double mscale;
  double mscale_all;
  if (!read_context(source, rope) || !read_factor(source, rope) ||
      !source_number(source, "beta_fast", 32, &rope->beta_fast) ||
      !source_number(source, "beta_slow", 1, &rope->beta_slow) ||
      !source_number(source, "attention_factor", 0, &rope->attention_factor) ||
      !source_number(source, "mscale", 0, &mscale) || !source_number(source, "mscale_all_dim", 0, &mscale_all))
    return false;
  rope->no_truncation = json_is_false(source_find(source, "truncate"));
  if (config_trait(source->config, "no_magnitude"))
    rope->attention_factor = 1;
  else if (strcmp(rope->type_name, "telechat3-yarn") == 0)
    rope->attention_factor = 0.07 * log(rope->factor) + 1;
  else if (rope->attention_factor == 0 && mscale != 0 && mscale_all != 0)
    rope->attention_factor = rope_magnitude(rope->factor, mscale) / rope_magnitude(rope->factor, mscale_all);
  else if (rope->attention_factor == 0)
    rope->attention_factor = rope_magnitude(rope->factor, 1);
  return true;
}

static bool read_factors(const struct source *source, const struct rope *rope, const char *field, double *factors) {
  const json_t *list = source_find(source, field);
  if (!json_is_array(list))
    return config_problem(source->config, "field %s of %s is missing, or no list", field, source->name);
  if (json_array_size(list) != rope->dims / 2 || rope->dims / 2 > MOST_PAIRS)
    return config_problem(source->config, "field %s of %s has %zu numbers for %u rotated pairs", field, source->name,
                          json_array_size(list), rope->dims / 2);
  for (uint32_t i = 0; i < rope->dims / 2; i++) {
    factors[i] = json_number_value(json_array_get(list, i));
    if (!(factors[i] > 0))
      return config_mistake(source->config, field, list, "a list of numbers above 0");
  }
  return true;
}

/* Of the longest request that the model is made for: what is rotated for it stays right for shorter ones. */
static bool read_longest(const struct source *source, struct rope *rope) {
  double most;
  if (!config_number(source->config, "max_position_embeddings", rope->context, &most))
    return false;
  rope->max_tokens = (uint32_t)fmin(fmax(most, 1), UINT32_MAX);
  return true;
}

static bool read_longrope(const struct source *source, struct rope *rope) {
  double long_mscale;
  double short_mscale;
  if (!read_factors(source, rope, "short_factor", rope->short_factors) ||
      !read_factors(source, rope, "long_factor", rope->long_factors) || !read_context(source, rope) ||
      !read_longest(source, rope) ||
      !source_number(source, "factor", rope->max_tokens / rope->context, &rope->factor) ||
      !source_number(source, "attention_factor", 0, &rope->attention_factor) ||
      !source_number(source, "short_mscale", 0, &short_mscale) ||
      !source_number(source, "long_mscale", 0, &long_mscale))
    return false;
  if (long_mscale > 0)
    rope->attention_factor = long_mscale;
  if (rope->attention_factor == 0)
    rope->attention_factor = rope->factor <= 1 ? 1 : sqrt(1 + log(rope->factor) / log(rope->context));
  return true;
}

/* Hunyuan's alpha is a larger theta; anything else depends on the longest request. */
static bool read_dynamic(const struct source *source, struct rope *rope) {
  double alpha;
  if (!source_number(source, "alpha", 0, &alpha))
    return false;
  if (alpha == 0)
    return read_context(source, rope) && read_longest(source, rope) && source_needed(source, "factor", &rope->factor);
  rope->theta *= pow(alpha, rope->dims / (rope->dims - 2.0));
  rope->type = ROPE_DEFAULT;
  return true;
}

/* The pairs lie over the whole head, and only the first of them turn. */
static bool read_proportional(const struct source *source, struct layer *layer) {
  layer->rope.turning_pairs = layer->rope.dims / 2;
  layer->rope.dims = layer->head_dim;
  return source_number(source, "factor", 1, &layer->rope.factor);
}

static bool read_scaling(const struct source *source, struct layer *layer) {
  struct rope *rope = &layer->rope;
  switch (rope->type) {
  case ROPE_LINEAR:
    return source_needed(source, "factor", &rope->factor);
  case ROPE_DYNAMIC:
    return read_dynamic(source, rope);
  case ROPE_LLAMA3:
    return source_needed(source, "factor", &rope->factor) &&
           source_needed(source, "low_freq_factor", &rope->low_frequency) &&
           source_needed(source, "high_freq_factor", &rope->high_frequency) && read_context(source, rope);
  case ROPE_YARN:
  case ROPE_LEARNED:
    return read_yarn(source, rope);
  case ROPE_LONGROPE:
    return read_longrope(source, rope);
  case ROPE_PROPORTIONAL:
    return read_proportional(source, layer);
  case ROPE_DEFAULT:
  case ROPE_UNKNOWN:
    return true;
  }
  return true;
}

/* --------------------------------------------------------------------------------------------------- images */

static const json_t *find_sections(const struct source *source) {
  const json_t *list = source_find(source, "mrope_section");
  if (!list)
    list = source_find(source, "xdrope_section");
  return list ? list : config_find(source->config, "mrope_section");
}

/* A flag of the file goes before what the code does; alternating sections are the code's alone. */
static uint32_t section_order(const struct source *source) {
  const char *order = config_trait_text(source->config, "sections", "");
  const json_t *is_interleaved = source_find(source, "mrope_interleaved");
  if (strcmp(order, "alternating") == 0)
    return FI_SECTIONS_ALTERNATING;
  if (is_interleaved ? json_is_true(is_interleaved) : strcmp(order, "interleaved") == 0)
    return FI_SECTIONS_INTERLEAVED;
  return FI_SECTIONS_CONTIGUOUS;
}

/* Of interleaved sections those of height and width are cut out of the pairs, and time has what is left. */
static bool fill_sections(const json_t *list, struct rope *rope) {
  const uint32_t pairs = rope->dims / 2;
  /* Alternating ones are listed as height, width, time. */
  const size_t first = rope->section_order == FI_SECTIONS_ALTERNATING ? 2 : 0;
  for (size_t i = 0; i < 3; i++) {
    const double section = json_number_value(json_array_get(list, (first + i) % 3));
    if (!(section >= 0 && section <= pairs && section == floor(section)))
      return false;
    rope->sections[i] = (uint32_t)section;
  }
  const uint32_t images = rope->sections[1] + rope->sections[2];
  if (rope->section_order == FI_SECTIONS_INTERLEAVED && images + rope->sections[0] <= pairs)
    rope->sections[0] = pairs - images;
  return images + rope->sections[0] == pairs;
}

static bool read_sections(const struct source *source, struct rope *rope) {
  const json_t *list = find_sections(source);
  if (!list)
    return true;
  rope->axes = (uint32_t)json_array_size(list);
  rope->section_order = section_order(source);
  if (rope->axes > 3 || (rope->axes == 3 && fill_sections(list, rope)))
    return true;
  char allowed[80];
  snprintf(allowed, sizeof allowed, "three numbers of pairs that add up to the %u of the head", rope->dims / 2);
  return config_mistake(source->config, "mrope_section", list, allowed);
}

/* ------------------------------------------------------------------------------------------------ a layer */

bool rope_read(struct config *config, const struct kind *kind, struct layer *layer) {
  struct rope *rope = &layer->rope;
  struct source source;
  bool is_none;
  const uint32_t pairing = pairing_of(config, kind);
  const bool has_dims = layer->latent.rank == 0 || layer->latent.rope_dims > 0;
  if (!check_layer_lists(config) || !find_source(config, kind, &source) || !check_keys(&source))
    return false;
  if (pairing == FI_ROPE_NONE || source.is_none || !has_dims || layer->is_cross || is_unrotated(config))
    return true;
  if (!read_theta(&source, kind, &rope->theta, &is_none))
    return false;
  if (is_none) {
    *rope = (struct rope){0};
    return true;
  }
  rope->pairing = pairing;
  rope->at_end = layer->latent.rank > 0 || config_trait(config, "rope_at_end");
  read_type(&source, rope);
  return read_dims(&source, layer) && read_scaling(&source, layer) && read_sections(&source, rope);
}
