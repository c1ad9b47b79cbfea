/* Where a language model lies, the names and values of its fields, and what becomes of those that nobody knows. */
#include "models.h"

#include "files.h"
#include "tools/flashjit/model/frequencies.h"
#include "tools/flashjit/problem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG(name) TEST_DATA "/configs/" name ".json"

/* Eight layers of 16 heads of 128. */
#define SHAPE "\"num_hidden_layers\": 8, \"num_attention_heads\": 16, \"hidden_size\": 2048"
#define LLAMA "{\"model_type\": \"llama\", \"dtype\": \"bfloat16\", " SHAPE

/* One line a kind: count, name, description and what is missing. */
static void summary(const struct model *model, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (uint32_t i = 0; i < model->kinds && used < size; i++) {
    const struct model_layer *kind = &model->layers[i];
    char line[512];
    layer_text(&kind->layer, line, sizeof line);
    used += (size_t)snprintf(text + used, size - used, "%s%u %s: %s%s%s", i > 0 ? "\n" : "", kind->count, kind->kind,
                             kind->layer.attends ? line : "-", kind->missing[0] ? " | " : "", kind->missing);
  }
}

static void expect_summary(const struct model *model, const char *what, const char *expected) {
  char text[4096];
  summary(model, text, sizeof text);
  cr_expect_str_eq(text, expected, "%s:\n%s", what, text);
}

/* ------------------------------------------------------------------------------------------------ files */

/* Each was read wrongly once, or not at all. */
static const struct {
  const char *path;
  const char *kinds;
} files[] = {
    {CONFIG("infinity"), "12 full_attention: 16 query heads on 4 KV heads of 128, RoPE theta 10000"},
    {CONFIG("bom"), "12 full_attention: 16 query heads on 4 KV heads of 128, RoPE theta 10000"},
    {CONFIG("qwen3next"), "36 linear_attention: -\n"
                          "12 full_attention: 16 query heads on 2 KV heads of 256, RoPE theta 10000000 on the first 64 "
                          "dims"},
    {CONFIG("jamba"), "28 linear_attention: -\n4 full_attention: 16 query heads on 4 KV heads of 128, no RoPE"},
    {CONFIG("bamba"), "29 linear_attention: -\n3 full_attention: 16 query heads on 4 KV heads of 128, RoPE theta 10000 "
                      "on the first 64 dims"},
    {CONFIG("falcon7b"), "32 full_attention: 71 query heads on 1 KV heads of 64, RoPE theta 10000"},
    {CONFIG("nemotron_nas"), "2 full_attention: 64 query heads on 8 KV heads of 128, RoPE theta 10000\n"
                             "1 no_attention: -"},
    {CONFIG("pythia"), "16 full_attention: 8 query heads on 8 KV heads of 256, RoPE theta 10000 on the first 64 dims"},
    {CONFIG("opt"), "32 full_attention: 32 query heads on 32 KV heads of 128, no RoPE"},
    {CONFIG("smollm3"), "3 full_attention: 16 query heads on 4 KV heads of 128, RoPE theta 5000000\n"
                        "1 full_attention: 16 query heads on 4 KV heads of 128, no RoPE"},
    {CONFIG("rope_both"), "12 full_attention: 16 query heads on 4 KV heads of 128, RoPE theta 10000, yarn factor 4"},
    {CONFIG("internvl"), "12 full_attention: 16 query heads on 4 KV heads of 128, RoPE theta 10000"},
    {CONFIG("internvl_topheads"), "12 full_attention: 16 query heads on 4 KV heads of 128, RoPE theta 10000"},
    {CONFIG("qwen2_mwl"), "10 full_attention: 16 query heads on 4 KV heads of 128, RoPE theta 10000\n"
                          "2 sliding_attention: 16 query heads on 4 KV heads of 128, window 4096, RoPE theta 10000"},
    {CONFIG("gemma2"),
     "6 sliding_attention: 16 query heads on 4 KV heads of 128, window 4096, scale 0.0833333333, softcap 50, RoPE "
     "theta "
     "10000\n"
     "6 full_attention: 16 query heads on 4 KV heads of 128, scale 0.0833333333, softcap 50, RoPE theta 10000"},
    {CONFIG("falcon_h1"), "12 hybrid: 16 query heads on 4 KV heads of 128, RoPE theta 1e+11"},
};

Test(model_fields, files) {
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    expect_summary(read_choice(&(struct model_choice){.path = files[i].path}), files[i].path, files[i].kinds);
}

static void expect_refused_file(const char *path, const char *part) {
  static struct model model;
  cr_expect_not(model_read(&(struct model_choice){.path = path}, &model));
  cr_expect(strncmp(problem_last(), path, strlen(path)) == 0 && strstr(problem_last(), part), "%s", problem_last());
}

Test(model_fields, files_that_are_refused) {
  expect_refused_file(CONFIG("rope_list"), "field rope_scaling is [\"linear\",4], not an object");
  expect_refused_file(CONFIG("layer_types_short"), "field layer_types has 5 entries for 12 layers");
}

/* A folder has its config inside, its name is the model's, and what else lies there may tell the cache's type. */
Test(model_fields, folders) {
  char folder[256];
  char path[300];
  snprintf(folder, sizeof folder, "%s/Some-Model", scratch_folder());
  cr_assert_eq(mkdir(folder, 0700), 0);
  scratch_file("Some-Model/config.json", LLAMA "}");
  snprintf(path, sizeof path, "%s/config.json", folder);
  const char *const paths[] = {folder, path};
  for (int i = 0; i < 2; i++) {
    const struct model *model = read_choice(&(struct model_choice){.path = paths[i]});
    cr_expect_str_eq(model->name, "Some-Model");
    cr_expect_eq(model->layers[0].spec.kv_dtype, FI_BF16);
  }
  scratch_file("Some-Model/hf_quant_config.json", "{\"quantization\": {\"kv_cache_quant_algo\": \"FP8\"}}");
  cr_expect_eq(read_choice(&(struct model_choice){.path = folder})->layers[0].spec.kv_dtype, FI_E4M3);
  scratch_file("Some-Model/hf_quant_config.json", "{\"quantization\": {\"kv_cache_quant_algo\": \"FP3\"}}");
  static struct model model;
  cr_expect_not(model_read(&(struct model_choice){.path = folder}, &model));
  cr_expect_not_null(strstr(problem_last(), "field kv_cache_quant_algo is \"FP3\""), "%s", problem_last());
}

/* ------------------------------------------------------------------------------------------- language models */

Test(model_fields, nested_language_models) {
  static const char inner[] = LLAMA ", \"num_key_value_heads\": 4}";
  static const char plain[] = "8 full_attention: 16 query heads on 4 KV heads of 128, RoPE theta 10000";
  static const char *const shells[] = {
      "{\"model_type\": \"x\", \"num_hidden_layers\": 2, \"num_attention_heads\": 3, \"text_config\": %s}",
      "{\"llm_config\": %s, \"text_config\": {\"num_hidden_layers\": 1}}",
      "{\"language_config\": %s, \"vision_config\": {\"num_hidden_layers\": 24, \"num_attention_heads\": 16}}",
      "{\"thinker_config\": {\"text_config\": %s, \"audio_config\": {}}, \"talker_config\": {\"text_config\": {}}}",
      "{\"decoder\": %s}",
      "{\"generator\": %s, \"text_config\": null}",
      "{\"rope_theta\": 5, \"sliding_window\": 3, \"num_attention_heads\": 4, \"text_config\": %s}",
      "{\"vision_config\": {\"num_hidden_layers\": 24, \"num_attention_heads\": 16}, \"some_model\": %s}",
  };
  for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
    char *text = NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    cr_assert_geq(asprintf(&text, shells[i], inner), 0);
#pragma GCC diagnostic pop
    expect_summary(read_text(text), shells[i], plain);
    free(text);
  }
}

/* Shapes that a file leaves out are those of the architecture, and it is said. */
Test(model_fields, shapes_that_are_left_out) {
  const struct model *model = read_text("{\"model_type\": \"llava\", \"text_config\": {\"model_type\": \"llama\", "
                                        "\"vocab_size\": 32064, \"torch_dtype\": \"float16\"}}");
  expect_summary(model, "llava", "32 full_attention: 32 query heads on 32 KV heads of 128, RoPE theta 10000");
  expect_note(model, "num_attention_heads is not in the file: 32, the default of llama");
  model = read_text("{\"model_type\": \"gemma3\", \"vision_config\": {\"a\": 1}, \"text_config\": {\"model_type\": "
                    "\"gemma3_text\", \"hidden_size\": 2560, \"num_hidden_layers\": 34, \"sliding_window\": 1024, "
                    "\"rope_scaling\": {\"factor\": 8.0, \"rope_type\": \"linear\"}}, \"torch_dtype\": \"bfloat16\"}");
  cr_assert_eq(model->kinds, 2);
  cr_expect_eq(model->layers[0].layer.window, 1024);
  cr_expect_eq(model->layers[0].layer.rope.theta, 10000);
  cr_expect_eq(model->layers[0].layer.rope.type, ROPE_DEFAULT); /* the scaling is that of the full layers */
  cr_expect_eq(model->layers[1].layer.rope.theta, 1000000);
  cr_expect_eq(model->layers[1].layer.rope.type, ROPE_LINEAR);
  cr_expect_eq(model->layers[1].layer.query_heads, 8);
  cr_expect_eq(model->layers[1].layer.kv_heads, 4);
  cr_expect_eq(model->layers[1].layer.head_dim, 256);
}

Test(model_fields, unknown_architectures_are_a_guess) {
  const struct model *model = read_text("{\"model_type\": \"nova9\", " SHAPE ", \"sliding_window\": 100}");
  cr_expect_not(model->is_known);
  expect_note(model, "model_type nova9 is not an architecture that is known");
  expect_note(model, "a guess");
  cr_expect_eq(model->layers[0].layer.window, 100);
  expect_note(read_text("{" SHAPE "}"), "no model_type in the file");
  cr_expect(read_text("{\"architectures\": [\"Qwen3MoeForCausalLM\"], " SHAPE "}")->is_known);
}

/* ------------------------------------------------------------------------------------------------ unknown */

Test(model_fields, fields_that_nobody_knows_are_named) {
  static const char *const unknown[] = {
      "\"attention_flavour\": \"blue\"",
      "\"rope_twist\": 2",
      "\"kv_groups_of_layer\": [1, 2]",
      "\"sliding_windows_by_head\": [8]",
      "\"attn_sink_size\": 4",
      "\"query_compression\": true",
      "\"local_heads\": 3",
      "\"pos_embd_kind\": \"odd\"",
      "\"use_gqa_twice\": true",
      "\"moba_topk\": 3",
      "\"position_bias_slopes\": [1]",
      "\"attn_config\": {\"odd_attn\": 1}",
      "\"layer_types_of_odd\": [1]",
  };
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
    char text[512];
    char name[64];
    snprintf(text, sizeof text, LLAMA ", %s}", unknown[i]);
    const char *quote = strstr(unknown[i], "odd_attn") ? strstr(unknown[i], "odd_attn") : unknown[i] + 1;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(quote, "\""), quote);
    expect_refused_config(text, name);
    expect_refused_config(text, "understood, and could change attention");
  }
}

/* Off, or of no concern to attention. */
Test(model_fields, fields_that_change_nothing) {
  static const char *const fields[] = {
      "\"attention_flavour\": null",
      "\"rope_twist\": false",
      "\"sliding_windows_by_head\": []",
      "\"attn_sink_size\": 0",
      "\"attention_bias\": true",
      "\"attention_dropout\": 0.1",
      "\"colour\": \"blue\"",
      "\"image_token_index\": 7",
      "\"use_qk_norm\": true",
      "\"final_logit_softcapping\": 30",
      "\"attn_output_gate\": true",
  };
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    char text[512];
    snprintf(text, sizeof text, LLAMA ", %s}", fields[i]);
    expect_summary(read_text(text), fields[i],
                   "8 full_attention: 16 query heads on 16 KV heads of 128, RoPE theta "
                   "10000");
  }
}

Test(model_fields, unknown_rope_fields_are_named) {
  expect_refused_config(LLAMA ", \"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2, \"wobble\": 3}}",
                        "field wobble of rope_scaling is not understood");
  expect_refused_config(LLAMA
                        ", \"block_configs\": [{\"attention\": {\"n_heads_in_group\": 8, \"window_length\": 9}}]}",
                        "field block_configs[0].attention.window_length is not understood");
  expect_refused_config(LLAMA ", \"per_layer_config\": {\"2\": {\"skip\": [\"half\"]}}}", "field skip is [\"half\"]");
}

/* What a user sets goes before the file, which is also how an unknown field is left out. */
Test(model_fields, settings) {
  const char *path = scratch_file("config.json", LLAMA ", \"attention_flavour\": \"blue\"}");
  const struct model_choice choice = {
      .path = path,
      .settings = "attention_flavour=null\nsliding_window=64\nmodel_type=mistral\nnum_key_value_heads=4\n"};
  const struct model *model = read_choice(&choice);
  cr_expect_str_eq(model->model_type, "mistral");
  cr_expect_eq(model->layers[0].layer.window, 64);
}

/* ------------------------------------------------------------------------------------------------ layers */

static const struct {
  const char *fields;
  const char *kinds;
} layers[] = {
#define PLAIN "16 query heads on 16 KV heads of 128, RoPE theta 10000"
#define WINDOW(n) "16 query heads on 16 KV heads of 128, window " #n ", RoPE theta 10000"
    {"\"attn_layer_indices\": [0, 7]", "2 full_attention: " PLAIN "\n6 linear_attention: -"},
    {"\"full_attn_idxs\": [2]", "7 conv: -\n1 full_attention: " PLAIN},
    {"\"attn_type_list\": [1, 0, 0, 0, 0, 0, 0, 1]", "2 full_attention: " PLAIN "\n6 linear_attention: -"},
    {"\"layer_group_size\": 3", "4 linear_attention: -\n4 full_attention: " PLAIN},
    {"\"full_attention_interval\": 3", "6 linear_attention: -\n2 full_attention: " PLAIN},
    {"\"linear_attn_config\": {\"full_attn_layers\": [1, 8], \"kda_layers\": [2]}",
     "2 full_attention: " PLAIN "\n6 linear_attention: -"},
    {"\"sliding_window\": 9, \"sliding_window_pattern\": \"LLLG\"",
     "6 sliding_attention: " WINDOW(9) "\n2 full_attention: " PLAIN},
    {"\"sliding_window\": 9, \"hybrid_layer_pattern\": [0, 1, 1, 1, 1, 1, 1, 1]",
     "1 full_attention: " PLAIN "\n7 sliding_attention: " WINDOW(9)},
    {"\"sliding_window\": [9, 0, null, 9, 9, 9, 9, 9]", "6 sliding_attention: " WINDOW(9) "\n2 full_attention: " PLAIN},
    {"\"model_type\": \"exaone4\", \"sliding_window\": null, \"num_key_value_heads\": 16", "8 full_attention: " PLAIN},
    {"\"model_type\": \"qwen3\", \"sliding_window\": 9, \"num_key_value_heads\": 16", "8 full_attention: " PLAIN},
    {"\"model_type\": \"mistral\", \"sliding_window\": null, \"num_key_value_heads\": 16", "8 full_attention: " PLAIN},
    {"\"model_type\": \"mistral\", \"num_key_value_heads\": 16", "8 sliding_attention: " WINDOW(4096)},
    {"\"model_type\": \"granitemoehybrid\", \"layer_types\": [\"attention\", \"mamba\", \"mamba\", \"mamba\", "
     "\"mamba\", "
     "\"mamba\", \"mamba\", \"mamba\"], \"attention_multiplier\": 0.5, \"num_key_value_heads\": 16",
     "1 full_attention: 16 query heads on 16 KV heads of 128, scale 0.5, no RoPE\n7 linear_attention: -"},
    {"\"per_layer_config\": {\"03\": {\"num_key_value_heads\": 2}}",
     "7 full_attention: " PLAIN "\n1 full_attention: 16 query heads on 2 KV heads of 128, RoPE theta 10000"},
    {"\"rope_theta\": [10000, 10000, 10000, 10000, 0, 0, 0, 0]",
     "4 full_attention: " PLAIN "\n4 full_attention: 16 query heads on 16 KV heads of 128, no RoPE"},
    {"\"layer_rope_theta\": [0, 10000, 10000, 10000, 10000, 10000, 10000, 10000]",
     "1 full_attention: 16 query heads on 16 KV heads of 128, no RoPE\n7 full_attention: " PLAIN},
    {"\"num_kv_shared_layers\": 3",
     "5 full_attention: " PLAIN
     "\n3 full_attention: 16 query heads on 16 KV heads of 128, no K and V of its own, RoPE theta 10000"},
    {"\"alibi\": true", "8 full_attention: 16 query heads on 16 KV heads of 128, ALiBi, no RoPE"},
    {"\"is_causal\": false", "8 full_attention: 16 query heads on 16 KV heads of 128, no mask, RoPE theta 10000"},
    {"\"model_type\": \"mpt\", \"attn_config\": {\"alibi\": true, \"softmax_scale\": 0.25}",
     "8 full_attention: 16 query heads on 16 KV heads of 128, scale 0.25, ALiBi, no RoPE"},
    {"\"model_type\": \"baichuan\", \"hidden_size\": 5120",
     "8 full_attention: 16 query heads on 16 KV heads of 320, ALiBi, no RoPE"},
    {"\"model_type\": \"chatglm\", \"multi_query_attention\": true, \"multi_query_group_num\": 2, \"rope_ratio\": 50",
     "8 full_attention: 16 query heads on 2 KV heads of 128, RoPE theta 500000 on the first 64 dims, interleaved"},
    {"\"model_type\": \"olmo_hybrid\", \"rope_theta\": null, \"layer_types\": [\"full_attention\", \"full_attention\", "
     "\"full_attention\", \"full_attention\", \"full_attention\", \"full_attention\", \"full_attention\", "
     "\"full_attention\"], \"num_key_value_heads\": 16",
     "8 full_attention: 16 query heads on 16 KV heads of 128, no RoPE"},
    {"\"model_type\": \"kimi_k2\", \"kv_lora_rank\": 512, \"qk_rope_head_dim\": 64, \"qk_nope_head_dim\": 128, "
     "\"v_head_dim\": 128",
     "8 full_attention: 16 query heads, expanded 192/128 on 16 KV heads, absorbed 576/512 on 1, RoPE theta 10000 on "
     "the "
     "last 64 dims, interleaved\n"
     "8 expanded_full_attention: 16 query heads on 16 KV heads of 192 (V: 128), expanded for prefill, RoPE theta 10000 "
     "on the last 64 dims, interleaved"},
    {"\"rope_parameters\": {\"full_attention\": null, \"sliding_attention\": {\"rope_theta\": 7}}",
     "8 full_attention: 16 query heads on 16 KV heads of 128, no RoPE"},
    {"\"per_layer_config\": {\"2\": {\"skip\": [\"self_attn\", \"mlp\"]}, \"3\": {\"skip\": [\"mlp\"]}}",
     "7 full_attention: " PLAIN "\n1 full_attention: -"},
    {"\"use_cla\": true, \"cla_share_factor\": 4",
     "2 full_attention: " PLAIN
     "\n6 full_attention: 16 query heads on 16 KV heads of 128, no K and V of its own, RoPE theta 10000"},
    {"\"model_type\": \"bamba\", \"attn_layer_indices\": [1], \"attn_rotary_emb\": 64, \"num_key_value_heads\": 16",
     "7 linear_attention: -\n1 full_attention: 16 query heads on 16 KV heads of 128, RoPE theta 10000 on the first 64 "
     "dims"},
    {"\"model_type\": \"bert\"", "8 full_attention: 16 query heads on 16 KV heads of 128, no mask, no RoPE"},
    {"\"model_type\": \"bert\", \"is_decoder\": true",
     "8 full_attention: 16 query heads on 16 KV heads of 128, no RoPE"},
    {"\"model_type\": \"modernbert\", \"local_attention\": 128, \"global_attn_every_n_layers\": 3, "
     "\"global_rope_theta\": 160000.0, \"local_rope_theta\": 10000.0",
     "3 full_attention: 16 query heads on 16 KV heads of 128, no mask, RoPE theta 160000\n"
     "5 sliding_attention: 16 query heads on 16 KV heads of 128, window 65 on each side, RoPE theta 10000"},
    {"\"model_type\": \"t5\", \"num_layers\": null, \"num_decoder_layers\": 2, \"num_heads\": 16",
     "2 full_attention: 16 query heads on 16 KV heads of 64, scale 1, logits of each distance, no RoPE\n"
     "2 cross_attention: 16 query heads on 16 KV heads of 64, no mask, scale 1, keys of the encoder, no RoPE"},
    {"\"model_type\": \"deepseek_v2\", \"use_mla\": false, \"kv_lora_rank\": null, \"v_head_dim\": 0, "
     "\"qk_nope_head_dim\": 0, \"qk_rope_head_dim\": 0, \"num_key_value_heads\": 16, \"head_dim\": null",
     "8 full_attention: " PLAIN},
    {"\"model_type\": \"RefinedWeb\", \"n_head_kv\": 8",
     "8 full_attention: 16 query heads on 8 KV heads of 128, RoPE theta 10000"},
    {"\"model_type\": \"falcon\"", "8 full_attention: 16 query heads on 1 KV heads of 128, RoPE theta 10000"},
    {"\"model_type\": \"falcon\", \"multi_query\": false", "8 full_attention: " PLAIN},
    {"\"model_type\": \"falcon\", \"multi_query\": true, \"new_decoder_architecture\": true, \"num_kv_heads\": 4",
     "8 full_attention: 16 query heads on 4 KV heads of 128, RoPE theta 10000"},
    {"\"num_query_heads\": [16, 16, 16, 16, 16, 16, 16, 8], \"num_attention_heads\": null, \"num_kv_heads\": 4, "
     "\"head_dim\": 64",
     "7 full_attention: 16 query heads on 4 KV heads of 64, RoPE theta 10000\n"
     "1 full_attention: 8 query heads on 4 KV heads of 64, RoPE theta 10000"},
    {"\"position_embedding_type\": \"absolute\"", "8 full_attention: " PLAIN}, /* llama rotates all the same */
    {"\"model_type\": \"nova\", \"position_embedding_type\": \"absolute\"",
     "8 full_attention: 16 query heads on 16 KV heads of 128, no RoPE"},
    {"\"model_type\": \"step3p5\", \"head_dim\": 128, \"num_attention_groups\": 8, \"sliding_window\": 9, "
     "\"layer_types\": [\"full_attention\", \"sliding_attention\", \"sliding_attention\", \"sliding_attention\", "
     "\"sliding_attention\", \"sliding_attention\", \"sliding_attention\", \"sliding_attention\"], "
     "\"attention_other_setting\": {\"num_attention_heads\": 24, \"num_attention_groups\": 8, \"head_dim\": 128}, "
     "\"partial_rotary_factors\": [0.5, 1, 1, 1, 1, 1, 1, 1], \"yarn_only_types\": [\"full_attention\"], "
     "\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2}",
     "1 full_attention: 16 query heads on 8 KV heads of 128, RoPE theta 10000 on the first 64 dims, linear factor 2\n"
     "7 sliding_attention: 24 query heads on 8 KV heads of 128, window 9, RoPE theta 10000"},
    {"\"rope_scaling\": {\"type\": \"dynamic\", \"alpha\": 1, \"factor\": 1}", "8 full_attention: " PLAIN},
};

Test(model_fields, layers) {
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    char text[2048];
    snprintf(text, sizeof text, LLAMA ", %s}", layers[i].fields);
    expect_summary(read_text(text), layers[i].fields, layers[i].kinds);
  }
}

/* Lists that are not as long as the model, in every field that has one. */
Test(model_fields, lists_of_other_lengths) {
  static const char *const lists[][2] = {
      {"\"layer_types\": [\"full_attention\"]", "field layer_types has 1 entries for 8 layers"},
      {"\"layers_block_type\": [\"attention\", \"mamba\"]", "field layers_block_type has 2 entries for 8 layers"},
      {"\"hybrid_layer_pattern\": [0, 1]", "field hybrid_layer_pattern has 2 entries for 8 layers"},
      {"\"attn_type_list\": [1, 1, 1, 1, 1, 1, 1, 1, 1]", "field attn_type_list has 9 entries for 8 layers"},
      {"\"compress_ratios\": [0, 4]", "field compress_ratios has 2 entries for 8 layers"},
      {"\"attn_layer_indices\": [8]", "field attn_layer_indices is [8], not a list of numbers of layers"},
      {"\"rope_theta\": [5, 6]", "field rope_theta has 2 entries for 8 layers"},
      {"\"sliding_window\": [5, 6]", "field sliding_window has 2 entries for 8 layers"},
      {"\"num_key_value_heads\": [4]", "field num_key_value_heads has 1 entries for 8 layers"},
      {"\"no_rope_layers\": [1, 0]", "field no_rope_layers has 2 entries for 8 layers"},
      {"\"use_rope_layers\": 3", "field use_rope_layers is 3, not a list"},
      {"\"kv_lora_rank\": 0, \"qk_nope_head_dim\": 128",
       "field kv_lora_rank is 0, not a whole number above 0, as qk_nope"},
      {"\"attn_layer_period\": 4, \"attn_layer_offset\": 4", "field attn_layer_offset is 4, not below"},
      {"\"rope_scaling\": {\"type\": \"longrope\", \"short_factor\": [1], \"long_factor\": [1]}",
       "field short_factor of rope_scaling has 1 numbers for 64 rotated pairs"},
  };
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    char text[512];
    snprintf(text, sizeof text, LLAMA ", %s}", lists[i][0]);
    expect_refused_config(text, lists[i][1]);
  }
  expect_note(read_text("{\"model_type\": \"step3p5\", \"num_hidden_layers\": 2, \"num_nextn_predict_layers\": 1, "
                        "\"layer_types\": [\"full_attention\", \"sliding_attention\", \"full_attention\"]}"),
              "the last 1 of the 3 entries of layer_types are draft layers");
}

/* ------------------------------------------------------------------------------------------ tensor parallel */

Test(model_fields, devices_change_the_group) {
  static const struct {
    uint32_t devices, query_heads, kv_heads, group;
  } parts[] = {{1, 32, 2, 16}, {2, 16, 1, 16}, {4, 8, 1, 8}, {8, 4, 1, 4}, {32, 1, 1, 1}};
  const char *path = scratch_file("config.json", "{\"num_hidden_layers\": 2, \"num_attention_heads\": 32, "
                                                 "\"num_key_value_heads\": 2, \"head_dim\": 128}");
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    const struct model *model = read_choice(&(struct model_choice){.path = path, .devices = parts[i].devices});
    cr_expect_eq(model->layers[0].layer.query_heads, parts[i].query_heads);
    cr_expect_eq(model->layers[0].kv_heads, parts[i].kv_heads);
    cr_expect_eq(model->layers[0].spec.group, parts[i].group, "%u devices", parts[i].devices);
  }
}

Test(model_fields, devices_that_do_not_divide) {
  static struct model model;
  const char *path = scratch_file("config.json", "{\"num_hidden_layers\": 2, \"num_attention_heads\": 24, "
                                                 "\"num_key_value_heads\": 6, \"head_dim\": 128}");
  cr_expect_not(model_read(&(struct model_choice){.path = path, .devices = 5}, &model));
  cr_expect_not_null(strstr(problem_last(), "--tp is 5, which does not divide the 24 query heads"), "%s",
                     problem_last());
  cr_expect_not(model_read(&(struct model_choice){.path = path, .devices = 4}, &model));
  cr_expect_not_null(strstr(problem_last(), "--tp is 4, which neither divides the 6 KV heads"), "%s", problem_last());
}

/* ------------------------------------------------------------------------------------------------ types */

Test(model_fields, types_of_the_cache) {
  static const struct {
    const char *quantization;
    uint32_t dtype, scale;
    const char *missing;
  } types[] = {
      {"{\"quant_method\": \"fp8\"}", FI_BF16, FI_SCALE_NONE, ""},
      {"{\"kv_cache_scheme\": {\"type\": \"float\", \"num_bits\": 8, \"strategy\": \"tensor\"}}", FI_E4M3,
       FI_SCALE_TENSOR, ""},
      {"{\"kv_cache_scheme\": {\"type\": \"float\", \"num_bits\": 8, \"strategy\": \"attn_head\"}}", FI_E4M3,
       FI_SCALE_HEAD, ""},
      {"{\"kv_cache_scheme\": null, \"quant_method\": \"compressed-tensors\"}", FI_BF16, FI_SCALE_NONE, ""},
      {"{\"quant_method\": \"modelopt\", \"kv_cache_quant_algo\": \"FP8\"}", FI_E4M3, FI_SCALE_TENSOR, ""},
      {"{\"quantization\": {\"kv_cache_quant_algo\": \"FP8\"}}", FI_E4M3, FI_SCALE_TENSOR, ""},
      {"{\"kv_cache_quant_algo\": \"INT8\"}", FI_I8, FI_SCALE_TENSOR, ""},
      {"{\"kv_cache_quant_algo\": \"NVFP4\"}", FI_NVFP4, FI_SCALE_NONE, ""},
      {"{\"kv_cache_scheme\": {\"type\": \"float\", \"num_bits\": 4, \"group_size\": 16}}", FI_NVFP4, FI_SCALE_NONE,
       ""},
      {"{\"kv_cache_quant_algo\": \"INT4\"}", FI_DTYPE_DEFAULT, FI_SCALE_NONE,
       "a cache of int4 with groups of an unknown size"},
  };
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    char text[512];
    snprintf(text, sizeof text, LLAMA ", \"quantization_config\": %s}", types[i].quantization);
    const struct model *model = read_text(text);
    cr_expect_eq(model->layers[0].spec.kv_dtype, types[i].dtype, "%s", types[i].quantization);
    cr_expect_eq(model->layers[0].spec.kv_scale, types[i].scale, "%s", types[i].quantization);
    cr_expect_str_eq(model->layers[0].missing, types[i].missing);
    if (types[i].dtype != FI_BF16)
      expect_note(model, "by its quantization config the cache is");
  }
  expect_refused_config(LLAMA ", \"quantization_config\": {\"kv_cache_scheme\": {\"type\": \"int\", \"num_bits\": 8}}}",
                        "field kv_cache_scheme is");
  expect_refused_config(LLAMA ", \"quantization_config\": {\"kv_cache_scheme\": "
                              "{\"type\": \"float\", \"num_bits\": 4, \"group_size\": 32}}}",
                        "field kv_cache_scheme is");
  expect_refused_config(LLAMA ", \"quantization_config\": {\"kv_cache_scheme\": "
                              "{\"type\": \"float\", \"num_bits\": 4, \"strategy\": \"tensor\"}}}",
                        "field kv_cache_scheme is");
}

/* What is asked for goes before the config. */
Test(model_fields, a_chosen_cache_type) {
  const char *path =
      scratch_file("config.json", LLAMA ", \"quantization_config\": {\"kv_cache_quant_algo\": \"NVFP4\"}}");
  const struct model *model = read_choice(&(struct model_choice){.path = path, .kv_dtype = FI_E5M2});
  cr_expect_eq(model->layers[0].spec.kv_dtype, FI_E5M2);
  cr_expect_eq(model->layers[0].spec.kv_scale, FI_SCALE_TENSOR);
  model = read_choice(&(struct model_choice){.path = path, .kv_dtype = FI_I8});
  cr_expect_eq(model->layers[0].spec.kv_dtype, FI_I8);
  cr_expect_eq(model->layers[0].spec.kv_scale, FI_SCALE_TOKEN);
  cr_expect_str_eq(model->layers[0].missing, "");
}

Test(model_fields, types_of_values) {
  expect_note(read_text("{\"model_type\": \"llama\", \"dtype\": \"float32\", " SHAPE "}"), "float32 is served as bf16");
  expect_note(read_text("{\"model_type\": \"llama\", " SHAPE "}"), "no dtype in the file");
  cr_expect_eq(read_text("{\"text_config\": " LLAMA "}, \"torch_dtype\": \"float16\"}")->layers[0].spec.q_dtype,
               FI_F16);
  expect_refused_config("{\"model_type\": \"llama\", \"dtype\": \"int7\", " SHAPE "}", "field dtype is \"int7\"");
}

/* ------------------------------------------------------------------------------------------------ images */

/* The order of the sections is in the code, that of Ernie's numbers too; a digit a pair says which position turns it.
 */
Test(model_fields, three_positions_a_token) {
  static const struct {
    const char *config;
    uint32_t sections[3];
    const char *axes; /* of the first pairs */
    int last;
  } rows[] = {
      {LLAMA ", \"rope_scaling\": {\"type\": \"mrope\", \"mrope_section\": [16, 24, 24]}}", {16, 24, 24}, "0000", 2},
      {LLAMA ", \"rope_scaling\": {\"mrope_interleaved\": true, \"mrope_section\": [24, 20, 20]}}",
       {24, 20, 20},
       "0120",
       0},
      {"{\"model_type\": \"qwen2_vl\"}", {16, 24, 24}, "0000", 2},
      {"{\"model_type\": \"qwen3_vl\"}", {24, 20, 20}, "0120", 0},
      {"{\"model_type\": \"qwen3_vl\", \"rope_scaling\": {\"mrope_interleaved\": false, \"mrope_section\": [24, 20, "
       "20]}}",
       {24, 20, 20},
       "0000",
       2},
      {"{\"model_type\": \"qwen3_5\"}", {11, 11, 10}, "0120", 1},
      {"{\"model_type\": \"glm4v\", \"partial_rotary_factor\": 0.5}", {8, 12, 12}, "0000", 2},
      {"{\"model_type\": \"ernie4_5_vl_moe\"}", {20, 22, 22}, "1212", 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct model_layer *kind = NULL;
    const struct model *model = read_text(rows[i].config);
    for (uint32_t k = 0; k < model->kinds; k++)
      kind = model->layers[k].layer.attends ? &model->layers[k] : kind;
    const struct rope *rope = &kind->layer.rope;
    uint64_t table[MOST_PAIRS];
    float magnitude;
    cr_expect_str_eq(kind->missing, "", "row %zu: %s", i, kind->missing);
    cr_expect_eq(kind->spec.rope_axes, 3, "row %zu", i);
    cr_expect_eq(kind->spec.rope_positions, FI_POSITIONS_ARRAY, "row %zu", i);
    cr_assert_eq(layer_frequencies(&kind->layer, table, &magnitude), FI_OK, "row %zu: %s", i, fi_last_error());
    for (uint32_t axis = 0; axis < 3; axis++)
      cr_expect_eq(rope->sections[axis], rows[i].sections[axis], "row %zu: %u", i, rope->sections[axis]);
    for (uint32_t pair = 0; rows[i].axes[pair]; pair++)
      cr_expect_eq(table[pair] % 4, (uint64_t)(rows[i].axes[pair] - '0'), "row %zu, pair %u", i, pair);
    cr_expect_eq(table[rope->dims / 2 - 1] % 4, (uint64_t)rows[i].last, "row %zu, the last pair", i);
  }
}

Test(model_fields, text_only_leaves_out_images) {
  const char *path = scratch_file("config.json", LLAMA ", \"rope_scaling\": {\"type\": \"xdrope\", \"alpha\": 1000, "
                                                       "\"xdrope_section\": [16, 16, 16, 16]}}");
  cr_expect_not_null(
      strstr(read_choice(&(struct model_choice){.path = path})->layers[0].missing, "4 positions a token (--text-only"));
  cr_expect_str_eq(read_choice(&(struct model_choice){.path = path, .text_only = true})->layers[0].missing, "");
  path = scratch_file("config.json", "{\"model_type\": \"qwen3_vl\"}");
  const fi_spec spec = read_choice(&(struct model_choice){.path = path, .text_only = true})->layers[0].spec;
  cr_expect_eq(spec.rope_positions, FI_POSITIONS_KV_OFFSET);
  cr_expect_neq(spec.rope_axes, 3);
}

Test(model_fields, sections_that_do_not_add_up) {
  static const char *const sections[] = {"[16, 24, 23]", "[16, 24]", "[65, 0, 0]", "[16.5, 24, 23.5]", "[-1, 33, 32]"};
  for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
    char text[256];
    snprintf(text, sizeof text, LLAMA ", \"rope_scaling\": {\"type\": \"mrope\", \"mrope_section\": %s}}", sections[i]);
    expect_refused_config(text, "three numbers of pairs that add up to the 64 of the head");
  }
}

/* ------------------------------------------------------------------------------------------------ yarn */

/* Magnitudes and scales that are known: gpt-oss, DeepSeek-V3 (whose goes into the scale), telechat3. */
Test(model_fields, magnitudes_of_yarn) {
  static const struct {
    const char *rope;
    double factor;
  } ropes[] = {
      {"\"type\": \"yarn\", \"factor\": 32", 1.34657},
      {"\"type\": \"yarn\", \"factor\": 40, \"mscale\": 1, \"mscale_all_dim\": 1", 1},
      {"\"type\": \"yarn\", \"factor\": 40, \"mscale\": 0.707, \"mscale_all_dim\": 0.707", 1},
      {"\"type\": \"yarn\", \"factor\": 4, \"attention_factor\": 1.5", 1.5},
      {"\"type\": \"telechat3-yarn\", \"factor\": 4", 1.09704},
      {"\"type\": \"yarn\", \"factor\": 1", 1},
  };
  for (size_t i = 0; i < sizeof ropes / sizeof *ropes; i++) {
    char text[512];
    snprintf(text, sizeof text, LLAMA ", \"rope_scaling\": {\"original_max_position_embeddings\": 4096, %s}}",
             ropes[i].rope);
    const double factor = read_text(text)->layers[0].layer.rope.attention_factor;
    cr_expect_float_eq(factor, ropes[i].factor, 1e-5, "%s: %g", ropes[i].rope, factor);
  }
}

Test(model_fields, numbers_of_layers) {
  struct model_layer layer = {.count = 7, .numbers = {0, 3, 6, 9, 10, 11, 12}};
  char text[64];
  model_numbers(&layer, text, sizeof text);
  cr_expect_str_eq(text, "0 3 .. 9 10..12");
  layer = (struct model_layer){.count = 3, .numbers = {2, 5, 6}};
  model_numbers(&layer, text, sizeof text);
  cr_expect_str_eq(text, "2 5 6");
}
