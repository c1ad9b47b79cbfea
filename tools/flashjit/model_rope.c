/* Rope: rope_theta and rope_scaling of older configs, rope_parameters (flat or per kind of layer) of newer
 * ones. */
#include "tools/flashjit/model_rope.h"

#include <math.h>
#include <string.h>

/* The pairing is in the model's code, not in its config. */
struct rope_style {
  const char *model_type;
  uint32_t full;  /* layers that see everything */
  uint32_t local; /* layers with a window or chunks */
};

static const struct rope_style styles[] = {
    {"cohere", FI_ROPE_INTERLEAVED, FI_ROPE_INTERLEAVED},   {"cohere2", FI_ROPE_NONE, FI_ROPE_INTERLEAVED},
    {"ernie4_5", FI_ROPE_INTERLEAVED, FI_ROPE_INTERLEAVED}, {"glm", FI_ROPE_INTERLEAVED, FI_ROPE_INTERLEAVED},
    {"glm4", FI_ROPE_INTERLEAVED, FI_ROPE_INTERLEAVED},     {"gptj", FI_ROPE_INTERLEAVED, FI_ROPE_INTERLEAVED},
    {"llama4_text", FI_ROPE_NONE, FI_ROPE_INTERLEAVED},     {"nemotron_h", FI_ROPE_NONE, FI_ROPE_NONE},
};

static uint32_t rope_style(const struct config *config, const struct model_layer *layer) {
  const char *model_type = config_string(config, "model_type", "");
  bool is_full = strcmp(layer->kind, "full_attention") == 0;
  for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
    if (strcmp(styles[i].model_type, model_type) == 0)
      return is_full ? styles[i].full : styles[i].local;
  }
  return FI_ROPE_HALF;
}

/* The object that describes the rope of a kind of layer; NULL when there is none. */
static const json_t *rope_object(const struct config *config, const char *kind) {
  const json_t *parameters = config_find(config, "rope_parameters");
  if (!parameters)
    return config_find(config, "rope_scaling");
  const json_t *of_kind = json_object_get(parameters, kind);
  return of_kind ? of_kind : parameters;
}

/* A field of the rope object, else of the config. */
static bool rope_number(struct config *config, const json_t *rope, const char *field, double fallback, double *value) {
  return config_number(config, config->root, field, fallback, value) &&
         config_number(config, config->text, field, *value, value) && config_number(config, rope, field, *value, value);
}

static bool read_base(struct config *config, const json_t *rope, struct model_layer *layer) {
  double theta;
  double factor;
  double rotary_dim;
  if (!rope_number(config, rope, "rope_theta", 10000, &theta) ||
      !rope_number(config, rope, "partial_rotary_factor", 1, &factor) ||
      !rope_number(config, rope, "rotary_dim", factor * layer->spec.head_dim, &rotary_dim))
    return false;
  if (theta != floor(theta) || theta < 2 || theta > INT32_MAX)
    return config_problem(config, "field rope_theta is %g, not a whole number of 2 and more", theta);
  if (rotary_dim < 1 || rotary_dim > layer->spec.head_dim)
    return config_problem(config, "%g rotated dims do not fit a head of %u", rotary_dim, layer->spec.head_dim);
  layer->spec.rope_theta = (uint32_t)theta;
  layer->spec.rope_dim = (uint32_t)rotary_dim;
  return true;
}

/* A mandatory number of a scaling, times unit, as a whole number. */
static bool read_scaling(struct config *config, const json_t *rope, const char *field, double unit, uint32_t *axis) {
  double value;
  if (!config_number(config, rope, field, -1, &value))
    return false;
  double scaled = round(value * unit);
  if (value < 0)
    return config_problem(config, "field %s of the rope scaling is missing", field);
  if (fabs(scaled - value * unit) > 1e-6 || scaled > INT32_MAX)
    return config_problem(config, "field %s is %g: more than three decimals", field, value);
  *axis = (uint32_t)scaled;
  return true;
}

static bool read_linear(struct config *config, const json_t *rope, fi_spec *spec) {
  spec->rope_scaling = FI_SCALING_LINEAR;
  return read_scaling(config, rope, "factor", 1000, &spec->rope_factor);
}

static bool read_llama3(struct config *config, const json_t *rope, fi_spec *spec) {
  spec->rope_scaling = FI_SCALING_LLAMA3;
  return read_scaling(config, rope, "factor", 1000, &spec->rope_factor) &&
         read_scaling(config, rope, "low_freq_factor", 1000, &spec->rope_low_frequency) &&
         read_scaling(config, rope, "high_freq_factor", 1000, &spec->rope_high_frequency) &&
         read_scaling(config, rope, "original_max_position_embeddings", 1, &spec->rope_context);
}

bool rope_read(struct config *config, struct model_layer *layer) {
  fi_spec *spec = &layer->spec;
  const json_t *rope = rope_object(config, layer->kind);
  spec->rope = rope_style(config, layer);
  if (spec->rope == FI_ROPE_NONE)
    return true;
  if (!read_base(config, rope, layer))
    return false;
  const char *type = json_string_value(json_object_get(rope, "rope_type"));
  if (!type)
    type = json_string_value(json_object_get(rope, "type")); /* the older spelling */
  if (!type || strcmp(type, "default") == 0)
    return true;
  if (strcmp(type, "linear") == 0)
    return read_linear(config, rope, spec);
  if (strcmp(type, "llama3") == 0)
    return read_llama3(config, rope, spec);
  missing_add(layer, "rope_type %s", type);
  return true;
}
