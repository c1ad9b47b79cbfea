/* From the rope fields of a config to fi_rope. */
#include "tools/flashjit/model/frequencies.h"

/* Learned frequencies are those of YaRN times factors of the checkpoint, which no config has. */
static const uint32_t scalings[] = {
    [ROPE_DEFAULT] = FI_SCALING_NONE,
    [ROPE_LINEAR] = FI_SCALING_LINEAR,
    [ROPE_DYNAMIC] = FI_SCALING_DYNAMIC,
    [ROPE_LLAMA3] = FI_SCALING_LLAMA3,
    [ROPE_YARN] = FI_SCALING_YARN,
    [ROPE_LONGROPE] = FI_SCALING_LONGROPE,
    [ROPE_PROPORTIONAL] = FI_SCALING_PROPORTIONAL,
    [ROPE_LEARNED] = FI_SCALING_YARN,
    [ROPE_UNKNOWN] = FI_SCALING_NONE,
};

fi_status layer_frequencies(const struct layer *layer, uint64_t *table, float *magnitude) {
  const struct rope *rope = &layer->rope;
  const fi_rope given = {
      .struct_size = sizeof given,
      .dim = rope->dims,
      .scaling = scalings[rope->type],
      .no_truncation = rope->no_truncation,
      .turning_pairs = rope->turning_pairs,
      .max_tokens = rope->max_tokens,
      .theta = rope->theta,
      .factor = rope->factor,
      .context = rope->context,
      .low_frequency = rope->low_frequency,
      .high_frequency = rope->high_frequency,
      .beta_fast = rope->beta_fast,
      .beta_slow = rope->beta_slow,
      .attention_factor = rope->attention_factor,
      .short_factors = rope->short_factors,
      .long_factors = rope->long_factors,
      .sections = {rope->sections[0], rope->sections[1], rope->sections[2]},
      .section_order = rope->section_order,
  };
  return fi_rope_table(&given, table, magnitude);
}
