/* Masks, scales, and what is added to logits and to their sum. */
#include "tools/flashjit/model/attention.h"

#include "tools/flashjit/model/rope.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ masks */

/* Of a decoder, false says nothing where every field of the library's base class was written out. */
static bool is_encoder(const struct config *config) {
  if (!json_is_false(config_find(config, "is_decoder")) || config_trait(config, "decoder"))
    return false;
  return config_trait(config, "encoder") || !config_find(config, "chunk_size_feed_forward");
}

static bool is_bidirectional(const struct config *config) {
  const json_t *flag = config_find(config, "use_bidirectional_attention");
  const bool is_all = json_is_true(flag) || strcmp(config_text(config, "use_bidirectional_attention", ""), "all") == 0;
  return is_all || json_is_false(config_find(config, "is_causal")) || is_encoder(config) ||
         config_trait_is(config, "mask", "all_keys");
}

static bool has_images(const struct config *config) {
  return json_object_size(json_object_get(config->root, "vision_config")) > 0 && config->root != config->text;
}

/* A number of the layer's, one for all layers or one for each; 0: there is none. */
static bool read_whole(struct config *config, const char *field, double *value) {
  const json_t *found;
  if (!config_number(config, field, 0, value))
    return false;
  if (*value >= 0 && *value <= INT32_MAX && *value == floor(*value))
    return true;
  return config_element(config, field, config_find(config, field), &found) &&
         config_mistake(config, field, found, "a whole number from 0 to 2147483647");
}

static bool read_mask(struct config *config, const struct kind *kind, struct layer *layer) {
  const char *images = config_trait_text(config, "image_blocks", "");
  const char *flag = config_text(config, "use_bidirectional_attention", "");
  double chunk;
  if (kind->reach == REACH_SLIDING && !window_read(config, &layer->window))
    return false;
  if (kind->reach == REACH_SLIDING && layer->window == 0 && config_find_given(config, "layer_types"))
    note(config->notes, "layer_types has %s, and there is no window: these layers see all tokens", kind->name);
  if (!read_whole(config, "attention_chunk_size", &chunk))
    return false;
  if (kind->reach == REACH_CHUNK)
    layer->chunk = (uint32_t)chunk;
  layer->has_image_blocks =
      has_images(config) && (strcmp(images, "all") == 0 ||
                             (strcmp(images, "sliding") == 0 && layer->window > 0 && strcmp(flag, "vision") == 0));
  if (layer->is_cross) {
    layer->mask = LAYER_ALL_KEYS;
    return true;
  }
  if (!is_bidirectional(config))
    return true;
  note(config->notes, "queries see keys on both sides, as its architecture, is_causal, is_decoder or the like say");
  layer->mask = layer->window > 0 ? LAYER_TWO_SIDED : LAYER_ALL_KEYS;
  if (layer->window > 0 && json_is_true(config_trait(config, "halved_window")))
    layer->window = layer->window / 2 + 1;
  if (layer->window > 0 && config_trait(config, "closed_window"))
    layer->window++;
  return true;
}

/* A kind without its window or chunk is plain attention. */
static void name_kind(const struct kind *kind, struct layer *layer) {
  const bool is_plain = (kind->reach == REACH_SLIDING && layer->window == 0 && !kind->sparse) ||
                        (kind->reach == REACH_CHUNK && layer->chunk == 0);
  snprintf(layer->kind, sizeof layer->kind, "%s",
           is_plain && strncmp(kind->name, "hybrid", 6) == 0 ? "hybrid"
           : is_plain                                        ? "full_attention"
                                                             : kind->name);
}

/* ------------------------------------------------------------------------------------------------ scale */

/* Of latent attention YaRN's magnitude goes into the scale, squared. */
static bool read_latent_scale(struct config *config, struct layer *layer) {
  const json_t *rope = config_find(config, "rope_scaling");
  if (json_object_size(rope) == 0)
    rope = config_find(config, "rope_parameters");
  const json_t *mscale = json_object_get(rope, "mscale_all_dim");
  if (mscale && !json_is_null(mscale) && !json_is_number(mscale))
    return config_mistake(config, "mscale_all_dim", mscale, "a number");
  const double all = json_number_value(mscale);
  if (all == 0 || layer->rope.type == ROPE_DEFAULT || layer->rope.pairing == FI_ROPE_NONE ||
      config_trait_is(config, "scale", "plain"))
    return true;
  const double magnitude = rope_magnitude(layer->rope.factor, all);
  layer->scale = magnitude * magnitude / sqrt(layer->head_dim);
  return true;
}

/* One that is what it would be anyway is none. */
static bool is_usual(const struct layer *layer) {
  return fabs(layer->scale * sqrt(layer->head_dim) - 1) < 1e-6;
}

static bool read_own_scale(struct config *config, struct layer *layer) {
  const char *rule = config_trait_text(config, "scale", "");
  const json_t *constant = config_trait(config, "scale");
  double number;
  if (json_is_number(constant))
    layer->scale = json_number_value(constant);
  if (strcmp(rule, "one_by_dim") == 0)
    layer->scale = 1.0 / layer->head_dim;
  if (strcmp(rule, "half_dim") == 0)
    layer->scale = 1 / sqrt(layer->head_dim / 2.0);
  if (config_find(config, "query_pre_attn_scalar")) {
    if (!config_number(config, "query_pre_attn_scalar", 0, &number))
      return false;
    if (!(number > 0))
      return config_problem(config, "field query_pre_attn_scalar is %g, not above 0", number);
    layer->scale = 1 / sqrt(number);
  }
  if (!config_number(config, "attention_multiplier", layer->scale, &layer->scale) ||
      !config_number(config, "attn_config.softmax_scale", layer->scale, &layer->scale))
    return false;
  if (json_is_false(config_find(config, "scale_attn_weights")))
    layer->scale = 1;
  if (config_flag(config, "scale_attn_by_inverse_layer_idx"))
    layer->scale = 1 / sqrt(layer->head_dim) / (config->number + 1);
  const json_t *multiplier = config_find_given(config, "attention_multiplier");
  if (layer->scale < 0 || (multiplier && json_number_value(multiplier) == 0))
    return config_problem(config, "field attention_multiplier is %g, not above 0", layer->scale);
  return true;
}

static bool read_scale(struct config *config, struct layer *layer) {
  if (layer->latent.rank > 0 ? !read_latent_scale(config, layer) : !read_own_scale(config, layer))
    return false;
  if (is_usual(layer))
    layer->scale = 0;
  return true;
}

/* ------------------------------------------------------------------------------------------------ logits */

static bool read_softcap(struct config *config, struct layer *layer) {
  if (!config_number(config, "attn_logit_softcapping", 0, &layer->softcap))
    return false;
  return layer->softcap >= 0 ||
         config_problem(config, "field attn_logit_softcapping is %g, not 0 or above", layer->softcap);
}

/* Learned weights, which few configs mention. */
static bool has_sinks(const struct config *config, const struct kind *kind) {
  const char *where = config_trait_text(config, "sinks", "");
  const bool is_sliding = kind->reach == REACH_SLIDING && !kind->sparse;
  const char *field = is_sliding ? "add_swa_attention_sink_bias" : "add_full_attention_sink_bias";
  if (config_find(config, field))
    return config_flag(config, field);
  return strcmp(where, "all") == 0 || (is_sliding && strcmp(where, "sliding") == 0);
}

static bool has_slopes(const struct config *config) {
  const json_t *limit = config_trait(config, "slopes_unless_hidden_size");
  if (limit)
    return json_number_value(config_find(config, "hidden_size")) != json_number_value(limit);
  return config_flag(config, "alibi") || config_flag(config, "attn_config.alibi") ||
         strcmp(config_text(config, "position_embedding_type", ""), "alibi") == 0;
}

static void read_other(const struct config *config, struct layer *layer) {
  const char *other = config_trait_text(config, "needs", "");
  const char *embedding = config_text(config, "position_embedding_type", "");
  layer->has_slopes = !layer->is_cross && has_slopes(config);
  layer->has_distances = !layer->is_cross && config_trait(config, "distances");
  if (has_slopes(config)) {
    layer->rope = (struct rope){0};
  } else if (strncmp(embedding, "relative_key", 12) == 0) {
    other = "relative positions";
  }
  if (!layer->is_cross)
    snprintf(layer->other, sizeof layer->other, "%s", other);
}

/* Those of a window end with it. */
static bool read_relative_logits(struct config *config, struct layer *layer) {
  if (!config_trait(config, "relative_logits"))
    return true;
  if (layer->window == 0)
    return config_count(config, "rel_extent", 0, &layer->rel_extent);
  layer->rel_extent = layer->window;
  return true;
}

/* ------------------------------------------------------------------------------------------------ selection */

/* A number of the layer's that was checked. */
static double number_of(struct config *config, const char *field) {
  double value;
  return config_number(config, field, 0, &value) ? value : 0;
}

/* Numbers of what lists have. */
static bool check_selection(struct config *config) {
  static const char *const fields[] = {
      "index_topk",  "index_block_size",       "index_topk_blocks", "index_init_blocks", "index_local_blocks",
      "index_kpool", "indexer_compress_ratio", "index_n_heads",     "index_head_dim"};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    double value;
    if (!read_whole(config, fields[i], &value))
      return false;
  }
  return true;
}

static void read_selection(struct config *config, const struct kind *kind, struct layer *layer) {
  char *text = layer->sparse;
  const size_t size = sizeof layer->sparse;
  const double top = number_of(config, "index_topk");
  if (kind->sparse && strcmp(kind->name, "minimax_m3_sparse") == 0)
    snprintf(text, size, "the best %g blocks of %g tokens for each KV head", number_of(config, "index_topk_blocks"),
             number_of(config, "index_block_size"));
  else if (kind->sparse && strcmp(kind->name, "reference_sliding_attention") == 0)
    snprintf(text, size, "the prompt and the last %g generated tokens", number_of(config, "sliding_window"));
  else if (top > 0 && kind->reach == REACH_FULL)
    snprintf(text, size, "the best %g tokens, %g index heads of %g", top, number_of(config, "index_n_heads"),
             number_of(config, "index_head_dim"));
  else if (kind->sparse)
    snprintf(text, size, "%s", kind->sparse);
}

enum { MOST_BLOCK = 16384 /* tokens, of spec.select */, MOST_RATIO = 65536 };

/* Of an indexer of blocks each head chooses for a KV head, on a key that all share. */
static bool read_indexer(struct config *config, struct layer *layer) {
  struct selection *selection = &layer->selection;
  uint32_t heads;
  const json_t *found;
  if (!config_element(config, "index_n_heads", config_find(config, "index_n_heads"), &found))
    return false;
  if (!found || json_is_null(found))
    return true; /* there is no kernel, for want of it */
  if (!config_count(config, "index_n_heads", 0, &heads) ||
      !config_count(config, "index_head_dim", 0, &selection->index_dim))
    return false;
  if (selection->by_head && heads != layer->kv_heads)
    return true;
  selection->index_heads = heads;
  if (selection->by_head) {
    selection->first_blocks = (uint32_t)fmin(selection->entries, fmax(0, number_of(config, "index_init_blocks")));
    selection->last_blocks =
        (uint32_t)fmin(selection->entries - selection->first_blocks, fmax(0, number_of(config, "index_local_blocks")));
  }
  return true;
}

/* How many tokens a compressed entry is made of: by the config, else as DeepSeek-V4's two kinds have it. */
static bool read_ratio(struct config *config, const struct kind *kind, uint32_t *ratio) {
  const json_t *rates = config_find(config, "compress_rates");
  const json_t *rate = json_object_get(rates, kind->name);
  const double tokens = json_number_value(rate);
  *ratio = strcmp(kind->name, "compressed_sparse_attention") == 0 ? 4 : 128;
  if (rates && !json_is_object(rates) && !json_is_null(rates))
    return config_mistake(config, "compress_rates", rates, "a number of tokens from 1 to 65536 of each kind");
  if (!rate || json_is_null(rate))
    return true;
  if (tokens < 1 || tokens > MOST_RATIO || tokens != floor(tokens))
    return config_mistake(config, "compress_rates", rate, "a number of tokens from 1 to 65536 of each kind");
  *ratio = (uint32_t)tokens;
  return true;
}

/* A window of tokens, and entries that an indexer chooses by keys of their own, or all that there are. */
static bool read_entries(struct config *config, const struct kind *kind, struct layer *layer) {
  const bool has_all = strcmp(kind->name, "heavily_compressed_attention") == 0;
  const double top = number_of(config, "index_topk");
  uint32_t ratio;
  if (!read_ratio(config, kind, &ratio))
    return false;
  if (has_all)
    snprintf(layer->sparse, sizeof layer->sparse, "a window and all compressed entries, one for %u tokens", ratio);
  else
    snprintf(layer->sparse, sizeof layer->sparse,
             "a window and the best %g of the compressed entries, one for %u tokens, %g index heads of %g", top, ratio,
             number_of(config, "index_n_heads"), number_of(config, "index_head_dim"));
  if (!has_all && (top < 1 || top > INT32_MAX))
    return true;
  layer->selection = (struct selection){.block = 1, .entries = has_all ? 0 : (uint32_t)top, .ratio = ratio};
  return has_all || read_indexer(config, layer);
}

/* Keys that are pooled are listed by groups, and what is left after the last whole group beside them. */
static bool read_lists(struct config *config, const struct kind *kind, struct layer *layer) {
  const bool has_blocks = kind->sparse && strcmp(kind->name, "minimax_m3_sparse") == 0;
  const double pool = fmax(1, fmax(number_of(config, "index_kpool"), number_of(config, "indexer_compress_ratio")));
  const double tokens = number_of(config, "index_topk");
  const double block = has_blocks ? number_of(config, "index_block_size") : pool;
  const double entries =
      has_blocks ? number_of(config, "index_topk_blocks") : floor(tokens / pool) + (tokens > 0 && pool > 1);
  if (kind->reach != REACH_FULL || block < 1 || block > MOST_BLOCK || entries < 1 || entries > INT32_MAX)
    return true;
  layer->selection = (struct selection){.block = (uint32_t)block, .entries = (uint32_t)entries, .by_head = has_blocks};
  return (!has_blocks && block != 1) || read_indexer(config, layer);
}

static bool read_sharing(struct config *config, struct layer *layer) {
  const json_t *sources = config_find(config, "kv_source_layers");
  double shared;
  double group; /* of layers that share the cache of the first */
  if (!config_number(config, "num_kv_shared_layers", 0, &shared) ||
      !config_number(config, "cla_share_factor", 2, &group))
    return false;
  if (config_flag(config, "use_cla") && group < 1)
    return config_problem(config, "field cla_share_factor is %g, not 1 or above", group);
  layer->shares_kv = shared > 0 && config->number + shared >= config->layers;
  if (config_flag(config, "use_cla"))
    layer->shares_kv = config->number % (uint32_t)group != 0;
  if (json_array_size(sources) > config->number)
    layer->shares_kv = json_number_value(json_array_get(sources, config->number)) != config->number;
  return true;
}

bool attention_read(struct config *config, const struct kind *kind, struct layer *layer) {
  if (!read_mask(config, kind, layer) || !read_scale(config, layer) || !read_softcap(config, layer) ||
      !read_sharing(config, layer) || !read_relative_logits(config, layer) || !check_selection(config))
    return false;
  name_kind(kind, layer);
  layer->has_sinks = has_sinks(config, kind);
  read_other(config, layer);
  layer->keys_are_values = config_trait(config, "keys_are_values");
  read_selection(config, kind, layer);
  if (kind->sparse && kind->reach == REACH_SLIDING)
    return read_entries(config, kind, layer);
  return read_lists(config, kind, layer);
}
