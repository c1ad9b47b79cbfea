/* A layer as JSON, and as a line of text. */
#include "tools/flashjit/model/layer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ JSON */

/* What is zero, false or empty is left out. */
static void add_number(json_t *object, const char *key, double number) {
  if (number != 0)
    json_object_set_new(object, key,
                        number == (double)(json_int_t)number ? json_integer((json_int_t)number) : json_real(number));
}

static void add_flag(json_t *object, const char *key, bool flag) {
  if (flag)
    json_object_set_new(object, key, json_true());
}

static void add_text(json_t *object, const char *key, const char *text) {
  if (text[0])
    json_object_set_new(object, key, json_string(text));
}

static void add_factors(json_t *object, const char *key, const struct rope *rope, const double *factors) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < rope->dims / 2; i++)
    json_array_append_new(list, json_real(factors[i]));
  json_object_set_new(object, key, list);
}

static const char *const section_orders[] = {"contiguous", "interleaved", "alternating"};

static void add_sections(json_t *object, const struct rope *rope) {
  json_t *sections = json_array();
  for (int i = 0; i < 3; i++)
    json_array_append_new(sections, json_integer(rope->sections[i]));
  json_object_set_new(object, "sections", sections);
  add_text(object, "section_order", section_orders[rope->section_order]);
}

static json_t *rope_json(const struct rope *rope) {
  if (rope->pairing == FI_ROPE_NONE)
    return json_null();
  json_t *object = json_object();
  add_text(object, "pairing", rope->pairing == FI_ROPE_HALF ? "half" : "interleaved");
  add_number(object, "dims", rope->dims);
  add_flag(object, "at_end", rope->at_end);
  add_number(object, "theta", rope->theta);
  add_text(object, "type", rope->type_name);
  add_number(object, "factor", rope->factor);
  add_number(object, "low_frequency", rope->low_frequency);
  add_number(object, "high_frequency", rope->high_frequency);
  add_number(object, "context", rope->context);
  add_number(object, "beta_fast", rope->beta_fast);
  add_number(object, "beta_slow", rope->beta_slow);
  add_flag(object, "no_truncation", rope->no_truncation);
  add_number(object, "attention_factor", rope->attention_factor);
  add_number(object, "turning_pairs", rope->turning_pairs);
  add_number(object, "max_tokens", rope->max_tokens);
  if (rope->type == ROPE_LONGROPE) {
    add_factors(object, "short_factors", rope, rope->short_factors);
    add_factors(object, "long_factors", rope, rope->long_factors);
  }
  if (rope->axes == 3)
    add_sections(object, rope);
  return object;
}

uint32_t layer_cached_heads(const struct layer *layer) {
  return layer->latent.rank > 0 ? 1 : layer->kv_heads;
}

uint32_t layer_key_dim(const struct layer *layer) {
  return layer->latent.rank > 0 ? layer->latent.rank + layer->latent.rope_dims : layer->head_dim;
}

double layer_softmax_scale(const struct layer *layer) {
  return layer->scale == 0 && layer->latent.rank > 0 ? 1 / sqrt(layer->head_dim) : layer->scale;
}

static json_t *latent_json(const struct layer *layer) {
  json_t *object = json_object();
  add_number(object, "rank", layer->latent.rank);
  add_number(object, "rope_dims", layer->latent.rope_dims);
  add_number(object, "plain_dims", layer->latent.plain_dims);
  return object;
}

static json_t *selection_json(const struct selection *selection) {
  json_t *object = json_object();
  add_number(object, "block", selection->block);
  add_number(object, "entries", selection->entries);
  add_number(object, "ratio", selection->ratio);
  add_flag(object, "by_head", selection->by_head);
  add_number(object, "index_heads", selection->index_heads);
  add_number(object, "index_dim", selection->index_dim);
  add_number(object, "first_blocks", selection->first_blocks);
  add_number(object, "last_blocks", selection->last_blocks);
  return object;
}

static void add_attention(json_t *object, const struct layer *layer) {
  static const char *const masks[] = {"causal", "all_keys", "two_sided"};
  static const char *const scales[] = {"", "tensor", "head", "token", "groups", "e8m0"}; /* of FI_SCALE_ */
  add_number(object, "query_heads", layer->query_heads);
  add_number(object, "kv_heads", layer->kv_heads);
  add_number(object, "head_dim", layer->head_dim);
  add_number(object, "v_dim", layer->v_dim);
  add_text(object, "mask", masks[layer->mask]);
  add_number(object, "window", layer->window);
  add_number(object, "chunk", layer->chunk);
  add_number(object, "scale", layer->scale);
  add_number(object, "softcap", layer->softcap);
  add_flag(object, "sinks", layer->has_sinks);
  add_flag(object, "slopes", layer->has_slopes);
  add_flag(object, "distances", layer->has_distances);
  add_number(object, "rel_extent", layer->rel_extent);
  add_flag(object, "image_blocks", layer->has_image_blocks);
  add_flag(object, "shares_kv", layer->shares_kv);
  add_flag(object, "cross", layer->is_cross);
  add_flag(object, "keys_are_values", layer->keys_are_values);
  add_text(object, "other", layer->other);
  add_text(object, "sparse", layer->sparse);
  if (layer->selection.block > 0)
    json_object_set_new(object, "selection", selection_json(&layer->selection));
  add_text(object, "kv_type", layer->kv_type);
  add_text(object, "kv_scale", scales[layer->kv_scale]);
  if (layer->latent.rank > 0)
    json_object_set_new(object, "latent", latent_json(layer));
  add_flag(object, "expanded", layer->is_expanded);
  json_object_set_new(object, "rope", rope_json(&layer->rope));
}

json_t *layer_json(const struct layer *layer) {
  json_t *object = json_object();
  add_text(object, "kind", layer->kind);
  if (layer->attends)
    add_attention(object, layer);
  return object;
}

/* ------------------------------------------------------------------------------------------------ text */

struct line {
  char *text;
  size_t size;
};

static void __attribute__((format(printf, 2, 3))) add(struct line *line, const char *format, ...) {
  const size_t used = strlen(line->text);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line->text + used, line->size - used, format, arguments);
  va_end(arguments);
}

static void add_rope(struct line *line, const struct layer *layer) {
  const struct rope *rope = &layer->rope;
  if (rope->pairing == FI_ROPE_NONE) {
    add(line, ", no RoPE");
    return;
  }
  add(line, ", RoPE theta %.10g", rope->theta);
  if (rope->turning_pairs > 0)
    add(line, " on %u of %u pairs", rope->turning_pairs, rope->dims / 2);
  else if (rope->dims != layer->head_dim)
    add(line, " on %s %u dims", rope->at_end ? "the last" : "the first", rope->dims);
  if (rope->pairing == FI_ROPE_INTERLEAVED)
    add(line, ", interleaved");
  if (rope->type != ROPE_DEFAULT)
    add(line, ", %s", rope->type_name);
  if (rope->factor > 0 && rope->type != ROPE_PROPORTIONAL && rope->type != ROPE_DEFAULT)
    add(line, " factor %.9g", rope->factor);
  if (rope->axes == 3)
    add(line, ", %s sections %u+%u+%u", section_orders[rope->section_order], rope->sections[0], rope->sections[1],
        rope->sections[2]);
}

static void add_shape(struct line *line, const struct layer *layer) {
  const struct latent *latent = &layer->latent;
  add(line, "%u query heads", layer->query_heads);
  if (latent->rank > 0)
    add(line, ", expanded %u/%u on %u KV heads, absorbed %u/%u on 1", layer->head_dim, layer->v_dim, layer->kv_heads,
        latent->rank + latent->rope_dims, latent->rank);
  else
    add(line, " on %u KV heads of %u", layer->kv_heads, layer->head_dim);
  if (latent->rank == 0 && layer->v_dim != layer->head_dim)
    add(line, " (V: %u)", layer->v_dim);
  if (layer->keys_are_values)
    add(line, ", which are V too");
  if (layer->is_expanded)
    add(line, ", expanded for prefill");
}

void layer_text(const struct layer *layer, char *text, size_t size) {
  struct line line = {text, size};
  text[0] = '\0';
  if (!layer->attends) {
    add(&line, "%s", layer->reason);
    return;
  }
  add_shape(&line, layer);
  if (layer->mask == LAYER_ALL_KEYS)
    add(&line, ", no mask");
  if (layer->window > 0)
    add(&line, ", window %u%s", layer->window, layer->mask == LAYER_TWO_SIDED ? " on each side" : "");
  if (layer->chunk > 0)
    add(&line, ", chunks of %u", layer->chunk);
  if (layer->scale > 0)
    add(&line, ", scale %.9g", layer->scale);
  if (layer->softcap > 0)
    add(&line, ", softcap %.9g", layer->softcap);
  if (layer->has_sinks)
    add(&line, ", sinks");
  if (layer->has_slopes)
    add(&line, ", ALiBi");
  if (layer->has_distances)
    add(&line, ", logits of each distance");
  if (layer->rel_extent > 0)
    add(&line, ", logits of each query for %u distances", layer->rel_extent);
  if (layer->sparse[0])
    add(&line, ", sees %s", layer->sparse);
  if (layer->other[0])
    add(&line, ", %s", layer->other);
  if (layer->shares_kv)
    add(&line, ", no K and V of its own");
  if (layer->is_cross)
    add(&line, ", keys of the encoder");
  add_rope(&line, layer);
}
