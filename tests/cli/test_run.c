/* flashjit run, end to end on the simulator. */
#include "command.h"

#include "files.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct output output;

/* Four for each kind of layer; besides, those of compressed entries and of an indexer. */
static size_t expected_rows(size_t kinds) {
  const bool has_entries = strstr(output.err, "compressed entries");
  const bool has_indexer = strstr(output.out, "\"indexer\"");
  return 4 * kinds + has_entries + 2 * has_indexer;
}

/* Runs and checks what must hold of every right run; of one where each kernel has a step of its own, all rows. */
static void run_and_check(const char *arguments, bool has_all) {
  char all[1024];
  snprintf(all, sizeof all, "run --verify --json %s", arguments);
  command(&output, all);
  expect_code(&output, 0);
  json_error_t error;
  json_t *document = json_loads(output.out, 0, &error);
  const json_t *rows = json_object_get(document, "rows");
  const size_t count = json_array_size(rows);
  const size_t kinds = strstr(output.err, "expanded for prefill") ? 2 : 1;
  cr_assert_eq(count, expected_rows(kinds), "%s: %s%s", arguments, output.out, output.err);
  for (size_t i = 0; i < count; i++) {
    const json_t *row = json_array_get(rows, i);
    if (!has_all && !json_is_true(json_object_get(row, "verified")))
      continue;
    const json_t *error_value = json_object_get(row, "error");
    cr_expect(json_is_true(json_object_get(row, "passed")), "%s: %s", arguments, output.out);
    cr_expect(json_is_true(json_object_get(row, "simulated")));
    cr_expect_null(json_object_get(row, "us"), "the simulator has no speed");
    cr_expect_eq(json_integer_value(json_object_get(row, "rows")),
                 json_integer_value(json_object_get(row, "rows_checked")));
    const bool is_exact = strncmp(json_string_value(json_object_get(row, "phase")), "index", 5) == 0;
    cr_expect(is_exact || json_number_value(error_value) > 0, "an error of nothing at all is suspicious");
    cr_expect_leq(json_number_value(error_value), json_number_value(json_object_get(row, "allowed")));
  }
  json_decref(document);
}

static void run_right(const char *arguments) {
  run_and_check(arguments, true);
}

static void run_steps_right(const char *arguments) {
  run_and_check(arguments, false);
}

/* The table, and that the second run compiles nothing. */
Test(run, model_twice, .init = use_simulator) {
  static const char arguments[] = "run --model " MODEL("Qwen3-0.6B") " --verify --lengths 40:9,1:0,17:3";
  command(&output, arguments);
  expect_code(&output, 0);
  static const char *const parts[] = {"prefill", "append", "extend", "decode", "simulated", "compiled", "ok", "all "};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    expect_text(output.out, parts[i]);
  cr_expect_null(strstr(output.out, "WRONG"));
  cr_expect_null(strstr(output.out, "/s"), "no speeds: %s", output.out);
  command(&output, arguments);
  expect_code(&output, 0);
  cr_expect_null(strstr(output.out, "compiled "), "%s", output.out);
  expect_text(output.out, "user");
}

Test(run, a_cache_that_cannot_be_written_is_told_once, .init = use_simulator) {
  scratch_file("cache", "a file where the cache directory should be");
  command(&output, "run --model " MODEL("Qwen3-0.6B") " --lengths 9:2");
  expect_code(&output, 0);
  const char *told = strstr(output.err, "the cache: ");
  cr_assert_not_null(told, "%s", output.err);
  cr_expect_null(strstr(told + 1, "the cache: "), "%s", output.err);
}

Test(run, wrong_output_fails, .init = use_simulator) {
  static const char arguments[] = "run --model " MODEL("Qwen3-0.6B") " --verify --lengths 20:6,9:2";
  static const struct {
    const char *where;
    const char *complaint;
    const char *phase;
  } damages[] = {
      {"1:5:17", "request 1, token 5, head 0, dim 17: got ", "after step 1, prefill"},
      {"0:21:0", "request 0, token 21, head 0, dim 0: got ", "after step 2, extend"},
      {"0:24:127", "request 0, token 24, head 0, dim 127: got ", "after step 3, decode"},
      {"0:25:3", "request 0, token 25, head 0, dim 3: got ", "after step 4, decode"},
  };
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    setenv("FLASHJIT_CLI_CORRUPT", damages[i].where, 1);
    command(&output, arguments);
    expect_code(&output, 1);
    expect_text(output.err, damages[i].complaint);
    expect_text(output.err, damages[i].phase);
    expect_text(output.err, ", expected ");
    expect_text(output.out, "WRONG");
  }
}

Test(run, cache_layouts_and_types, .init = use_simulator) {
  run_right("--model " MODEL("Qwen3-0.6B") " --lengths 33:7,5:1 --page-size 0");
  run_right("--model " MODEL("Qwen3-0.6B") " --lengths 33:7,5:1 --page-size 1 --kv-dtype e4m3");
  run_right("--model " MODEL("Qwen3-0.6B") " --lengths 33:7,5:1 --page-size 48 --kv-dtype e5m2 --seed 9");
}

Test(run, large_groups_and_traces, .init = use_simulator) {
  run_right(
      "--model " MODEL("Qwen3-Coder-480B-A35B-Instruct") " --requests 2 --trace " TRACE("mooncake-conversation.jsonl"));
  expect_text(output.err, "# lengths divided by 31, because the device is simulated");
  run_right("--model " MODEL("Meta-Llama-3.1-8B") " --requests 3 --scale 4 --kv-len-limit 400 --trace " TRACE(
      "azure-2023-conv.csv"));
  expect_text(output.err, "requests cut to 400 tokens");
  expect_text(output.err, "# lengths divided by 4\n");
}

/* Prompts in chunks beside requests that go on, slots and pages that are used again, and requests that wait. */
Test(run, chunks, .init = use_simulator) {
  run_steps_right("--model " MODEL("Qwen3-0.6B") " --lengths 40:9,3:2,1:0,17:30,50:1 --max-tokens 16 --max-requests 2");
  expect_text(output.err, "steps of at most 16 tokens; 2 requests at once");
  run_steps_right("--model " MODEL("Qwen3-0.6B") " --lengths 40:9,3:2,1:0,17:30 --max-tokens 4 --page-size 3");
  run_steps_right("--model " MODEL("Qwen3-0.6B") " --lengths 20:9,3:2,1:0,17:3 --max-tokens 7 --max-requests 3 "
                                                 "--page-size 0 --kv-dtype e4m3");
}

/* A wrong element of a chunk is found, and named by the request of the trace, whatever its slot. */
Test(run, wrong_chunks_fail, .init = use_simulator) {
  setenv("FLASHJIT_CLI_CORRUPT", "3:13:5", 1);
  command(&output,
          "run --model " MODEL("Qwen3-0.6B") " --verify --lengths 9:2,3:2,1:0,17:3 --max-tokens 8 --max-requests 2");
  expect_code(&output, 1);
  expect_text(output.err, "request 3, token 13, head 0, dim 5: got ");
}

/* A cache that does not fit is told with its size, and what makes it smaller. */
Test(run, too_large, .init = use_simulator) {
  char arguments[256];
  const char *path =
      scratch_file("large.json", "{\"model_type\": \"llama\", \"num_hidden_layers\": 1, \"hidden_size\": 1, "
                                 "\"num_attention_heads\": 64, \"head_dim\": 256}");
  snprintf(arguments, sizeof arguments,
           "run --model %s --lengths 16000000:1 --scale 1 --page-size 1000 --max-tokens 64", path);
  command(&output, arguments);
  expect_code(&output, 1);
  expect_text(output.err, "a cache of 1000");
  expect_text(output.err, "--max-requests, --max-tokens and --kv-len-limit make it smaller");
}

/* Layers that have no kernel are named, and the others run. */
Test(run, mixed_model, .init = use_simulator) {
  char arguments[512];
  const char *path = scratch_file(
      "mixed.json",
      "{\"num_hidden_layers\": 2, \"num_attention_heads\": 14, \"num_key_value_heads\": 2, \"head_dim\": 64, "
      "\"torch_dtype\": \"float16\","
      "\"partial_rotary_factor\": 0.5, \"model_type\": \"glm4\","
      "\"layer_types\": [\"indexed_attention\", \"full_attention\"]}");
  snprintf(arguments, sizeof arguments, "--model %s --lengths 70:3,2:2,30:30", path);
  run_right(arguments);
  expect_text(output.err, "1 layers of indexed_attention skipped: sparse attention (");
  snprintf(arguments, sizeof arguments, "run --model %s --layers indexed_attention", path);
  command(&output, arguments);
  expect_code(&output, 1);
  expect_text(output.err, "no kind of layer can be run");
  static const char *const lists[][2] = {
      {"foo", "foo"}, {"full_attention,foo", "foo"}, {"full", "full"}, {"full_attention,", ""}};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    char expected[128];
    snprintf(arguments, sizeof arguments, "run --model %s --layers %s", path, lists[i][0]);
    command(&output, arguments);
    expect_code(&output, 2);
    snprintf(expected, sizeof expected, "--layers has \"%s\"; mixed has indexed_attention,full_attention", lists[i][1]);
    expect_text(output.err, expected);
  }
}

/*
 * MiniMax-M3 in small: each KV head has lists of 3 blocks of 16 tokens; by an indexer with as many heads, too. And
 * DeepSeek-V3.2's, and V4's layers with a window beside compressed entries.
 */
#define BLOCKS                                                                                                         \
  "\"model_type\": \"minimax_m3\", \"rotary_dim\": 32, \"sparse_attention_config\": {\"sparse_attention_freq\": [1], " \
  "\"sparse_topk_blocks\": 3, \"sparse_block_size\": 16}"
#define INDEXED_BLOCKS BLOCKS ", \"index_n_heads\": 2, \"index_head_dim\": 64, \"index_init_blocks\": 1"
#define INDEXED_TOKENS                                                                                                 \
  "\"model_type\": \"deepseek_v32\", \"kv_lora_rank\": 64, \"qk_rope_head_dim\": 16, \"index_topk\": 40, "             \
  "\"qk_nope_head_dim\": 32, \"v_head_dim\": 40, \"index_n_heads\": 4, \"index_head_dim\": 64"
#define ENTRIES(ratio)                                                                                                 \
  "\"model_type\": \"deepseek_v4\", \"num_key_value_heads\": 1, \"sliding_window\": 12, \"index_topk\": 10, "          \
  "\"index_n_heads\": 4, \"index_head_dim\": 64, \"compress_rates\": {\"heavily_compressed_attention\": 8}, "          \
  "\"compress_ratios\": [" ratio "]"

/*
 * Windows, chunks and images, all shorter than the prompts: the device has none of the pages that no query token sees.
 * And a latent, absorbed and expanded, whose V has other dims than K, a softcap, and sinks; lists of tokens, of
 * blocks and of compressed entries, shorter than the prompts, too, which are drawn, made by an indexer, or of all.
 */
Test(run, kinds_of_models, .init = use_simulator) {
  static const char *const models[] = {
      "\"sliding_window\": 24",
      "\"sliding_window\": 24, \"model_type\": \"gemma3_text\", \"sliding_window_pattern\": 2",
      "\"attention_chunk_size\": 20, \"model_type\": \"llama4_text\"",
      ("\"model_type\": \"deepseek_v3\", \"kv_lora_rank\": 64, \"qk_rope_head_dim\": 16, "
       "\"qk_nope_head_dim\": 32, \"v_head_dim\": 40"),
      "\"attn_logit_softcapping\": 50, \"model_type\": \"gemma2\"",
      "\"sliding_window\": 12, \"model_type\": \"gpt_oss\"",
      "\"model_type\": \"qwen3_vl\", \"rope_theta\": 5000000, \"mrope_section\": [12, 10, 10]",
      "\"model_type\": \"ernie4_5_vl_moe\", \"mrope_section\": [11, 11, 10]",
      INDEXED_TOKENS,
      BLOCKS,
      INDEXED_BLOCKS,
      ENTRIES("4"),
      ENTRIES("128"),
  };
  for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
    char text[768];
    char arguments[512];
    snprintf(text, sizeof text,
             "{\"model_type\": \"mistral\", \"num_hidden_layers\": 1, \"num_attention_heads\": 8, "
             "\"num_key_value_heads\": 2, \"head_dim\": 64, \"torch_dtype\": \"bfloat16\", %s}",
             models[i]);
    snprintf(arguments, sizeof arguments, "--model %s --lengths 150:9,3:2,1:0,97:5 --max-tokens 64 --page-size 8",
             scratch_file("kind.json", text));
    run_steps_right(arguments);
  }
  run_steps_right("--model " MODEL("gemma-4-26B-A4B") " --layers sliding_attention --set sliding_window=40 --tp 8 "
                                                      "--lengths 150:9,3:2,1:0,97:5 --max-tokens 64");
}

/* Tokens as DeepSeek's caches have them, on devices, too: e4m3 with scales of groups, and rotated dims of 16 bits. */
Test(run, latents_with_scales_of_groups, .init = use_simulator) {
  static const char *const rows[][2] = {
      {"\"model_type\": \"deepseek_v3\", \"kv_lora_rank\": 128, \"qk_rope_head_dim\": 64, \"qk_nope_head_dim\": 32, "
       "\"v_head_dim\": 40",
       "groups"},
      {ENTRIES("4"), "e8m0 --set head_dim=128 --set qk_rope_head_dim=64"},
      {ENTRIES("4"), "e8m0 --set head_dim=128 --set qk_rope_head_dim=64 --devices 2"},
  };
  setenv("FLASHJIT_SIM_DEVICES", "2", 1);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[768];
    char arguments[512];
    snprintf(text, sizeof text, "{\"num_hidden_layers\": 1, \"num_attention_heads\": 8, %s}", rows[i][0]);
    snprintf(arguments, sizeof arguments, "--model %s --lengths 70:5,3:2 --kv-dtype %s",
             scratch_file("kind.json", text), rows[i][1]);
    run_right(arguments);
    expect_text(output.out, i == 0 ? "kv=e4m3 scale=groups" : "kv=e4m3 scale=e8m0");
  }
}

/* On requests of production: lists of tokens, of blocks and of entries. */
Test(run, lists_on_traces, .init = use_simulator) {
  static const char *const models[] = {INDEXED_TOKENS, INDEXED_BLOCKS, ENTRIES("4")};
  static const char *const traces[] = {TRACE("azure-2023-conv.csv"), TRACE("mooncake-conversation.jsonl")};
  for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
    char text[640];
    char arguments[512];
    snprintf(text, sizeof text,
             "{\"num_hidden_layers\": 1, \"num_attention_heads\": 8, \"num_key_value_heads\": 2, \"head_dim\": 64, %s}",
             models[i]);
    snprintf(arguments, sizeof arguments, "--model %s --requests 2 --trace %s", scratch_file("kind.json", text),
             traces[i % 2]);
    run_right(arguments);
  }
}

static void use_devices(void) {
  use_simulator();
  setenv("FLASHJIT_SIM_DEVICES", "4", 1);
}

/* KV heads that are divided, and replicated where there are fewer than devices; what is checked is the whole layer. */
Test(run, heads_on_devices, .init = use_devices) {
  char arguments[512];
  run_right("--model " MODEL("Qwen3-0.6B") " --lengths 40:9,1:0,17:3 --devices 2");
  run_right("--model " MODEL("Qwen3-0.6B") " --lengths 20:9,3:2 --devices 4 --tp 4 --page-size 0 --kv-dtype e4m3");
  snprintf(arguments, sizeof arguments, "--model %s --lengths 70:9,17:3 --devices 4",
           scratch_file("kind.json", "{\"model_type\": \"gpt_oss\", \"num_hidden_layers\": 1, \"sliding_window\": 12, "
                                     "\"num_attention_heads\": 8, \"num_key_value_heads\": 2, \"head_dim\": 64, "
                                     "\"torch_dtype\": \"bfloat16\"}"));
  run_right(arguments);
  expect_text(output.err, "heads of one of 4 GPUs");
  expect_text(output.err, "2 query heads on 1 KV heads");
  snprintf(arguments, sizeof arguments, "--model %s --lengths 70:9,17:3 --devices 4",
           scratch_file("kind.json", "{\"num_hidden_layers\": 1, \"num_attention_heads\": 8, "
                                     "\"num_key_value_heads\": 2, \"head_dim\": 64, " BLOCKS "}"));
  run_right(arguments);
  expect_text(output.out, "select=16");
  expect_text(output.err, "lists are drawn at random, as they have no indexer here");
}

/* An indexer is whole on each device, or has the heads of its KV heads; compressed entries are on each. */
Test(run, lists_on_devices, .init = use_devices) {
  static const char *const models[] = {INDEXED_TOKENS, INDEXED_BLOCKS, ENTRIES("4")};
  for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
    char text[640];
    char arguments[512];
    snprintf(text, sizeof text,
             "{\"num_hidden_layers\": 1, \"num_attention_heads\": 8, \"num_key_value_heads\": 2, \"head_dim\": 64, %s}",
             models[i]);
    snprintf(arguments, sizeof arguments, "--model %s --lengths 70:9,17:3 --devices 4 %s",
             scratch_file("kind.json", text), i == 2 ? "--kv-dtype int8" : "");
    run_right(arguments);
    expect_text(output.out, "\"indexer\"");
  }
}

/* A wrong list is told as such, with the request of the trace: also where each query token is a request by itself. */
Test(run, wrong_lists_fail, .init = use_simulator) {
  static const struct {
    const char *model, *where, *complaint, *result;
  } damages[] = {
      {INDEXED_TOKENS, "1:45:2:1",
       "after step 1, indexer (indexer hd=64 group=4 page=16): request 1, token 45, list 0: "
       "block 1, which does not rise",
       "WRONG"},
      {INDEXED_TOKENS, "1:9:4:99", "request 1, token 9, list 0: block 99, which is no block that it sees", "WRONG"},
      {INDEXED_TOKENS, "1:9:10:3", "request 1, token 9, list 0: block 3 in place of a hole", "WRONG"},
      {INDEXED_BLOCKS, "0:65:0:1", "list 0: block 1 in a list without one that each has: 0", "WRONG"},
      {ENTRIES("4"), "0:62:1:15", "request 0, token 62, list 0: block 15, which is no block that it sees", "WRONG"},
      {INDEXED_TOKENS, "1:45:40:1", "FLASHJIT_CLI_CORRUPT_LIST names entry 40, where there are 40", "ok"},
  };
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    char text[640];
    char arguments[512];
    snprintf(text, sizeof text,
             "{\"num_hidden_layers\": 1, \"num_attention_heads\": 8, \"num_key_value_heads\": 2, \"head_dim\": 64, %s}",
             damages[i].model);
    snprintf(arguments, sizeof arguments, "run --verify --model %s --lengths 70:9,47:3",
             scratch_file("kind.json", text));
    setenv("FLASHJIT_CLI_CORRUPT_LIST", damages[i].where, 1);
    command(&output, arguments);
    expect_code(&output, 1);
    expect_text(output.err, damages[i].complaint);
    expect_text(output.out, damages[i].result);
  }
}

Test(run, wrong_devices, .init = use_devices) {
  static const struct {
    const char *arguments;
    int code;
    const char *complaint;
  } rows[] = {
      {"--devices 5", 1, "--tp is 5, which does not divide the 16 query heads"},
      {"--devices 8", 1, "there is no device 7, only 4 (FLASHJIT_SIM_DEVICES says how many"},
      {"--devices 0", 2, "--devices is \"0\"; allowed are 1 to 64"},
      {"--devices 2 --tp 4", 2, "--tp is 4 and --devices 2: all devices that share the heads are needed"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char arguments[256];
    snprintf(arguments, sizeof arguments, "run --model " MODEL("Qwen3-0.6B") " --lengths 9:2 %s", rows[i].arguments);
    command(&output, arguments);
    expect_code(&output, rows[i].code);
    expect_text(output.err, rows[i].complaint);
  }
  setenv("FLASHJIT_CLI_CORRUPT", "1:5:17", 1);
  command(&output, "run --model " MODEL("Qwen3-0.6B") " --verify --lengths 20:6,9:2 --devices 2");
  expect_code(&output, 1);
  expect_text(output.err, "request 1, token 5, head 0, dim 17: got ");
  setenv("FLASHJIT_CLI_CORRUPT", "1:5:128", 1);
  command(&output, "run --model " MODEL("Qwen3-0.6B") " --verify --lengths 20:6,9:2");
  expect_code(&output, 1);
  expect_text(output.err, "FLASHJIT_CLI_CORRUPT names dim 128, where there are 128");
}

/* By pages over devices, each of which may have none of a request: masks, starts, and sinks that one alone has; the
 * states exchanged by the host and by NCCL. */
Test(run, tokens_on_devices, .init = use_devices) {
  char arguments[512];
  snprintf(arguments, sizeof arguments,
           "--model %s --lengths 90:9,3:2,1:0,57:5 --max-tokens 64 --page-size 8 --devices 3 --context-parallel",
           scratch_file("kind.json", "{\"model_type\": \"gpt_oss\", \"num_hidden_layers\": 1, \"sliding_window\": 12, "
                                     "\"num_attention_heads\": 8, \"num_key_value_heads\": 2, \"head_dim\": 64, "
                                     "\"torch_dtype\": \"bfloat16\"}"));
  run_steps_right(arguments);
  expect_text(output.out, "start=1 mask=none lse=1");
  expect_text(output.out, "mask=none bits=1 lse=1");
  setenv("FLASHJIT_NCCL", FAKE_NCCL, 1);
  run_steps_right(arguments);
  run_steps_right("--model " MODEL("Qwen3-0.6B") " --lengths 40:9,3:90 --devices 2 --context-parallel --kv-dtype e4m3");
  expect_text(output.err, "5 steps of at most 87 tokens"); /* one of them appends alone */
  run_steps_right("--model " MODEL("Qwen3-0.6B") " --lengths 40:9,3:2 --devices 2 --context-parallel "
                                                 "--kv-dtype int8/int4");
}

Test(run, wrong_tokens_on_devices, .init = use_devices) {
  static const char model[] =
      "run --verify --model " MODEL("Qwen3-0.6B") " --lengths 20:6,9:2 --devices 2 --context-parallel";
  char arguments[512];
  setenv("FLASHJIT_NCCL", "/no/libnccl.so", 1);
  command(&output, model);
  expect_code(&output, 1);
  expect_text(output.err, "no NCCL: /no/libnccl.so");
  setenv("FLASHJIT_NCCL", FAKE_NCCL, 1);
  setenv("FAKE_NCCL_FAILS", "1", 1);
  command(&output, model);
  expect_code(&output, 1);
  expect_text(output.err, "ncclAllGather failed: the fake fails (5)");
  unsetenv("FAKE_NCCL_FAILS");
  setenv("FLASHJIT_CLI_CORRUPT", "1:5:17", 1);
  command(&output, model);
  expect_code(&output, 1);
  expect_text(output.err, "request 1, token 5, head 0, dim 17: got ");
  snprintf(arguments, sizeof arguments, "%s --page-size 0", model);
  command(&output, arguments);
  expect_code(&output, 1);
  expect_text(output.err, "--context-parallel is not for a cache without pages");
  snprintf(arguments, sizeof arguments,
           "run --model " MODEL("Qwen3-0.6B") " --lengths 9:2 --devices 2 --context-parallel --snippet %s",
           scratch_file("snippet", "float logit(const fi_score &score, const void *params) { return score.value; }"));
  command(&output, arguments);
  expect_code(&output, 1);
  expect_text(output.err, "--context-parallel is not for snippets");
  snprintf(arguments, sizeof arguments, "run --model %s --lengths 9:2 --devices 2 --context-parallel",
           scratch_file("kind.json",
                        "{\"num_hidden_layers\": 1, \"num_attention_heads\": 8, \"head_dim\": 64, " BLOCKS "}"));
  command(&output, arguments);
  expect_code(&output, 1);
  expect_text(output.err, "--context-parallel is not for lists of what query tokens see: they name places in the ");
  command(&output, "run --model " MODEL("Qwen3-0.6B") " --context-parallel");
  expect_code(&output, 2);
  expect_text(output.err, "--context-parallel needs --devices");
}

Test(run, unsupported_model, .init = use_simulator) {
  char arguments[512];
  snprintf(arguments, sizeof arguments, "run --model %s",
           scratch_file("budget.json", "{\"model_type\": \"qwen4_exp\"}"));
  command(&output, arguments);
  expect_code(&output, 1);
  expect_text(output.err, "indexed_attention skipped: sparse attention (");
  expect_text(output.err, "no kind of layer can be run");
}

Test(run, no_driver) {
  setenv("FLASHJIT_DRIVER", "/no/libcuda.so", 1);
  command(&output, "run --model " MODEL("Qwen3-0.6B"));
  expect_code(&output, 1);
  expect_text(output.err, "/no/libcuda.so");
  expect_text(output.err, "FLASHJIT_DRIVER=sim");
}
