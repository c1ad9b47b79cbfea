/* flashjit specs and show. */
#include "command.h"

#include "files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct output output;

static int lines(const char *text) {
  int count = 0;
  for (; (text = strchr(text, '\n')); text++)
    count++;
  return count;
}

Test(specs, of_llama) {
  command(&output, "specs --model " MODEL("Meta-Llama-3.1-8B"));
  expect_code(&output, 0);
  cr_expect_str_eq(output.out, "attention group=4 rows=128 page=16 rope=half\n"
                               "append page=16 rope=half\n"
                               "attention group=4 rows=16 page=16 rope=half\n"
                               "attention group=4 page=16 rope=half\n"
                               "plan\n"
                               "plan members=1\n"
                               "plan members=2\n");
  cr_expect_str_eq(output.err,
                   "# Meta-Llama-3.1-8B: 32 layers of full_attention, 32 query heads on 8 KV heads of 128, RoPE theta "
                   "500000, llama3 factor 8 (layers 0..31)\n");
}

Test(specs, with_cache_options) {
  command(&output, "specs --kv-dtype e4m3 --page-size 0 --model " MODEL("Qwen3-Coder-480B-A35B-Instruct"));
  expect_code(&output, 0);
  cr_expect_str_eq(output.out, "attention group=12 rows=128 kv=e4m3 scale=tensor rope=half\n"
                               "append kv=e4m3 scale=tensor rope=half\n"
                               "attention group=12 rows=64 kv=e4m3 scale=tensor rope=half\n"
                               "attention group=12 rows=16 kv=e4m3 scale=tensor rope=half\n"
                               "attention group=12 kv=e4m3 scale=tensor rope=half\n"
                               "plan\n"
                               "plan members=1\n"
                               "plan members=2\n");
}

/* Scales of groups are for K that has V in it; expanded keys are not cached. */
Test(specs, with_scales_of_groups) {
  char arguments[512];
  command(&output, "specs --kv-dtype groups --model " MODEL("Qwen3-0.6B"));
  expect_code(&output, 1);
  expect_text(output.err, "only K that has V in it has scales of groups so");
  snprintf(arguments, sizeof arguments, "specs --json --kv-dtype groups --model %s",
           scratch_file("latent.json", "{\"model_type\": \"deepseek_v3\", \"num_hidden_layers\": 1}"));
  command(&output, arguments);
  expect_code(&output, 0);
  expect_text(output.out, "\"kv_type\": \"e4m3\",\n      \"kv_scale\": \"groups\"");
  expect_text(output.out, "\"kv_type\": \"bf16\"");
}

/* One of eight GPUs has 12 heads on one KV head; a folder, a field that is set, and the description as JSON. */
Test(specs, of_one_of_many_devices) {
  command(&output, "specs --tp 8 --model " MODEL("Qwen3-Coder-480B-A35B-Instruct"));
  expect_code(&output, 0);
  expect_text(output.err, "heads of one of 8 GPUs");
  expect_text(output.err, "62 layers of full_attention, 12 query heads on 1 KV heads of 128");
  expect_text(output.out, "attention group=12 rows=16 page=16 rope=half\n");
  command(&output, "specs --tp 5 --model " MODEL("Qwen3-Coder-480B-A35B-Instruct"));
  expect_code(&output, 1);
  expect_text(output.err, "--tp is 5, which does not divide the 96 query heads");
}

Test(specs, with_fields_that_are_set) {
  command(&output, "specs --set head_dim=64 --set rope_theta=7000 --set 'num_key_value_heads=null' --model " MODEL(
                       "Qwen3-0.6B"));
  expect_code(&output, 0);
  expect_text(output.out, "attention hd=64 rows=16 page=16 rope=half\n");
  expect_text(output.err, "16 query heads on 16 KV heads of 64");
}

Test(specs, as_json) {
  command(&output, "specs --json --model " MODEL("gpt-oss-20b"));
  expect_code(&output, 0);
  expect_text(output.out, "\"kind\": \"sliding_attention\"");
  expect_text(output.out, "\"window\": 128");
  expect_text(output.out, "\"sinks\": true");
  expect_text(output.out, "\"lacks\": \"\"");
}

Test(specs, unsupported_models_fail_with_reasons) {
  char arguments[512];
  snprintf(arguments, sizeof arguments, "specs --model %s",
           scratch_file("budget.json", "{\"model_type\": \"qwen4_exp\"}"));
  command(&output, arguments);
  expect_code(&output, 1);
  expect_text(output.err, "indexed_attention skipped: ");
  expect_text(output.err, "sparse attention (");
  expect_text(output.err, "no kind of layer has a kernel");
  cr_expect_str_eq(output.out, "");
}

/*
 * Prefill and decode of lists have one kernel, and latents that lists choose from are not expanded. An indexer is whole
 * on each GPU; its keys, which are rotated before, are appended.
 */
Test(specs, lists) {
  char arguments[512];
  snprintf(arguments, sizeof arguments, "specs --tp 8 --model %s",
           scratch_file("latent.json", "{\"model_type\": \"deepseek_v32\"}"));
  command(&output, arguments);
  expect_code(&output, 0);
  cr_expect_str_eq(output.out,
                   "attention hd=576 v_dim=512 group=16 rows=16 page=16 rope=interleaved rope_dim=64 rope_first=512 "
                   "v_source=keys select=1\n"
                   "append hd=576 v_dim=512 page=16 rope=interleaved rope_dim=64 rope_first=512 v_source=keys\n"
                   "indexer group=64 page=16\nappend page=16 v_source=keys\nplan\nplan intervals=2\n");
}

/* Lists of blocks for each KV head: an indexer has as many heads, on one key, and each GPU those of its KV heads. */
Test(specs, lists_of_blocks) {
  static const struct {
    const char *options, *fields, *indexer; /* NULL: none */
  } rows[] = {
      {"", "\"index_block_size\": 128",
       "\nindexer group=4 page=16 select=128 scores=heads\nappend page=16 v_source=keys\n"},
      {"--tp 2", "\"index_block_size\": 64", "\nindexer group=2 page=16 select=64 scores=heads\nappend page=16 "},
      {"--tp 8", "\"index_head_dim\": 64", "\nindexer hd=64 page=16 select=128 scores=heads\nappend hd=64 page=16 "},
      {"", "\"index_n_heads\": 8", NULL},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[256];
    char arguments[512];
    snprintf(text, sizeof text,
             "{\"model_type\": \"minimax_m3\", \"sparse_attention_config\": "
             "{\"sparse_attention_freq\": [1]}, \"num_hidden_layers\": 1, %s}",
             rows[i].fields);
    snprintf(arguments, sizeof arguments, "specs %s --model %s", rows[i].options, scratch_file("blocks.json", text));
    command(&output, arguments);
    expect_code(&output, 0);
    if (rows[i].indexer)
      expect_text(output.out, rows[i].indexer);
    cr_expect_eq(!strstr(output.out, "indexer"), !rows[i].indexer, "%s: %s", arguments, output.out);
  }
}

/* An indexer without a kernel is left out, and why is said. */
Test(specs, indexers_without_a_kernel) {
  static const struct {
    const char *fields, *target, *lacks; /* NULL: nothing */
  } rows[] = {
      {"\"index_head_dim\": 72", "sm_90a", "has no kernel: head_dim is 72 with op indexer: heads of an indexer have"},
      {"\"index_n_heads\": 129", "sm_90a", "has no kernel: group is 129"},
      {"\"index_n_heads\": 128, \"index_head_dim\": 256", "sm_90a", NULL},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[256];
    char arguments[512];
    snprintf(text, sizeof text, "{\"model_type\": \"deepseek_v32\", %s}", rows[i].fields);
    snprintf(arguments, sizeof arguments, "specs --target %s --model %s", rows[i].target,
             scratch_file("indexer.json", text));
    command(&output, arguments);
    expect_code(&output, 0);
    cr_expect_eq(!strstr(output.out, "\nindexer "), rows[i].lacks != NULL, "%s: %s", arguments, output.out);
    cr_expect_eq(!strstr(output.err, "the indexer of "), !rows[i].lacks, "%s: %s", arguments, output.err);
    if (rows[i].lacks)
      expect_text(output.err, rows[i].lacks);
  }
}

/* Supported kinds of a mixed model are listed in spite of the others. */
Test(specs, mixed_models_go_on) {
  char arguments[512];
  const char *path =
      scratch_file("mixed.json", "{\"num_hidden_layers\": 2, \"num_attention_heads\": 8, \"head_dim\": 64,"
                                 "\"layer_types\": [\"indexed_attention\", \"full_attention\"]}");
  snprintf(arguments, sizeof arguments, "specs --model %s", path);
  command(&output, arguments);
  expect_code(&output, 0);
  expect_text(output.err, "1 layers of indexed_attention skipped: sparse attention (");
  expect_text(output.out, "attention hd=64 rows=128 page=16 rope=half\n");
}

Test(specs, all_of_an_op) {
  command(&output, "specs --all --op merge");
  expect_code(&output, 0);
  cr_expect_gt(lines(output.out), 10);
  cr_expect(strncmp(output.out, "merge", 5) == 0);
  cr_expect_null(strstr(output.out, "attention"));
  command(&output, "specs --all --op plan");
  cr_expect_str_eq(output.out, "plan\nplan members=1\nplan members=2\nplan intervals=1\nplan intervals=1 members=1\n"
                               "plan intervals=1 members=2\nplan intervals=2\nplan intervals=2 members=1\n"
                               "plan intervals=2 members=2\nplan intervals=2 prefixes=1\n"
                               "plan intervals=2 prefixes=1 members=1\nplan intervals=2 prefixes=1 members=2\n"
                               "plan intervals=2 prefixes=2\nplan intervals=2 prefixes=2 members=1\n"
                               "plan intervals=2 prefixes=2 members=2\n");
}

/* Without end, but not without output. */
Test(specs, all_are_told_as_they_are_found) {
  command(&output, "specs --all --target sm_80 | head -n 1000");
  expect_code(&output, 0);
  cr_expect_eq(lines(output.out), 1000);
}

/* Whether the disk is full in the midst of it, or only at its end. */
Test(specs, a_full_disk_is_told) {
  static const char *const commands[] = {"specs --all --op attention", "specs --all --op plan", "--help"};
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    char arguments[256];
    snprintf(arguments, sizeof arguments, "%s >/dev/full 2>%s/talk; code=$?; { cat %s/talk >&2; exit $code; }",
             commands[i], scratch_folder(), scratch_folder());
    command(&output, arguments);
    expect_code(&output, 1);
    cr_expect_str_eq(output.err, "flashjit: what is printed cannot be written: No space left on device\n");
  }
}

Test(specs, show) {
  command(&output, "show attention group=4 page=16");
  expect_code(&output, 0);
  expect_text(output.out, "flashjit_attention");
  expect_text(output.out, "group=4");
  static struct output again;
  command(&again, "show 'attention page=16 group=4' --target sm_90a");
  cr_expect_str_eq(output.out, again.out);
  command(&again, "show attention group=4 page=16 | grep -o 'int kRows = [0-9]*'"); /* all kernels of open rows */
  cr_expect_str_eq(again.out, "int kRows = 16\nint kRows = 32\nint kRows = 128\n");
  command(&again, "show attention group=4 rows=64 page=16 | grep -o 'int kRows = [0-9]*'");
  cr_expect_str_eq(again.out, "int kRows = 64\n");
  command(&again, "show plan --target sm_1");
  expect_code(&again, 2);
  expect_text(again.err, "sm_1");
}
