/* Numbers of heads and their dims, under the names that configs have for them. */
#include "tools/flashjit/model/shape.h"

#include <stdio.h>
#include <string.h>

/* The field of the layers that slide, where there is one, else that of all. */
static const char *field_of_kind(const struct config *config, const struct kind *kind, const char *sliding,
                                 const char *all) {
  const bool has_own = kind->reach == REACH_SLIDING && !kind->sparse && config_find(config, sliding);
  return has_own ? sliding : all;
}

static bool count_of_kind(struct config *config, const struct kind *kind, const char *sliding, const char *all,
                          uint32_t fallback, uint32_t *value) {
  return config_count(config, field_of_kind(config, kind, sliding, all), fallback, value);
}

/* Which may be 0, but not absent: then -1. */
static bool number_of_kind(struct config *config, const struct kind *kind, const char *sliding, const char *all,
                           double *value) {
  return config_number(config, field_of_kind(config, kind, sliding, all), -1, value);
}

/* Shapes are rarely left out of a file: then they are those of the architecture's own default. */
static void tell_default(struct config *config, const char *field, uint32_t value) {
  if (value > 0 && config->is_known && !config_find_given(config, field))
    note(config->notes, "%s is not in the file: %u, the default of %s", field, value, config->model_type);
}

static bool read_query_heads(struct config *config, const struct kind *kind, struct layer *layer) {
  if (json_is_array(config_find(config, "num_attention_heads_per_layer")))
    return config_count(config, "num_attention_heads_per_layer", 0, &layer->query_heads);
  if (!count_of_kind(config, kind, "swa_num_attention_heads", "num_attention_heads", 0, &layer->query_heads))
    return false;
  tell_default(config, "num_attention_heads", layer->query_heads);
  return true;
}

/* Nemotron-NAS says how many query heads share a KV head. */
static bool read_block(struct config *config, const json_t *blocks, struct layer *layer) {
  const json_t *attention = json_object_get(json_array_get(blocks, config->number), "attention");
  const json_t *group = json_object_get(attention, "n_heads_in_group");
  const double heads = json_number_value(group);
  if (heads < 1 || layer->query_heads % (uint32_t)heads != 0)
    return config_mistake(config, "block_configs.attention.n_heads_in_group", group,
                          "a number that divides the query heads");
  layer->kv_heads = layer->query_heads / (uint32_t)heads;
  return true;
}

/* MPT's; of grouped attention the number is a field of its own. */
static bool read_attention_type(struct config *config, struct layer *layer) {
  const json_t *type = config_find(config, "attn_config.attn_type");
  const char *name = type ? config_text(config, "attn_config.attn_type", "") : "multihead_attention";
  const bool is_multi_query = strcmp(name, "multiquery_attention") == 0;
  if (is_multi_query && !config_find_given(config, "num_key_value_heads"))
    layer->kv_heads = 1;
  if (!is_multi_query && strcmp(name, "multihead_attention") != 0 && strcmp(name, "grouped_query_attention") != 0)
    return config_mistake(config, "attn_config.attn_type", type,
                          "multihead_attention, multiquery_attention or grouped_query_attention");
  return true;
}

static bool read_kv_heads(struct config *config, const struct kind *kind, struct layer *layer) {
  const json_t *blocks = config_find(config, "block_configs");
  const bool is_global = kind->reach == REACH_FULL && config_flag(config, "attention_k_eq_v") &&
                         config_find(config, "num_global_key_value_heads");
  /* The architecture's multi_query does not count where the file has a number. */
  const json_t *multi_query = config_find_given(config, "num_key_value_heads")
                                  ? config_find_given(config, "multi_query")
                                  : config_find(config, "multi_query");
  if (blocks)
    return read_block(config, blocks, layer);
  if (is_global)
    return config_count(config, "num_global_key_value_heads", 0, &layer->kv_heads);
  if (json_is_false(config_find(config, "multi_query_attention"))) {
    layer->kv_heads = layer->query_heads;
    return true;
  }
  /* Falcon: one KV head, or with the new architecture as many as it says. */
  if (json_is_true(multi_query) && !config_flag(config, "new_decoder_architecture")) {
    layer->kv_heads = 1;
    return true;
  }
  if (json_is_false(multi_query) && !config_flag(config, "new_decoder_architecture")) {
    layer->kv_heads = layer->query_heads;
    return true;
  }
  return count_of_kind(config, kind, "swa_num_key_value_heads", "num_key_value_heads", layer->query_heads,
                       &layer->kv_heads);
}

static bool read_head_dim(struct config *config, const struct kind *kind, struct layer *layer) {
  const char *rule = config_trait_text(config, "head_dim", "");
  const json_t *head_dim = config_find(config, "head_dim");
  uint32_t hidden = 0;
  uint32_t heads = layer->query_heads;
  if (kind->reach == REACH_FULL && config_find(config, "global_head_dim"))
    return config_count(config, "global_head_dim", 0, &layer->head_dim);
  if (kind->reach == REACH_SLIDING && !kind->sparse && config_find(config, "swa_head_dim"))
    return config_count(config, "swa_head_dim", 0, &layer->head_dim);
  if (head_dim && !rule[0] && !(json_is_number(head_dim) && json_number_value(head_dim) == 0))
    return config_count(config, "head_dim", 0, &layer->head_dim);
  if (!config_count(config, "hidden_size", 0, &hidden) || !config_count(config, "num_attention_heads", 0, &heads))
    return false;
  tell_default(config, "hidden_size", hidden);
  if (strcmp(rule, "twice_hidden") == 0)
    hidden *= 2;
  if (hidden < heads)
    return config_problem(config, "field hidden_size is %u, less than the %u heads", hidden, heads);
  if (hidden % heads != 0)
    note(config->notes, "no head_dim in the file, and %u heads do not divide hidden_size %u: %u, rounded down", heads,
         hidden, hidden / heads);
  layer->head_dim = hidden / heads;
  return true;
}

/* What a head's key and value are made of is not what is kept of a token. */
static bool read_latent(struct config *config, const struct kind *kind, struct layer *layer) {
  struct latent *latent = &layer->latent;
  double rope_dims;
  double plain_dims;
  if (!count_of_kind(config, kind, "swa_kv_lora_rank", "kv_lora_rank", 0, &latent->rank) ||
      !number_of_kind(config, kind, "swa_qk_rope_head_dim", "qk_rope_head_dim", &rope_dims) ||
      !number_of_kind(config, kind, "swa_qk_nope_head_dim", "qk_nope_head_dim", &plain_dims) ||
      !count_of_kind(config, kind, "swa_v_head_dim", "v_head_dim", 0, &layer->v_dim))
    return false;
  if (rope_dims < 0 || plain_dims < 0)
    return config_problem(config, "field %s is missing", rope_dims < 0 ? "qk_rope_head_dim" : "qk_nope_head_dim");
  latent->rope_dims = (uint32_t)rope_dims;
  latent->plain_dims = (uint32_t)plain_dims;
  layer->head_dim = latent->rope_dims + latent->plain_dims;
  layer->kv_heads = layer->query_heads;
  return true;
}

static bool read_plain(struct config *config, const struct kind *kind, struct layer *layer) {
  const bool is_local = kind->reach == REACH_SLIDING && config_find(config, "swa_v_head_dim");
  const char *v_field = is_local ? "swa_v_head_dim" : "v_head_dim";
  double v_dim;
  if (!read_head_dim(config, kind, layer) || !read_kv_heads(config, kind, layer) ||
      !read_attention_type(config, layer) || !config_number(config, v_field, 0, &v_dim))
    return false;
  layer->v_dim = layer->head_dim; /* what 0 stands for */
  if (v_dim != 0 && !config_count(config, v_field, 0, &layer->v_dim))
    return false;
  if (layer->query_heads % layer->kv_heads != 0)
    return config_problem(config,
                          "%u query heads (field num_attention_heads) cannot share %u KV heads "
                          "(field num_key_value_heads%s%s)",
                          layer->query_heads, layer->kv_heads,
                          config_find_given(config, "num_key_value_heads") ? "" : ", by default of ",
                          config_find_given(config, "num_key_value_heads") ? "" : config->model_type);
  return true;
}

bool shape_read(struct config *config, const struct kind *kind, struct layer *layer) {
  if (!read_query_heads(config, kind, layer))
    return false;
  const json_t *rank = config_find(config, "kv_lora_rank");
  const bool may_be_latent = !json_is_false(config_find(config, "use_mla"));
  if (rank && json_number_value(rank) != 0 && may_be_latent)
    return read_latent(config, kind, layer);
  if (rank && may_be_latent && json_number_value(config_find_given(config, "qk_nope_head_dim")) > 0)
    return config_mistake(config, "kv_lora_rank", rank, "a whole number above 0, as qk_nope_head_dim has one");
  return read_plain(config, kind, layer);
}

bool shape_divide(struct config *config, uint32_t devices, struct layer *layer) {
  if (layer->query_heads % devices != 0)
    return config_problem(config, "--tp is %u, which does not divide the %u query heads of %s", devices,
                          layer->query_heads, layer->kind);
  const bool is_shared = layer->kv_heads < devices && layer->latent.rank == 0;
  if (is_shared ? devices % layer->kv_heads != 0 : layer->kv_heads % devices != 0)
    return config_problem(config, "--tp is %u, which neither divides the %u KV heads of %s nor is a multiple of them",
                          devices, layer->kv_heads, layer->kind);
  layer->query_heads /= devices;
  layer->kv_heads = is_shared ? 1 : layer->kv_heads / devices;
  return true;
}
