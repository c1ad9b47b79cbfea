/* dtype, and what quantization configs say of the cache; of the weights' types they say nothing here. */
#include "tools/flashjit/model/types.h"

#include "tools/flashjit/python_json.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Looked for in the whole file first, then in the language model, then beside it. */
static const json_t *find_anywhere(const struct config *config, const char *const *fields) {
  const json_t *objects[] = {config->root, config->text, json_object_get(config->root, "vision_config")};
  for (size_t o = 0; o < sizeof objects / sizeof *objects; o++) {
    for (const char *const *field = fields; *field; field++) {
      const json_t *value = json_object_get(objects[o], *field);
      if (value && !json_is_null(value))
        return value;
    }
  }
  return NULL;
}

static bool read_values(struct config *config, struct layer *layer) {
  static const char *const fields[] = {"dtype", "torch_dtype", NULL};
  const json_t *value = find_anywhere(config, fields);
  const json_t *older = find_anywhere(config, &fields[1]);
  const char *name = json_string_value(value);
  if (older && !json_equal(value, older))
    note(config->notes, "dtype and torch_dtype are both given, and differ: dtype counts");
  if (name && strncmp(name, "torch.", 6) == 0)
    name += 6;
  layer->q_dtype = FI_BF16;
  if (!value)
    note(config->notes, "no dtype in the file: bf16");
  else if (name && strcmp(name, "float16") == 0)
    layer->q_dtype = FI_F16;
  else if (name && strcmp(name, "float32") == 0)
    note(config->notes, "dtype float32 is served as bf16");
  else if (!name || strcmp(name, "bfloat16") != 0)
    return config_mistake(config, "dtype", value, "bfloat16, float16 or float32");
  if (layer->q_dtype == FI_F16 && config_trait(config, "refuses_f16"))
    note(config->notes, "%s is known to overflow in float16", config->model_type);
  return true;
}

/* ------------------------------------------------------------------------------------------------ the cache */

static bool is_given(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  return value && !json_is_null(value);
}

static bool text_is(const json_t *object, const char *key, const char *text) {
  const char *found = json_string_value(json_object_get(object, key));
  return found && strcmp(found, text) == 0;
}

static void set_type(struct layer *layer, uint32_t dtype, uint32_t scale, const char *name) {
  layer->kv_dtype = dtype;
  layer->kv_scale = scale;
  snprintf(layer->kv_type, sizeof layer->kv_type, "%s", name);
}

/* {"type": "float", "num_bits": 8, "strategy": "tensor"} */
static bool read_scheme(struct config *config, const json_t *scheme, struct layer *layer) {
  const double bits = json_number_value(json_object_get(scheme, "num_bits"));
  const bool has_strategy = is_given(scheme, "strategy");
  const bool is_float = text_is(scheme, "type", "float") && !json_is_false(json_object_get(scheme, "symmetric"));
  const bool is_head = text_is(scheme, "strategy", "attn_head");
  const bool is_tensor = !has_strategy || text_is(scheme, "strategy", "tensor");
  const bool is_dynamic = json_is_true(json_object_get(scheme, "dynamic"));
  const bool is_by_16 =
      !is_given(scheme, "group_size") || json_number_value(json_object_get(scheme, "group_size")) == 16;
  const bool is_group = !has_strategy || text_is(scheme, "strategy", "tensor_group");
  if (is_float && bits == 8 && (is_head || is_tensor) && !is_dynamic)
    set_type(layer, FI_E4M3, is_head ? FI_SCALE_HEAD : FI_SCALE_TENSOR, "e4m3");
  else if (is_float && bits == 4 && is_group && is_by_16 && !is_dynamic)
    set_type(layer, FI_NVFP4, FI_SCALE_NONE, "nvfp4");
  else
    return config_mistake(
        config, "kv_cache_scheme", scheme,
        "8 bits of type float, symmetric, with a strategy of tensor or attn_head, or 4 of tensor_group by 16");
  return true;
}

static bool read_algorithm(struct config *config, const json_t *value, struct layer *layer) {
  const char *name = json_string_value(value);
  if (name && strcmp(name, "FP8") == 0)
    set_type(layer, FI_E4M3, FI_SCALE_TENSOR, "e4m3");
  else if (name && strcmp(name, "NVFP4") == 0)
    set_type(layer, FI_NVFP4, FI_SCALE_NONE, "nvfp4");
  else if (name && strcmp(name, "INT8") == 0)
    set_type(layer, FI_I8, FI_SCALE_TENSOR, "int8");
  else if (name && strcmp(name, "INT4") == 0)
    set_type(layer, FI_DTYPE_DEFAULT, FI_SCALE_NONE, "int4");
  else
    return config_mistake(config, "kv_cache_quant_algo", value, "FP8, NVFP4, INT8 or INT4");
  return true;
}

static const json_t *live(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  return json_is_null(value) ? NULL : value;
}

/* Fields of the quantization config itself, or of its "quantization". */
static bool read_quantization(struct config *config, const json_t *quantization, struct layer *layer) {
  const json_t *inner = live(quantization, "quantization");
  const json_t *scheme = live(quantization, "kv_cache_scheme");
  const json_t *algorithm = live(quantization, "kv_cache_quant_algo");
  if (!scheme)
    scheme = live(inner, "kv_cache_scheme");
  if (!algorithm)
    algorithm = live(inner, "kv_cache_quant_algo");
  if (scheme)
    return read_scheme(config, scheme, layer);
  return !algorithm || read_algorithm(config, algorithm, layer);
}

/* Some exporters write it to a file of its own. */
static bool read_beside(struct config *config, struct layer *layer) {
  char path[1100];
  const char *slash = strrchr(config->path, '/');
  snprintf(path, sizeof path, "%.*shf_quant_config.json", slash ? (int)(slash - config->path + 1) : 0, config->path);
  if (access(path, F_OK) != 0)
    return true;
  json_t *quantization = python_json_read(path);
  if (!quantization)
    return false;
  const bool read = read_quantization(config, quantization, layer);
  json_decref(quantization);
  return read;
}

/*
 * What the config says of a cache is also how its scales lie, where that of the choice has some. Of int8 it is a token,
 * unless the config says int8 too.
 */
static void choose_type(uint32_t kv_dtype, uint32_t v_dtype, struct layer *layer) {
  static const struct {
    const char *name;
    bool is_scaled;
    uint32_t usual_scale;
  } types[] = {[FI_F16] = {"f16", false, FI_SCALE_NONE},    [FI_BF16] = {"bf16", false, FI_SCALE_NONE},
               [FI_E4M3] = {"e4m3", true, FI_SCALE_TENSOR}, [FI_E5M2] = {"e5m2", true, FI_SCALE_TENSOR},
               [FI_I8] = {"int8", true, FI_SCALE_TOKEN},    [FI_I4] = {"int4", false, FI_SCALE_NONE},
               [FI_NVFP4] = {"nvfp4", false, FI_SCALE_NONE}};
  const bool is_told = layer->kv_scale != FI_SCALE_NONE && (kv_dtype != FI_I8 || layer->kv_dtype == FI_I8);
  const bool is_mixed = v_dtype != FI_DTYPE_DEFAULT && v_dtype != kv_dtype;
  uint32_t scale = is_told ? layer->kv_scale : types[kv_dtype].usual_scale;
  if (is_mixed)
    scale = kv_dtype == FI_I8 ? FI_SCALE_TOKEN : FI_SCALE_NONE;
  set_type(layer, kv_dtype, types[kv_dtype].is_scaled ? scale : FI_SCALE_NONE, types[kv_dtype].name);
  layer->v_dtype = is_mixed ? v_dtype : FI_DTYPE_DEFAULT;
}

static void tell_cache(struct config *config, const struct layer *layer) {
  const char *scales = layer->kv_scale == FI_SCALE_HEAD     ? ", one scale per KV head"
                       : layer->kv_scale == FI_SCALE_TENSOR ? ", one scale per tensor"
                                                            : "";
  if (strcmp(layer->kv_type, "f16") != 0 && strcmp(layer->kv_type, "bf16") != 0)
    note(config->notes, "by its quantization config the cache is %s%s (--kv-dtype takes another)", layer->kv_type,
         scales);
}

void types_of_values(struct layer *layer) {
  set_type(layer, layer->q_dtype, FI_SCALE_NONE, layer->q_dtype == FI_F16 ? "f16" : "bf16");
}

bool types_read(struct config *config, uint32_t kv_dtype, uint32_t v_dtype, uint32_t kv_scale, struct layer *layer) {
  static const char *const fields[] = {"quantization_config", "compression_config", NULL};
  const json_t *quantization = find_anywhere(config, fields);
  if (!read_values(config, layer))
    return false;
  types_of_values(layer);
  if (quantization && !json_is_object(quantization))
    return config_mistake(config, "quantization_config", quantization, "an object");
  if (quantization ? !read_quantization(config, quantization, layer) : !read_beside(config, layer))
    return false;
  if (kv_dtype != FI_DTYPE_DEFAULT)
    choose_type(kv_dtype, v_dtype, layer);
  else
    tell_cache(config, layer);
  if (kv_scale != FI_SCALE_NONE)
    layer->kv_scale = kv_scale;
  return true;
}
