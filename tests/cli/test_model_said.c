/* Configs that contradict themselves, or whose values mean nothing: what is said of them. */
#include "models.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* Eight layers of 16 heads of 128. */
#define LLAMA                                                                                                          \
  "{\"model_type\": \"llama\", \"dtype\": \"bfloat16\", \"num_hidden_layers\": 8, \"num_attention_heads\": 16, "       \
  "\"hidden_size\": 2048"

/* Fields that contradict each other, or promise what they do not say. */
Test(model_said, what_counts_is_said) {
  static const struct {
    const char *fields;
    const char *note;
  } rows[] = {
      {", \"n_head\": 8", "num_attention_heads and n_head are both given, and differ: num_attention_heads counts"},
      {", \"rope_scaling\": {\"rope_type\": \"linear\", \"type\": \"yarn\", \"factor\": 4}",
       "rope_type and type are both given, and differ: rope_type counts"},
      {", \"dtype\": \"float16\", \"torch_dtype\": \"float32\"", "dtype and torch_dtype are both given, and differ"},
      {", \"num_hidden_layers\": 2, \"layer_types\": [\"full_attention\", \"sliding_attention\"]",
       "layer_types has sliding_attention, and there"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[512];
    snprintf(text, sizeof text, LLAMA "%s}", rows[i].fields);
    expect_note(read_text(text), rows[i].note);
  }
}

Test(model_said, values_are_told_as_they_are_written) {
  expect_refused_config(LLAMA ", \"num_key_value_heads\": -4}", "field num_key_value_heads is -4, not");
  expect_refused_config(LLAMA ", \"num_key_value_heads\": 1.5}", "field num_key_value_heads is 1.5, not");
  expect_refused_config(LLAMA ", \"rope_scaling\": [\"linear\", {\"factor\": 4}]}",
                        "field rope_scaling is [\"linear\",{\"factor\":4}], not an object");
}

/* What is there and says nothing that is understood. */
Test(model_said, values_of_no_meaning) {
  static const char *const rows[][2] = {
      {"\"attn_config\": [1]", "field attn_config is [1], not an object"},
      {"\"attn_config\": {\"attn_type\": \"some\"}",
       "field attn_config.attn_type is \"some\", not multihead_attention, "},
      {"\"quantization_config\": \"fp8\"", "field quantization_config is \"fp8\", not an object"},
      {"\"attention_multiplier\": 0", "field attention_multiplier is 0, not above 0"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[512];
    snprintf(text, sizeof text, LLAMA ", %s}", rows[i][0]);
    expect_refused_config(text, rows[i][1]);
  }
  const struct model *model =
      read_text("{\"model_type\": \"mpt\", \"d_model\": 2048, \"n_heads\": 16, \"n_layers\": 2, "
                "\"attn_config\": {\"attn_type\": \"multiquery_attention\"}}");
  cr_expect_eq(model->layers[0].kv_heads, 1);
}
