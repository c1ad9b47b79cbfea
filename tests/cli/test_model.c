/* Real configs, variations of one, and broken ones. */
#include "tools/flashjit/model/model.h"

#include "files.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/roles.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MODEL(name) TEST_DATA "/models/" name ".json"

static struct model read_model(const char *path) {
  const struct model_choice choice = {.path = path};
  struct model model;
  cr_assert(model_read(&choice, &model), "%s", problem_last());
  return model;
}

#define LATENT "\"kv_lora_rank\": 512, \"qk_rope_head_dim\": 64, \"qk_nope_head_dim\": 128, \"v_head_dim\": 128"

/* The config of a small model with some fields added or, by repeating their names, changed. */
static const char *config(const char *fields) {
  char text[2048];
  snprintf(text, sizeof text,
           "{\"model_type\": \"llama\", \"num_hidden_layers\": 8, \"num_attention_heads\": 16, "
           "\"hidden_size\": 2048%s%s}",
           fields[0] ? ", " : "", fields);
  return scratch_file("config.json", text);
}

static const struct model_layer *find(const struct model *model, const char *kind) {
  for (uint32_t i = 0; i < model->kinds; i++) {
    if (strcmp(model->layers[i].kind, kind) == 0)
      return &model->layers[i];
  }
  cr_assert_fail("no %s", kind);
  return NULL;
}

/* -------------------------------------------------------------------------------------------- real models */

Test(model, llama) {
  struct model model = read_model(MODEL("Meta-Llama-3.1-8B"));
  const struct model_layer *layer = &model.layers[0];
  cr_expect_str_eq(model.name, "Meta-Llama-3.1-8B");
  cr_assert_eq(model.kinds, 1);
  cr_expect_str_eq(layer->kind, "full_attention");
  cr_expect_str_eq(layer->missing, "");
  cr_expect_eq(layer->count, 32);
  cr_expect_eq(layer->kv_heads, 8);
  cr_expect_eq(layer->spec.group, 4);
  cr_expect_eq(layer->spec.head_dim, 128); /* hidden_size / heads */
  cr_expect_eq(layer->spec.q_dtype, FI_BF16);
  cr_expect_eq(layer->spec.rope, FI_ROPE_HALF);
  cr_expect_eq(layer->layer.rope.theta, 500000);
  cr_expect_eq(layer->layer.rope.type, ROPE_LLAMA3);
  cr_expect_eq(layer->layer.rope.factor, 8);
  cr_expect_eq(layer->layer.rope.low_frequency, 1);
  cr_expect_eq(layer->layer.rope.high_frequency, 4);
  cr_expect_eq(layer->layer.rope.context, 8192);
}

Test(model, qwen3) {
  static const struct {
    const char *path;
    uint32_t count, kv_heads, group, theta;
  } models[] = {{MODEL("Qwen3-0.6B"), 28, 8, 2, 1000000},
                {MODEL("Qwen3-Coder-480B-A35B-Instruct"), 62, 8, 12, 10000000}};
  for (int i = 0; i < 2; i++) {
    struct model model = read_model(models[i].path);
    const struct model_layer *layer = &model.layers[0];
    cr_assert_eq(model.kinds, 1);
    cr_expect_str_eq(layer->missing, "");
    cr_expect_eq(layer->count, models[i].count);
    cr_expect_eq(layer->kv_heads, models[i].kv_heads);
    cr_expect_eq(layer->spec.group, models[i].group);
    cr_expect_eq(layer->spec.head_dim, 128);
    cr_expect_eq(layer->layer.rope.theta, models[i].theta);
    cr_expect_eq(layer->layer.rope.type, ROPE_DEFAULT);
  }
}

Test(model, gpt_oss) {
  struct model model = read_model(MODEL("gpt-oss-20b"));
  cr_assert_eq(model.kinds, 2);
  const struct model_layer *sliding = find(&model, "sliding_attention");
  const struct model_layer *full = find(&model, "full_attention");
  cr_expect_eq(sliding->count, 12);
  cr_expect_eq(full->count, 12);
  cr_expect_eq(full->spec.head_dim, 64);
  cr_expect_eq(full->spec.group, 8);
  cr_expect_eq(sliding->spec.window_left, 128);
  cr_expect_eq(full->spec.window_left, 0);
  cr_expect(sliding->spec.sinks && full->spec.sinks);
  cr_expect_str_eq(sliding->missing, "");
  cr_expect_str_eq(full->missing, "");
}

Test(model, gemma4) {
  struct model model = read_model(MODEL("gemma-4-26B-A4B"));
  cr_assert_eq(model.kinds, 2);
  const struct model_layer *sliding = find(&model, "sliding_attention");
  const struct model_layer *full = find(&model, "full_attention");
  cr_expect_eq(sliding->count, 25);
  cr_expect_eq(sliding->spec.head_dim, 256);
  cr_expect_eq(sliding->kv_heads, 8);
  cr_expect_eq(sliding->spec.group, 2);
  cr_expect_eq(sliding->layer.rope.theta, 10000);
  cr_expect_eq(sliding->spec.window_left, 1024);
  cr_expect_eq(sliding->spec.ranges, 1);
  cr_expect_str_eq(sliding->missing, "");
  cr_expect_eq(full->count, 5);
  cr_expect_eq(full->spec.head_dim, 512);
  cr_expect_eq(full->kv_heads, 2);
  cr_expect_eq(full->spec.group, 8);
  cr_expect_eq(full->layer.rope.dims, 512);
  cr_expect_eq(full->layer.rope.turning_pairs, 64);
  cr_expect_eq(full->layer.scale, 1);
  cr_expect_str_eq(full->missing, "");
}

/* --------------------------------------------------------------------------------------------- variations */

#define V4 "\"model_type\": \"deepseek_v4\", \"num_key_value_heads\": 1"

/* What lists are of: tokens, groups of keys that are pooled, blocks for each KV head, or compressed entries. */
Test(model, lists) {
  static const struct {
    const char *fields;
    struct selection selection;
    const char *missing;
  } rows[] = {
      {"\"model_type\": \"deepseek_v32\"", {1, 2048, 0, false, 64, 128, 0, 0}, ""},
      {"\"model_type\": \"deepseek_v32\", \"index_topk\": 512", {1, 512, 0, false, 64, 128, 0, 0}, ""},
      {"\"model_type\": \"deepseek_v32\", \"index_topk\": [1, 2, 3, 4, 5, 6, 7, 8]",
       {1, 8, 0, false, 64, 128, 0, 0},
       ""},
      {"\"model_type\": \"glm5_next\", \"index_kpool\": 16", {16, 129, 0, false, 0, 0, 0, 0}, ""},
      {"\"model_type\": \"qwen4_exp\", \"indexer_budget\": 2050, \"indexer_compress_ratio\": 32",
       {32, 65, 0, false, 0, 0, 0, 0},
       ""},
      {"\"model_type\": \"qwen4_exp\"", {0}, "sparse attention (indexed tokens)"},
      {"\"model_type\": \"deepseek_v32\", \"index_topk\": 0", {0}, "sparse attention (indexed tokens)"},
      {"\"model_type\": \"minimax_m3\", \"sparse_attention_config\": {\"sparse_attention_freq\": [0, 0, 0, 1, 0, 0, 0, "
       "1]}",
       {128, 16, 0, true, 4, 128, 0, 1},
       ""},
      {"\"model_type\": \"minimax_m3\", \"sparse_attention_config\": {\"sparse_attention_freq\": [0, 0, 0, 0, 0, 0, 0, "
       "1], "
       "\"sparse_init_block\": 2, \"sparse_local_block\": 3, \"sparse_topk_blocks\": 4}",
       {128, 4, 0, true, 4, 128, 2, 2},
       ""},
      {V4 ", \"compress_ratios\": [0, 0, 0, 0, 0, 0, 0, 4]", {1, 512, 4, false, 64, 128, 0, 0}, ""},
      {V4 ", \"compress_ratios\": [0, 0, 0, 0, 0, 0, 0, 128]", {1, 0, 128, false, 0, 0, 0, 0}, ""},
      {V4 ", \"compress_ratios\": [0, 0, 0, 0, 0, 0, 0, 4], \"compress_rates\": {\"compressed_sparse_attention\": 6}, "
          "\"index_topk\": 9",
       {1, 9, 6, false, 64, 128, 0, 0},
       ""},
      {V4 ", \"compress_ratios\": [0, 0, 0, 0, 0, 0, 0, 4], \"index_topk\": 0",
       {0},
       "sparse attention (a window and the best 0 of the compressed entries, one for 4 tokens, 64 index heads of 128)"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct model model = read_model(config(rows[i].fields));
    const struct model_layer *layer = &model.layers[model.kinds - 1];
    const struct selection *found = &layer->layer.selection;
    cr_expect(found->block == rows[i].selection.block && found->entries == rows[i].selection.entries &&
                  found->ratio == rows[i].selection.ratio && found->by_head == rows[i].selection.by_head &&
                  found->index_heads == rows[i].selection.index_heads &&
                  found->index_dim == rows[i].selection.index_dim &&
                  found->first_blocks == rows[i].selection.first_blocks &&
                  found->last_blocks == rows[i].selection.last_blocks,
              "%s: %u of %u tokens", rows[i].fields, found->entries, found->block);
    cr_expect_eq(layer->spec.select, rows[i].selection.block);
    cr_expect_str_eq(layer->missing, rows[i].missing, "%s", rows[i].fields);
  }
}

Test(model, defaults) {
  struct model model = read_model(config(""));
  const struct model_layer *layer = &model.layers[0];
  cr_expect_eq(layer->count, 8);
  cr_expect_eq(layer->kv_heads, 16);
  cr_expect_eq(layer->spec.group, 1);
  cr_expect_eq(layer->spec.head_dim, 128);
  cr_expect_eq(layer->spec.q_dtype, FI_BF16);
  cr_expect_eq(layer->layer.rope.theta, 10000);
  cr_expect_eq(layer->spec.rope_dim, 128);
}

Test(model, variations) {
  static const struct {
    const char *fields;
    size_t offset; /* in fi_spec */
    uint32_t value;
  } variations[] = {
      {"\"torch_dtype\": \"float16\"", offsetof(fi_spec, q_dtype), FI_F16},
      {"\"dtype\": \"float16\", \"torch_dtype\": \"bfloat16\"", offsetof(fi_spec, kv_dtype), FI_F16},
      {"\"head_dim\": 64", offsetof(fi_spec, head_dim), 64},
      {"\"num_key_value_heads\": 2", offsetof(fi_spec, group), 8},
      {"\"partial_rotary_factor\": 0.5", offsetof(fi_spec, rope_dim), 64},
      {"\"rotary_dim\": 32", offsetof(fi_spec, rope_dim), 32},
      {"\"model_type\": \"glm4\"", offsetof(fi_spec, rope), FI_ROPE_INTERLEAVED},
      {"\"model_type\": \"nemotron_h\"", offsetof(fi_spec, rope), FI_ROPE_NONE},
      {"\"text_config\": {\"num_hidden_layers\": 3, \"num_attention_heads\": 4, \"head_dim\": 96}",
       offsetof(fi_spec, head_dim), 96},
      {"\"text_config\": {\"num_hidden_layers\": 3, \"num_attention_heads\": 4, \"head_dim\": 96}, "
       "\"dtype\": \"float16\"",
       offsetof(fi_spec, q_dtype), FI_F16},
      {"\"head_dim\": null, \"num_key_value_heads\": null, \"rope_scaling\": null", offsetof(fi_spec, head_dim), 128},
      {"\"model_type\": \"llama4_text\", \"attention_chunk_size\": 100, \"no_rope_layer_interval\": 1",
       offsetof(fi_spec, rope), FI_ROPE_NONE},
      {"\"sliding_window\": 4096, \"use_sliding_window\": false", offsetof(fi_spec, window_left), 0},
      {"\"sliding_window\": 4096", offsetof(fi_spec, window_left), 4096},
      {"\"sliding_window\": 4096", offsetof(fi_spec, window_right), 0},
      {"\"attention_chunk_size\": 100", offsetof(fi_spec, chunk), 100},
      {"\"attn_logit_softcapping\": 50.0", offsetof(fi_spec, softcap), 1},
      {"\"attn_logit_softcapping\": null", offsetof(fi_spec, softcap), 0},
      {"\"alibi\": true", offsetof(fi_spec, bias), FI_BIAS_SLOPES},
      {"\"model_type\": \"bloom\"", offsetof(fi_spec, bias), FI_BIAS_SLOPES},
  };
  for (size_t i = 0; i < sizeof variations / sizeof *variations; i++) {
    struct model model = read_model(config(variations[i].fields));
    uint32_t value;
    memcpy(&value, (const char *)&model.layers[0].spec + variations[i].offset, sizeof value);
    cr_expect_eq(value, variations[i].value, "%s: %u", variations[i].fields, value);
    cr_expect_str_eq(model.layers[0].missing, "", "%s: %s", variations[i].fields, model.layers[0].missing);
  }
}

/* DeepSeek-V4 rotates the last dims: as many as it says, or a part of the head, or an eighth of it. */
Test(model, dims_that_are_rotated) {
  static const struct {
    const char *fields;
    uint32_t dims;
  } rows[] = {
      {V4 ", \"head_dim\": 512", 64},
      {V4 ", \"head_dim\": 256", 32},
      {V4 ", \"head_dim\": 512, \"qk_rope_head_dim\": 64", 64},
      {V4 ", \"head_dim\": 256, \"qk_rope_head_dim\": 64", 64},
      {V4 ", \"head_dim\": 512, \"qk_rope_head_dim\": 96", 96},
      {V4 ", \"head_dim\": 512, \"qk_rope_head_dim\": 96, \"partial_rotary_factor\": 0.25", 128},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct model model = read_model(config(rows[i].fields));
    for (uint32_t k = 0; k < model.kinds; k++) {
      const fi_spec *spec = &model.layers[k].spec;
      cr_expect_eq(spec->rope_dim, rows[i].dims, "%s: %u", rows[i].fields, spec->rope_dim);
      cr_expect_eq(spec->rope_first, spec->head_dim - rows[i].dims);
    }
  }
}

/* 64 keys on each side, and the token itself. */
Test(model, windows_on_both_sides) {
  struct model model = read_model(config("\"model_type\": \"modernbert\", \"local_attention\": 128"));
  const fi_spec *spec = &find(&model, "sliding_attention")->spec;
  cr_expect_eq(spec->mask, FI_MASK_NONE);
  cr_expect_eq(spec->window_left, 65);
  cr_expect_eq(spec->window_right, 65);
}

#define T5 "\"model_type\": \"t5\", \"num_layers\": null, \"num_decoder_layers\": 2, \"num_heads\": 16"

Test(model, what_is_missing) {
  static const struct {
    const char *fields;
    const char *kind;
    uint32_t count;
    const char *missing;
  } variations[] = {
      {"\"sliding_window\": 4096", "sliding_attention", 8, ""},
      {"\"sliding_window\": 512, \"sliding_window_pattern\": 4", "full_attention", 2, ""},
      {"\"sliding_window\": 512, \"sliding_window_pattern\": 4", "sliding_attention", 6, ""},
      {"\"attention_chunk_size\": 100", "full_attention", 2, ""},
      {"\"attention_chunk_size\": 100", "chunked_attention", 6, ""},
      {LATENT, "full_attention", 8, ""},
      {LATENT ", \"num_key_value_heads\": 3, \"head_dim\": 3, \"dtype\": \"float32\"", "full_attention", 8, ""},
      {"\"hybrid_override_pattern\": \"MEM*E*-\"", "full_attention", 2, ""},
      {"\"hybrid_override_pattern\": \"MEM*E*-\"", "linear_attention", 2, ""},
      {"\"layer_types\": [\"linear_attention\", \"moon\"], \"num_hidden_layers\": 2", "moon", 1, ""},
      {"\"attn_logit_softcapping\": 50.0", "full_attention", 8, ""},
      {"\"alibi\": true", "full_attention", 8, ""},
      {"\"alibi\": false", "full_attention", 8, ""},
      {T5, "full_attention", 2, ""},
      {T5 ", \"alibi\": true", "full_attention", 2, "several biases at once"},
      {"\"torch_dtype\": \"float32\"", "full_attention", 8, ""},
      {"\"max_position_embeddings\": 9, \"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}", "full_attention", 8,
       ""},
      {"\"rope_scaling\": {\"type\": \"spiral\"}", "full_attention", 8, "rope_type spiral"},
  };
  for (size_t i = 0; i < sizeof variations / sizeof *variations; i++) {
    struct model model = read_model(config(variations[i].fields));
    const struct model_layer *layer = find(&model, variations[i].kind);
    cr_expect_eq(layer->count, variations[i].count, "%s: %u", variations[i].fields, layer->count);
    cr_expect_str_eq(layer->missing, variations[i].missing, "%s: %s", variations[i].fields, layer->missing);
  }
}

/* ----------------------------------------------------------------------------------------- broken configs */

static void expect_problem(const char *path, const char *part) {
  const struct model_choice choice = {.path = path};
  struct model model;
  cr_expect_not(model_read(&choice, &model), "%s should not be read", part);
  cr_expect_not_null(strstr(problem_last(), part), "\"%s\" is not in \"%s\"", part, problem_last());
  cr_expect_not_null(strstr(problem_last(), path), "no path in \"%s\"", problem_last());
}

Test(model, broken_files) {
  expect_problem("/no/such/config.json", "No such file");
  expect_problem(scratch_folder(), "/config.json: No such file");
  expect_problem(scratch_file("config.json", "{\"a\": 1,\n \"b\": }"), "config.json:2:");
  expect_problem(scratch_file("config.json", "[1, 2]"), "not a JSON object");
  expect_problem(scratch_file("config.json", "{\"num_hidden_layers\": 2}"), "field num_attention_heads is missing");
  expect_problem(scratch_file("config.json", "{\"num_attention_heads\": 2}"), "field num_hidden_layers is missing");
  expect_problem(scratch_file("config.json", "{\"num_hidden_layers\": 1, \"num_attention_heads\": 2}"),
                 "field hidden_size is missing");
}

Test(model, broken_fields) {
  static const char *const broken[][2] = {
      {"\"num_key_value_heads\": 3", "16 query heads (field num_attention_heads) cannot share 3 KV heads"},
      {"\"num_key_value_heads\": \"8\"", "field num_key_value_heads is \"8\", not a whole number from 1 to 2147483647"},
      {"\"head_dim\": -64", "field head_dim is -64, not a whole number from 1 to 2147483647"},
      {"\"head_dim\": 64.5", "field head_dim is 64.5, not a whole number from 1 to 2147483647"},
      {"\"layer_types\": \"full\"", "field layer_types is \"full\", not a list"},
      {"\"layer_types\": [1]", "layer_types[0] is not a string"},
      {"\"layer_types\": []", "field layer_types has 0 entries for 8 layers"},
      {"\"rope_theta\": \"big\"", "field rope_theta is \"big\", not a number"},
      {"\"rope_theta\": NaN", "field rope_theta is \"NaN\", not a number"},
      {"\"rope_theta\": 1", "field rope_theta is 1, not above 1"},
      {"\"rotary_dim\": 256", "256 rotated dims (field partial_rotary_factor or rotary_dim) of a head of 128"},
      {"\"rope_scaling\": {\"type\": \"linear\"}", "field factor of rope_scaling is missing"},
      {V4 ", \"compress_ratios\": [0, 0, 0, 0, 0, 0, 0, 4], \"compress_rates\": {\"compressed_sparse_attention\": 0.5}",
       "field compress_rates is 0.5, not a number of tokens from 1 to 65536 of each kind"},
      {V4 ", \"compress_ratios\": [0, 0, 0, 0, 0, 0, 0, 4], \"compress_rates\": 6",
       "field compress_rates is 6, not a number of tokens from 1 to 65536 of each kind"},
      {V4 ", \"compress_ratios\": [0, \"a\", 0, 0, 0, 0, 0, 4]",
       "field compress_ratios is \"a\", not a list of numbers"},
      {"\"model_type\": \"deepseek_v32\", \"index_head_dim\": 0",
       "field index_head_dim is 0, not a whole number from 1 to 2147483647"},
      {"\"model_type\": \"deepseek_v32\", \"index_n_heads\": 3.5", "field index_n_heads is 3.5, not a whole number"},
      {"\"model_type\": \"deepseek_v32\", \"index_n_heads\": 4294967298", "not a whole number from 0"},
      {"\"model_type\": \"deepseek_v32\", \"index_topk\": [1, 1, 1, 1, 1, 1, 1, -5]", "field index_topk is -5, not"},
      {"\"model_type\": \"glm5_next\", \"index_kpool\": 16, \"index_n_heads\": \"x\"",
       "field index_n_heads is \"x\", not a number"},
      {"\"attention_chunk_size\": 0.5", "field attention_chunk_size is 0.5, not a whole number from 0"},
      {"\"attention_chunk_size\": -5", "field attention_chunk_size is -5, not a whole number from 0"},
      {"\"model_type\": \"deepseek_v32\", \"index_topk\": [2048, 2048]", "field index_topk has 2 entries for 8 layers"},
      {"\"model_type\": \"deepseek_v32\", \"index_topk\": [1, 1, 1, 1, 1, 1, 1, \"a\"]",
       "field index_topk is \"a\", not a number"},
      {"\"model_type\": \"deepseek_v32\", \"index_topk\": {\"full_attention\": 9}", "field index_topk is {"},
      {"\"model_type\": \"deepseek_v32\", \"index_topk\": -1",
       "field index_topk is -1, not a whole number from 0 to 2147483647"},
      {V4 ", \"compress_ratios\": [0, 0, 0, 0, 0, 0, 0, 4], \"index_topk\": 9.5",
       "field index_topk is 9.5, not a whole number from 0 to 2147483647"},
      {V4 ", \"head_dim\": 512, \"qk_rope_head_dim\": 520",
       "field qk_rope_head_dim is 520, more than the 512 dims of a head"},
      {V4 ", \"qk_rope_head_dim\": \"64\"",
       "field qk_rope_head_dim is \"64\", not a whole number from 1 to 2147483647"},
      {"\"model_type\": \"glm5_next\", \"index_kpool\": \"16\"", "field index_kpool is \"16\", not a number"},
      {"\"model_type\": \"minimax_m3\", \"sparse_attention_config\": {\"sparse_topk_blocks\": [4]}",
       "field index_topk_blocks has 1 entries for 8 layers"},
      {"\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1}",
       "field high_freq_factor of rope_scaling is missing"},
  };
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
    expect_problem(config(broken[i][0]), broken[i][1]);
}

/* ------------------------------------------------------------------------------------------------ roles */

Test(model, roles_choose_tiles) {
  static const uint32_t rows[PLAIN_ROLES] = {[ROLE_PREFILL] = 128, [ROLE_EXTEND] = 64, [ROLE_DECODE] = 16};
  const struct model_choice choice = {.path = MODEL("Qwen3-Coder-480B-A35B-Instruct"), .kv_dtype = FI_E4M3};
  static struct model model; /* group 12 */
  cr_assert(model_read(&choice, &model));
  for (enum role role = 0; role < PLAIN_ROLES; role++) {
    fi_spec spec;
    cr_assert_eq(role_spec(&model.layers[0], 32, role, NULL, &spec), FI_OK, "%s", problem_last());
    cr_expect_eq(spec.op, role == ROLE_APPEND ? FI_OP_APPEND : FI_OP_ATTENTION);
    cr_expect_eq(spec.kv_dtype, FI_E4M3);
    cr_expect_eq(spec.kv_scale, FI_SCALE_TENSOR);
    cr_expect_eq(spec.page_size, 32);
    if (role != ROLE_APPEND)
      cr_expect_eq(spec.rows, rows[role], "%s: %u", role_name(role), spec.rows);
  }
}

/* The cache has one head of a latent vector and a rotated key, whose heads of V are all the latent vector. */
Test(model, latents_are_absorbed) {
  static const char *const texts[PLAIN_ROLES] = {
      [ROLE_PREFILL] = "attention hd=576 v_dim=512 group=16 rows=128 page=64 rope=half rope_dim=64 rope_first=512 "
                       "v_source=keys",
      [ROLE_APPEND] = "append hd=576 v_dim=512 page=64 rope=half rope_dim=64 rope_first=512 v_source=keys",
      [ROLE_EXTEND] = "attention hd=576 v_dim=512 group=16 rows=64 page=64 rope=half rope_dim=64 rope_first=512 "
                      "v_source=keys",
      [ROLE_DECODE] =
          "attention hd=576 v_dim=512 group=16 rows=16 page=64 rope=half rope_dim=64 rope_first=512 v_source=keys",
  };
  struct model model = read_model(config(LATENT));
  const struct model_layer *layer = find(&model, "full_attention");
  cr_expect_eq(layer->kv_heads, 1);
  cr_expect_float_eq(layer_softmax_scale(&layer->layer), 1 / sqrt(192), 1e-12);
  for (enum role role = 0; role < PLAIN_ROLES; role++) {
    char text[FI_SPEC_TEXT_SIZE];
    fi_spec spec;
    cr_assert_eq(role_spec(layer, 64, role, NULL, &spec), FI_OK, "%s", fi_last_error());
    cr_assert_eq(fi_spec_print(&spec, text, sizeof text), FI_OK);
    cr_expect_str_eq(text, texts[role]);
  }
}

/*
 * A layer with compressed entries has a second KV, which lists are of: an append of entries to slots, at positions that
 * are told, and of the indexer's keys. Without pages there is none.
 */
Test(model, entries_are_a_second_kv) {
  static const char *const texts[ROLE_COUNT] = {
      [ROLE_PREFILL] = "attention hd=512 group=16 rows=16 page=64 left=128 rope=interleaved rope_dim=64 rope_first=448 "
                       "sinks=1 v_source=keys select=1 second=64",
      [ROLE_APPEND] = "append hd=512 page=64 rope=interleaved rope_dim=64 rope_first=448 v_source=keys",
      [ROLE_EXTEND] = "attention hd=512 group=16 rows=16 page=64 left=128 rope=interleaved rope_dim=64 rope_first=448 "
                      "sinks=1 v_source=keys select=1 second=64",
      [ROLE_DECODE] = "attention hd=512 group=16 rows=16 page=64 left=128 rope=interleaved rope_dim=64 rope_first=448 "
                      "sinks=1 v_source=keys select=1 second=64",
      [ROLE_ENTRIES] = "append hd=512 page=64 slots=int32 rope=interleaved rope_dim=64 rope_first=448 positions=array "
                       "v_source=keys",
      [ROLE_INDEXER] = "indexer group=64 page=64",
      [ROLE_INDEX_KEYS] = "append page=64 slots=int32 v_source=keys",
  };
  struct model model = read_model(config(V4 ", \"head_dim\": 512, \"compress_ratios\": [4, 4, 4, 4, 4, 4, 4, 4]"));
  const struct model_layer *layer = find(&model, "compressed_sparse_attention");
  for (enum role role = 0; role < ROLE_COUNT; role++) {
    char text[FI_SPEC_TEXT_SIZE];
    fi_spec spec;
    cr_expect(layer_has_role(layer, role));
    cr_assert_eq(role_spec(layer, 64, role, NULL, &spec), FI_OK, "%s", fi_last_error());
    cr_assert_eq(fi_spec_print(&spec, text, sizeof text), FI_OK);
    cr_expect_str_eq(text, texts[role]);
  }
  cr_expect_not(layer_supported(layer, 0, NULL));
  cr_expect_not_null(strstr(problem_last(), "a second KV is beside one in pages"), "%s", problem_last());
  model = read_model(config(V4 ", \"compress_ratios\": [0, 0, 0, 0, 0, 0, 0, 128]"));
  layer = find(&model, "heavily_compressed_attention");
  cr_expect(layer_has_role(layer, ROLE_ENTRIES));
  cr_expect_not(layer_has_role(layer, ROLE_INDEXER), "all entries are listed");
  cr_expect(layer_indexer_supported(layer, 16, NULL));
}

/* What makes lists without an indexer is told: each reason that there is. */
Test(model, lists_without_an_indexer) {
  static const char *const rows[][2] = {
      {"\"model_type\": \"glm5_next\", \"index_kpool\": 16", "it compares keys that are pooled over groups"},
      {"\"model_type\": \"minimax_m3\", \"index_n_heads\": 3, \"sparse_attention_config\": "
       "{\"sparse_attention_freq\": [0, 0, 0, 0, 0, 0, 0, 1]}",
       "it has not as many heads as there are KV heads"},
      {"\"model_type\": \"deepseek_v32\", \"index_n_heads\": null", "the config has no heads of it (index_n_heads)"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct model model = read_model(config(rows[i][0]));
    const struct model_layer *layer = &model.layers[model.kinds - 1];
    cr_expect_not(layer_indexer_supported(layer, 16, NULL), "%s", rows[i][0]);
    cr_expect_not_null(strstr(problem_last(), rows[i][1]), "%s: %s", rows[i][0], problem_last());
  }
}

/* The model reader's reason and the library's are both told. */
Test(model, unsupported_layers_say_why) {
  struct model model = read_model(config("\"rope_scaling\": {\"type\": \"spiral\"}"));
  cr_expect_not(layer_supported(&model.layers[0], 16, NULL));
  cr_expect_not_null(strstr(problem_last(), "rope_type spiral"), "%s", problem_last());
  model = read_model(config("\"head_dim\": 100"));
  cr_expect_not(layer_supported(&model.layers[0], 16, NULL));
  cr_expect_not_null(strstr(problem_last(), "100"), "%s", problem_last());
}
