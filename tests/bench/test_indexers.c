/* flashjit bench of indexers: lists are checked, in all formats, and keys of a second KV's entries are such. */
#include "tests/cli/command.h"
#include "tests/cli/files.h"
#include "tools/bench/bench_row.h"
#include "tools/bench/case_data.h"
#include "tools/bench/plot.h"
#include "tools/flashjit/problem.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct output output;

TestSuite(bench_indexers, .init = use_simulator);

static const char *text_of(const json_t *row, const char *key) {
  return bench_row_text(row, key);
}

/* The choice of an indexer is mostly that of the reference, bit for bit. */
static void expect_right(const json_t *row) {
  cr_expect_str_eq(text_of(row, "status"), "ok", "%s", output.out);
  cr_expect(bench_row_number(row, "error") <= 1, "error %g", bench_row_number(row, "error"));
  cr_expect_eq(bench_row_number(row, "allowed"), 1);
}

/* DeepSeek-V3.2's in small, with keys of 8 bits, of 16, ragged, and MiniMax-M3's blocks. */
#define CASES                                                                                                          \
  "indexer hd=64 group=8 kv=e4m3 scale=token page=16 heads=1 listed=5 batch=1q3s90_1q1s40\n"                           \
  "indexer hd=32 group=3 heads=2 listed=7 batch=2q1s30\n"                                                              \
  "indexer hd=32 group=4 q=f16 index=csr heads=1 listed=7 batch=1q2s30_1q1s9\n"                                        \
  "indexer hd=32 group=4 page=16 select=16 scores=heads heads=1 listed=4 first=1 last=2 batch=1q20s150\n"              \
  "indexer hd=32 group=4 page=4 heads=1 listed=4 ratio=4 batch=1q9s60_1q1s3\n"

Test(bench_indexers, formats) {
  static const char *const formats[] = {"md", "csv", "json", "jsonl"};
  char cases[256];
  char arguments[1024];
  snprintf(cases, sizeof cases, "%s", scratch_file("cases", CASES));
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    snprintf(arguments, sizeof arguments, "bench --cases %s -o %s", cases, formats[i]);
    command(&output, arguments);
    expect_code(&output, 0);
    expect_text(output.out, "indexer hd=32 group=4 page=16 select=16 scores=heads");
    expect_text(output.out, "ok");
  }
  snprintf(arguments, sizeof arguments, "bench --cases %s -o jsonl --out %s/rows", cases, scratch_folder());
  command(&output, arguments);
  expect_code(&output, 0);
  snprintf(arguments, sizeof arguments, "bench --cases %s --baseline %s/rows --plot %s/plot.svg", cases,
           scratch_folder(), scratch_folder());
  command(&output, arguments);
  expect_code(&output, 0);
  expect_text(output.err, "0 of 0 rows are slower");
}

Test(bench_indexers, rows) {
  char arguments[512];
  snprintf(arguments, sizeof arguments, "bench -o json --whole --cases %s", scratch_file("cases", CASES));
  command(&output, arguments);
  expect_code(&output, 0);
  json_t *whole = json_loads(output.out, 0, NULL);
  const json_t *rows = json_object_get(whole, "rows");
  cr_assert_eq(json_array_size(rows), 5, "%s", output.out);
  for (size_t i = 0; i < 5; i++)
    expect_right(json_array_get(rows, i));
  const char *of_entries = text_of(json_array_get(rows, 4), "repro");
  cr_expect_str_eq(of_entries, "flashjit bench indexer hd=32 group=4 page=4 --heads 1 --listed 4 --ratio 4 "
                               "--batch 1q9s60_1q1s3 --whole");
  command(&output, of_entries + strlen("flashjit "));
  expect_code(&output, 0);
  json_decref(whole);
}

/* Beside attention: all index heads on one head of keys, or the index heads of the KV heads; keys of entries. */
Test(bench_indexers, of_models) {
  static const char *const rows[][3] = {
      {"\"model_type\": \"deepseek_v32\", \"index_n_heads\": 4, \"index_head_dim\": 64, \"index_topk\": 40",
       "indexer hd=64 group=4 page=16 heads=1 listed=40 batch=1q5s90", "indexed_attention"},
      {"\"model_type\": \"minimax_m3\", \"num_key_value_heads\": 2, \"index_n_heads\": 2, \"index_head_dim\": 64, "
       "\"sparse_attention_config\": {\"sparse_attention_freq\": [1], \"sparse_topk_blocks\": 3, "
       "\"sparse_block_size\": 16}",
       "indexer hd=64 group=2 page=16 select=16 scores=heads heads=1 listed=3 last=1 batch=1q5s90",
       "minimax_m3_sparse"},
      {"\"model_type\": \"deepseek_v4\", \"num_key_value_heads\": 1, \"index_topk\": 10, \"index_n_heads\": 4, "
       "\"index_head_dim\": 64, \"compress_ratios\": [4]",
       "indexer hd=64 group=4 page=16 heads=1 listed=10 ratio=4 batch=1q5s90", "compressed_sparse_attention"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[1024];
    snprintf(text, sizeof text, "{%s, \"num_hidden_layers\": 1}", rows[i][0]);
    snprintf(text, sizeof text, "bench -o json --batch 1q5s90 --tp 1 --model %s", scratch_file("model.json", text));
    command(&output, text);
    expect_code(&output, 0);
    json_t *whole = json_loads(output.out, 0, NULL);
    const json_t *row = json_array_get(json_object_get(whole, "rows"), 1);
    cr_expect_str_eq(text_of(row, "case"), rows[i][1]);
    cr_expect_str_eq(text_of(row, "layer"), rows[i][2]);
    expect_right(row);
    json_decref(whole);
  }
}

/* ------------------------------------------------------------------------------------------------ what is not right */

struct scene {
  struct device device;
  fi_ctx *ctx;
  struct bench_case what;
  struct case_data data;
};

/* Launched once on each set. */
static void begin(struct scene *scene, const char *line, bool simulated) {
  random_state random = 3;
  *scene = (struct scene){.ctx = NULL};
  cr_assert(bench_case_parse(&scene->what, line), "%s", problem_last());
  cr_assert(device_open(&scene->device, "sim"), "%s", scene->device.error);
  cr_assert_eq(fi_ctx_create(NULL, &scene->ctx), FI_OK, "%s", fi_last_error());
  scene->device.simulated = simulated;
  cr_assert(case_data_make(&scene->data, &scene->what, &scene->device, scene->ctx, &random), "%s", problem_last());
  for (uint32_t set = 0; set < scene->data.sets; set++) {
    const fi_tensors tensors = case_tensors(&scene->data, set);
    const fi_workspace workspace = case_workspace(&scene->data, set);
    cr_assert_eq(fi_run(scene->data.kernel, &tensors, &workspace, NULL), FI_OK, "%s", fi_last_error());
  }
  device_sync(&scene->device, NULL);
}

static void end(struct scene *scene) {
  case_data_free(&scene->data);
  bench_batch_free(&scene->what.batch);
  fi_ctx_destroy(scene->ctx);
  device_close(&scene->device);
}

static struct case_error look(struct scene *scene) {
  random_state random = 9;
  struct case_error error;
  cr_assert(case_check(&scene->data, &random, &error), "%s", problem_last());
  return error;
}

static void write_entry(struct scene *scene, size_t entry, int32_t block) {
  device_upload(&scene->device, (int32_t *)scene->data.memory[0][CASE_LISTS] + entry, &block, sizeof block);
}

/* Of the last query token's list: the whole KV is seen, and each of its entries has blocks beside it. */
Test(bench_indexers, a_wrong_list_is_told) {
  static const struct {
    const char *line;
    int32_t block; /* in place of the first entry of the last list */
    const char *reason;
  } rows[] = {
      {"indexer hd=32 group=4 page=16 heads=1 listed=3 batch=1q2s90", 90, "token 89, list 0: block 90, which is no"},
      {"indexer hd=32 group=4 page=16 heads=1 listed=3 batch=1q2s90", -1, "token 89, list 0: block -1, which is no"},
      {"indexer hd=32 group=2 page=16 select=8 scores=heads heads=1 listed=3 batch=1q2s90", 12,
       "token 89, list 1: block 12, which is no"},
  };
  struct scene scene;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    begin(&scene, rows[i].line, true);
    cr_expect(look(&scene).passed, "%s", rows[i].line);
    write_entry(&scene, scene.data.bytes[CASE_LISTS] / sizeof(int32_t) - 3, rows[i].block);
    const struct case_error error = look(&scene);
    cr_expect_not(error.passed, "%s", rows[i].line);
    cr_expect(isinf(error.error));
    cr_expect(strstr(error.reason, rows[i].reason), "%s", error.reason);
    end(&scene);
  }
}

/* A block that is none of the best is found by its score, which is looked at. */
Test(bench_indexers, a_worse_block_is_told) {
  struct scene scene;
  int32_t list[3];
  begin(&scene, "indexer hd=32 group=4 page=16 heads=1 listed=3 batch=1q2s90", true);
  device_download(&scene.device, list, (int32_t *)scene.data.memory[0][CASE_LISTS] + 3, sizeof list);
  write_entry(&scene, 3, list[0] > 0 ? list[0] - 1 : list[0] + 1);
  const struct case_error error = look(&scene);
  cr_expect_not(error.passed);
  cr_expect_gt(error.error, 1);
  cr_expect(strstr(error.reason, "is listed instead of"), "%s", error.reason);
  end(&scene);
}

/* Sets of keys, weights and lists of their own, so that each launch but the first reads what no cache has. */
Test(bench_indexers, inputs_are_cold) {
  struct scene scene;
  begin(&scene, "indexer hd=32 group=4 page=16 heads=1 listed=3 batch=1q1s90", false);
  cr_assert_eq(scene.data.sets, MOST_SETS);
  cr_expect_null(scene.data.memory[0][CASE_SELECTED]);
  cr_expect_null(scene.data.memory[0][CASE_V]);
  cr_expect_null(scene.data.memory[0][CASE_O]);
  for (uint32_t set = 1; set < MOST_SETS; set++) {
    int32_t lists[2][3];
    for (uint32_t i = 0; i < 2; i++)
      device_download(&scene.device, lists[i], scene.data.memory[i * set][CASE_LISTS], sizeof lists[i]);
    cr_expect_neq(scene.data.memory[set][CASE_K], scene.data.memory[0][CASE_K]);
    cr_expect_arr_eq(lists[0], lists[1], sizeof lists[0]);
  }
  end(&scene);
}

/* ------------------------------------------------------------------------------------------------ rates */

/* 64 requests of 4096 keys of 132 bytes in 20 us; a prompt's rate is that of its products. */
Test(bench_indexers, rates) {
  static const struct {
    const char *line, *unit;
    double rate, share;
  } rows[] = {
      {"indexer group=64 kv=e4m3 scale=token page=64 heads=1 listed=2048 batch=64q1s4k", "TB/s", 64 * 4096 * 132 / 20e6,
       64 * 4096 * 132 / 20e6 / 4},
      {"indexer group=64 kv=e4m3 scale=token page=64 heads=1 listed=512 ratio=4 batch=64q1s4k", "TB/s",
       64 * 1024 * 132 / 20e6, 64 * 1024 * 132 / 20e6 / 4},
      {"indexer group=64 page=64 heads=1 listed=2048 batch=1q4k", "TFLOP/s", 2 * 64 * 128 * 2048.0 * 4097 / 20e6,
       2 * 64 * 128 * 2048.0 * 4097 / 20e6 / 700},
  };
  const struct ceilings ceilings = {.bytes = 4e12, .operations = 700e12};
  json_t *table = json_array();
  json_t *head = json_object();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct bench_case what;
    cr_assert(bench_case_parse(&what, rows[i].line), "%s", problem_last());
    json_t *row = bench_row(
        &what, json_pack("{s:s, s:s, s:[f,f]}", "provider", "flashjit", "status", "ok", "samples", 20.0, 20.0),
        &ceilings);
    cr_expect_str_eq(text_of(row, "rate_unit"), rows[i].unit);
    cr_expect_float_eq(bench_row_number(row, "rate"), rows[i].rate, 1e-9 * rows[i].rate, "%g",
                       bench_row_number(row, "rate"));
    cr_expect_float_eq(bench_row_number(row, "share"), rows[i].share, 1e-9);
    json_array_append_new(table, row);
    bench_batch_free(&what.batch);
  }
  char path[256];
  snprintf(path, sizeof path, "%s/rates.svg", scratch_folder());
  cr_expect(plot_write(path, head, table), "%s", problem_last());
  json_decref(table);
  json_decref(head);
}

Test(bench_indexers, what_is_none) {
  static const char *const rows[][2] = {
      {"indexer batch=1q1", "\"indexer\" has no number of listed blocks (listed); an indexer takes one"},
      {"indexer listed=4 ratio=4 batch=1q1", "has a ratio with batch 1q1; an indexer takes one with pages"},
      {"indexer page=16 listed=4 ratio=4 batch=2q1s40p16", "has a ratio with batch 2q1s40p16"},
      {"indexer page=16 listed=4 ratio=4 batch=2q1s40_0q1s80", "has a ratio with batch 2q1s40_0q1s80"},
      {"indexer page=16 ids=int64 listed=4 batch=1q1", "axis ids"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct bench_case what;
    cr_expect_not(bench_case_parse(&what, rows[i][0]), "%s is a case", rows[i][0]);
    cr_expect(strstr(problem_last(), rows[i][1]), "%s: %s", rows[i][0], problem_last());
  }
}

/* To an indexer of entries each query token is a request; what is before the first entry sees none. */
Test(bench_indexers, requests_of_entries) {
  static const uint32_t entries[] = {15, 14, 14, 14, 14, 0};
  struct bench_case what;
  struct bench_case launched;
  cr_assert(bench_case_parse(&what, "indexer page=4 listed=4 ratio=4 heads=1 batch=1q5s60_1q1s3"), "%s",
            problem_last());
  cr_assert(bench_case_launched(&what, &launched));
  cr_assert_eq(launched.batch.count, 6);
  for (uint32_t r = 0; r < 6; r++) {
    cr_expect_eq(launched.batch.requests[r].q_len, 1);
    cr_expect_eq(launched.batch.requests[r].kv_len, entries[r]);
    cr_expect_eq(bench_batch_borrowed(&launched.batch, r, 4), r > 0 && r < 5 ? 12 : 0, "request %u", r);
  }
  cr_expect_eq(bench_case_bytes(&what), 15.0 * 128 * 2);
  cr_expect_eq(bench_case_operations(&what), 2.0 * 128 * (15 + 4 * 14));
  bench_batch_free(&what.batch);
  bench_batch_free(&launched.batch);
}
