/*
 * The one place that knows what a spec cannot say: a row for each thing. When kernels learn one, its row goes, and
 * fill_spec writes the axis.
 */
#include "tools/flashjit/model/lacks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool rotates(const struct rope *rope) {
  return rope->pairing != FI_ROPE_NONE;
}

/* ------------------------------------------------------------------------------------- what is missing */

/* Each writes what a layer needs of its kind, or leaves the text empty. */
typedef void needs_function(const struct layer *layer, char *text, size_t size);

static void needs_selection(const struct layer *layer, char *text, size_t size) {
  if (layer->sparse[0] && !layer->selection.block)
    snprintf(text, size, "sparse attention (%s)", layer->sparse);
}

static void needs_other(const struct layer *layer, char *text, size_t size) {
  if (layer->other[0])
    snprintf(text, size, "%s", layer->other);
}

static void needs_cache_type(const struct layer *layer, char *text, size_t size) {
  if (layer->kv_dtype == FI_DTYPE_DEFAULT)
    snprintf(text, size, "a cache of %s with groups of an unknown size", layer->kv_type);
}

static void needs_rope_type(const struct layer *layer, char *text, size_t size) {
  if (rotates(&layer->rope) && layer->rope.type == ROPE_UNKNOWN)
    snprintf(text, size, "rope_type %s", layer->rope.type_name);
}

static void needs_positions(const struct layer *layer, char *text, size_t size) {
  if (layer->rope.axes > 3)
    snprintf(text, size, "%u positions a token (--text-only: those of text are equal)", layer->rope.axes);
}

/* A spec has one bias. */
static void needs_biases(const struct layer *layer, char *text, size_t size) {
  if (layer->has_slopes + layer->has_distances + (layer->rel_extent > 0) > 1)
    snprintf(text, size, "several biases at once");
}

static const struct {
  needs_function *needs;
  bool by_images; /* text alone does not need it */
} rows[] = {
    {needs_selection, false}, {needs_other, false},    {needs_cache_type, false},
    {needs_rope_type, false}, {needs_positions, true}, {needs_biases, false},
};

/* ------------------------------------------------------------------------------------------------ the spec */

static void fill_rope(const struct rope *rope, bool text_only, fi_spec *spec) {
  spec->rope = rope->pairing;
  spec->rope_dim = rope->dims;
  spec->rope_first = rope->at_end ? spec->head_dim - rope->dims : 0;
  if (rope->axes == 3 && !text_only) {
    spec->rope_positions = FI_POSITIONS_ARRAY;
    spec->rope_axes = rope->axes;
  }
}

static void fill_mask(const struct layer *layer, bool text_only, fi_spec *spec) {
  spec->mask = layer->mask == LAYER_CAUSAL ? FI_MASK_CAUSAL : FI_MASK_NONE;
  spec->window_left = layer->window;
  spec->window_right = layer->mask == LAYER_TWO_SIDED ? layer->window : 0;
  spec->chunk = layer->chunk;
  spec->ranges = layer->has_image_blocks && !text_only;
}

static void fill_shape(const struct layer *layer, fi_spec *spec) {
  spec->head_dim = layer_key_dim(layer);
  spec->v_dim = layer->latent.rank > 0 ? layer->latent.rank : layer->v_dim;
  spec->v_source = layer->latent.rank > 0 || layer->keys_are_values ? FI_V_KEYS : FI_V_OWN;
  spec->group = layer->query_heads / layer_cached_heads(layer);
}

static uint32_t bias_of(const struct layer *layer) {
  if (layer->has_slopes)
    return FI_BIAS_SLOPES;
  if (layer->has_distances)
    return FI_BIAS_DISTANCE;
  return layer->rel_extent > 0 ? FI_BIAS_TOKEN_DISTANCE : FI_BIAS_NONE;
}

static void fill_spec(const struct layer *layer, bool text_only, fi_spec *spec) {
  fi_spec_init(spec);
  fill_shape(layer, spec);
  spec->q_dtype = layer->q_dtype;
  spec->kv_dtype = layer->kv_dtype;
  spec->v_dtype = layer->v_dtype;
  spec->kv_scale = layer->kv_scale;
  fill_mask(layer, text_only, spec);
  spec->select = layer->selection.block;
  spec->softcap = layer->softcap > 0;
  spec->sinks = layer->has_sinks;
  spec->bias = bias_of(layer);
  fill_rope(&layer->rope, text_only, spec);
}

void layer_spec(const struct layer *layer, bool text_only, fi_spec *spec, char *lacks, size_t size) {
  lacks[0] = '\0';
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[192] = "";
    if (!(text_only && rows[i].by_images))
      rows[i].needs(layer, text, sizeof text);
    const size_t used = strlen(lacks);
    if (text[0])
      snprintf(lacks + used, size - used, "%s%s", used > 0 ? "; " : "", text);
  }
  fill_spec(layer, text_only, spec);
}
