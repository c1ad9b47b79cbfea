/* flashjit bench on the simulator: outputs are checked, and its four formats say the same. */
#include "tests/cli/command.h"
#include "tests/cli/files.h"
#include "tools/bench/ceiling.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct output output;

TestSuite(bench, .init = use_simulator);

#define SMALL "attention hd=32 page=4 --heads 2 --batch 2q1s9,1q3s5_1q1s70"

static const char *text_of(const json_t *row, const char *key) {
  const char *text = json_string_value(json_object_get(row, key));
  return text ? text : "";
}

static void expect_row(const json_t *row) {
  cr_expect_str_eq(text_of(row, "status"), "ok", "%s", output.out);
  cr_expect_str_eq(text_of(row, "provider"), "flashjit");
  cr_expect(json_is_true(json_object_get(row, "simulated")));
  cr_expect_null(json_object_get(row, "us"), "the simulator has no times");
  cr_expect_null(json_object_get(row, "rate"));
  const double error = json_number_value(json_object_get(row, "error"));
  cr_expect(error > 0 && error <= json_number_value(json_object_get(row, "allowed")), "error %g", error);
}

static void expect_head(const json_t *head) {
  cr_expect_str_eq(text_of(head, "schema"), "flashjit.bench");
  cr_expect_eq(json_integer_value(json_object_get(head, "schema_version")), 1);
  cr_expect(json_is_true(json_object_get(head, "simulated")));
}

Test(bench, json) {
  command(&output, "bench -o json " SMALL);
  expect_code(&output, 0);
  json_t *whole = json_loads(output.out, 0, NULL);
  const json_t *rows = json_object_get(whole, "rows");
  expect_head(whole);
  cr_assert_eq(json_array_size(rows), 2, "%s%s", output.out, output.err);
  expect_row(json_array_get(rows, 0));
  expect_row(json_array_get(rows, 1));
  cr_expect_str_eq(text_of(json_array_get(rows, 1), "case"), "attention hd=32 page=4 heads=2 batch=1q3s5_1q1s70");
  json_decref(whole);
}

Test(bench, json_lines) {
  command(&output, "bench -o jsonl " SMALL);
  expect_code(&output, 0);
  char *rest = output.out;
  for (int i = 0; i < 3; i++) {
    json_t *object = json_loads(strtok_r(rest, "\n", &rest), 0, NULL);
    cr_assert(object, "line %d is no JSON", i);
    (i == 0 ? expect_head : expect_row)(object);
    json_decref(object);
  }
  cr_expect_null(strtok_r(NULL, "\n", &rest));
}

/* Latents have no V of their own. */
Test(bench, latents) {
  command(&output, "bench -o json 'attention hd=160 v_dim=128 group=8 page=16 v_source=keys' --batch 2q1s40");
  expect_code(&output, 0);
  expect_text(output.out, "\"status\": \"ok\"");
}

/* What is shared counts once, whether plans look for it or are told of it. */
static void check_shared(const char *prefixes) {
  char line[256];
  snprintf(
      line, sizeof line,
      "bench -o json --whole 'attention hd=32 group=4 page=4 %s' --heads 1 --batch 5q1s150p128_1q1s9,5q1s150_1q1s9",
      prefixes);
  command(&output, line);
  expect_code(&output, 0);
  json_t *whole = json_loads(output.out, 0, NULL);
  const json_t *rows = json_object_get(whole, "rows");
  cr_assert_eq(json_array_size(rows), 2, "%s%s", output.out, output.err);
  expect_row(json_array_get(rows, 0));
  expect_row(json_array_get(rows, 1));
  const double shared = json_number_value(json_object_get(json_array_get(rows, 0), "bytes"));
  const double unshared = json_number_value(json_object_get(json_array_get(rows, 1), "bytes"));
  const double token = 2 * 32 * 2;
  cr_expect_float_eq(unshared - shared, 4 * 128 * token, 1, "%g and %g bytes", shared, unshared);
  json_decref(whole);
}

Test(bench, shared_prefixes) {
  check_shared("prefixes=1");
  check_shared("prefixes=2");
}

Test(bench, packed_masks) {
  command(&output, "bench -o json --whole 'attention hd=32 group=4 rows=16 page=16 bits=1' --heads 1 "
                   "--batch 1q3s90_2q1s20");
  expect_code(&output, 0);
  expect_text(output.out, "\"status\": \"ok\"");
}

/* A case, all rows of which are checked; its document stays in `output`. */
static void expect_right(const char *row) {
  char arguments[512];
  snprintf(arguments, sizeof arguments, "bench -o json --whole %s", row);
  command(&output, arguments);
  expect_code(&output, 0);
  expect_text(output.out, "\"status\": \"ok\"");
}

/* Of both ends, and with more query tokens than a tile has. */
Test(bench, biases) {
  static const char *const rows[] = {
      "'attention hd=32 group=4 rows=16 page=16 bias=distance' --heads 2 --batch 1q3s90_2q1s20",
      "'attention hd=32 group=2 mask=none bias=distance' --heads 1 --batch 1q20s70_1q9",
      "'attention hd=32 group=4 q=f16 page=16 left=40 bias=token_distance' --heads 2 --batch 1q3s90_2q1s20",
      "'attention hd=32 group=4 rows=16 page=16 bias=token_distance' --heads 1 --batch 1q2s1100",
      "'attention hd=32 group=4 page=16 bias=dense' --heads 2 --batch 1q30s90_2q1s20",
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    expect_right(rows[i]);
}

Test(bench, lists) {
  expect_right("'attention hd=32 group=4 page=16 select=16' --heads 1 --listed 3 --batch 1q3s90_2q1s20");
}

/* Beside a window, with sinks, entries of a second KV: of K that is V too, in DeepSeek-V4's tokens, and of int8. */
Test(bench, second_kvs) {
  static const char *const rows[] = {
      "'attention hd=512 group=8 rows=16 page=16 left=8 sinks=1 v_source=keys kv=e4m3 scale=e8m0 select=1 second=4' "
      "--heads 1 --listed 5 --batch 1q2s40_1q1s3",
      "'attention hd=64 group=2 page=16 left=12 select=1 second=8 kv=int8 scale=token' --heads 2 --listed 3 --ratio 8 "
      "--batch 1q20s50_2q1s61",
      "'attention hd=64 group=2 page=8 select=2 second=16' --heads 1 --listed 3 --batch 1q3s50",
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    expect_right(rows[i]);
    expect_text(output.out, i == 1 ? "--ratio 8 --batch" : "--ratio 4 --batch");
  }
  command(&output, "bench attention page=16 select=1 second=16 --listed 4 --ratio 70000 --batch 1q1");
  expect_code(&output, 2);
  expect_text(output.err, "--ratio is \"70000\"; allowed are 1 to 65536");
}

static size_t count(const char *text, char letter) {
  size_t found = 0;
  for (; *text; text++)
    found += *text == letter;
  return found;
}

Test(bench, csv) {
  command(&output, "bench -o csv " SMALL);
  expect_code(&output, 0);
  char *rest = output.out;
  const char *titles = strtok_r(rest, "\n", &rest);
  cr_expect_eq(strncmp(titles, "schema_version,device,case,", 27), 0, "%s", titles);
  for (int i = 0; i < 2; i++) {
    const char *line = strtok_r(NULL, "\n", &rest);
    cr_assert(line);
    cr_expect_eq(count(line, ','), count(titles, ','), "%s", line);
    cr_expect(strstr(line, "1,\"flashjit simulator\",\"attention hd=32 page=4 heads=2"), "%s", line);
    cr_expect(strstr(line, "\"ok\",,true,,,"), "no reason and no times: %s", line);
  }
}

/* Every line of the table has as many cells, and is as wide. */
Test(bench, markdown) {
  command(&output, "bench " SMALL);
  expect_code(&output, 0);
  expect_text(output.out, "simulated: outputs are checked, times mean nothing");
  char *rest = output.out;
  size_t lines = 0;
  size_t width = 0;
  for (char *line = strtok_r(rest, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    if (*line != '|')
      continue;
    width = lines++ == 0 ? strlen(line) : width;
    cr_expect_eq(strlen(line), width, "%s", line);
    cr_expect_eq(count(line, '|'), 12, "%s", line);
  }
  cr_expect_eq(lines, 4);
}

Test(bench, to_a_file_and_against_it) {
  char arguments[1024];
  snprintf(arguments, sizeof arguments, "bench -o jsonl --out %s/rows " SMALL, scratch_folder());
  command(&output, arguments);
  expect_code(&output, 0);
  cr_expect_str_eq(output.out, "");
  snprintf(arguments, sizeof arguments, "bench --baseline %s/rows " SMALL, scratch_folder());
  command(&output, arguments);
  expect_code(&output, 0);
  expect_text(output.err, "0 of 0 rows are slower");
}

static json_t *rows_of_file(const char *path) {
  json_t *whole = json_load_file(path, 0, NULL);
  json_t *rows = json_incref(json_object_get(whole, "rows"));
  json_decref(whole);
  return rows;
}

static void expect_failed(const json_t *row, const char *reason) {
  cr_expect_str_eq(text_of(row, "status"), "failed");
  expect_text(text_of(row, "reason"), reason);
  expect_text(output.err, text_of(row, "case"));
}

/* The second of three batches has no room: O alone has 17 GB, of 16. */
Test(bench, a_case_without_memory_costs_its_row) {
  char arguments[1024];
  snprintf(arguments, sizeof arguments,
           "bench --whole attention hd=32 v_dim=256 group=64 o=f32 --heads 1 --batch 1q1s9,1q264k,1q1s5 -o json "
           "--out %s/rows",
           scratch_folder());
  command(&output, arguments);
  expect_code(&output, 1);
  snprintf(arguments, sizeof arguments, "%s/rows", scratch_folder());
  json_t *rows = rows_of_file(arguments);
  cr_assert_eq(json_array_size(rows), 3);
  expect_row(json_array_get(rows, 0));
  expect_failed(json_array_get(rows, 1), "CUDA_ERROR_OUT_OF_MEMORY");
  expect_row(json_array_get(rows, 2));
  json_decref(rows);
}

/* After a launch that hangs a device is of no use: all rows say so. */
Test(bench, a_lost_device_costs_no_table) {
  char arguments[1024];
  snprintf(arguments, sizeof arguments, "bench " SMALL " -o json --out %s/rows", scratch_folder());
  command_in(&output, "FLASHJIT_SIM_QUIET=1 FLASHJIT_SIM_LIMIT=10", arguments);
  expect_code(&output, 1);
  snprintf(arguments, sizeof arguments, "%s/rows", scratch_folder());
  json_t *rows = rows_of_file(arguments);
  cr_assert_eq(json_array_size(rows), 2);
  expect_failed(json_array_get(rows, 0), "CUDA_ERROR");
  expect_failed(json_array_get(rows, 1), "CUDA_ERROR");
  json_decref(rows);
}

/* The command of a row makes the same row, from a trace and whatever the first had been given. */
Test(bench, repro_of_a_trace) {
  char arguments[1024];
  const char *trace =
      scratch_file("it's a trace.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n0,9,4\n1,30,2\n2,5,0\n");
  snprintf(arguments, sizeof arguments, "bench -o json --seed 7 --whole attention hd=32 --requests 2 --trace \"%s\"",
           trace);
  command(&output, arguments);
  expect_code(&output, 0);
  json_t *first = json_loads(output.out, 0, NULL);
  const char *repro = text_of(json_array_get(json_object_get(first, "rows"), 0), "repro");
  cr_assert(strncmp(repro, "flashjit bench ", 15) == 0, "%s", repro);
  snprintf(arguments, sizeof arguments, "%s -o json", repro + strlen("flashjit "));
  command(&output, arguments);
  expect_code(&output, 0);
  json_t *second = json_loads(output.out, 0, NULL);
  cr_expect(json_equal(first, second), "%s: %s", repro, output.out);
  json_decref(first);
  json_decref(second);
}

Test(bench, plot_of_nothing_timed) {
  char arguments[1024];
  snprintf(arguments, sizeof arguments, "bench --plot %s/plot.svg attention --batch 1q1", scratch_folder());
  command(&output, arguments);
  expect_code(&output, 0);
}

/* What is compared with is read, and places of results are looked at, before anything is measured. */
Test(bench, nothing_is_measured_in_vain) {
  static const char *const rows[][2] = {
      {"--baseline /nowhere", "flashjit: /nowhere: No such file or directory\n"},
      {"--out /nowhere/at/all", "flashjit: /nowhere/at/all: cannot be written: No such file or directory\n"},
      {"--plot /nowhere/at/all.svg", "flashjit: /nowhere/at/all.svg: cannot be written: No such file or directory\n"},
      {"--plot /", "flashjit: /: cannot be written: a folder\n"},
      {"--out ''", "flashjit: \"\": cannot be written: it names no file\n"},
      {"--out one --plot one", "flashjit: --out and --plot are both one\n"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char arguments[256];
    snprintf(arguments, sizeof arguments, "bench attention --batch 1q1 %s", rows[i][0]);
    command(&output, arguments);
    expect_code(&output, 1);
    cr_expect_str_eq(output.err, rows[i][1]);
  }
  command(&output, "bench attention --batch 1q1 --out /dev/null");
  expect_code(&output, 0);
}

Test(bench, pipes_that_nobody_reads) {
  static const char *const options[] = {"--out", "--plot"};
  char path[256];
  char arguments[512];
  snprintf(path, sizeof path, "%s/pipe", scratch_folder());
  cr_assert_eq(mkfifo(path, 0600), 0);
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
    snprintf(arguments, sizeof arguments, "bench attention --batch 1q1 %s %s", options[i], path);
    command(&output, arguments);
    expect_code(&output, 1);
    expect_text(output.err, "pipe: cannot be written: a pipe that nobody reads");
  }
  snprintf(arguments, sizeof arguments, "cat %s >/dev/null &", path);
  cr_assert_eq(system(arguments), 0);
  usleep(300000); /* until it waits */
  snprintf(arguments, sizeof arguments, "bench attention --batch 1q1 --out %s", path);
  command(&output, arguments);
  expect_code(&output, 0);
}

Test(bench, model_and_trace) {
  command(&output,
          "bench -o json --model " MODEL("Qwen3-0.6B") " --trace " TRACE("azure-2023-conv.csv") " --requests 3");
  expect_code(&output, 0);
  json_t *whole = json_loads(output.out, 0, NULL);
  const json_t *row = json_array_get(json_object_get(whole, "rows"), 0);
  expect_row(row);
  cr_expect_str_eq(text_of(row, "layer"), "full_attention");
  cr_expect_eq(json_integer_value(json_object_get(row, "heads")), 8);
  json_decref(whole);
}

Test(bench, cases_of_a_file) {
  char arguments[512];
  snprintf(arguments, sizeof arguments, "bench --cases %s",
           scratch_file("cases", "# some\n\nattention hd=32 heads=1 batch=1q1s5\n"));
  command(&output, arguments);
  expect_code(&output, 0);
  expect_text(output.out, "1q1s5");
  snprintf(arguments, sizeof arguments, "bench --cases %s", scratch_file("cases", "\nattention hd=33 batch=1q1\n"));
  command(&output, arguments);
  expect_code(&output, 1);
  expect_text(output.err, "cases:2: ");
  expect_text(output.err, "33");
  snprintf(arguments, sizeof arguments, "printf 'attention batch=1q1s5\\000x\n' >%s/zero", scratch_folder());
  cr_assert_eq(system(arguments), 0);
  snprintf(arguments, sizeof arguments, "bench --cases %s/zero", scratch_folder());
  command(&output, arguments);
  expect_code(&output, 1);
  expect_text(output.err, "zero:1: it has a byte 0");
  command(&output, "bench --cases /");
  expect_code(&output, 1);
  expect_text(output.err, "/: Is a directory");
}

Test(bench, bad_input) {
  static const struct {
    const char *arguments;
    int code;
    const char *part;
  } rows[] = {
      {"-o xml", 2, "-o is \"xml\"; allowed are md, csv, json and jsonl"},
      {"attention --batch 8x", 2, "--batch: \"8x\" is not"},
      {"attention --heads 0", 2, "--heads is \"0\"; allowed are 1 to 1024"},
      {"attention --tolerance x", 2, "--tolerance is \"x\""},
      {"attention hd=7", 2, "hd"},
      {"attention ranges=1", 2, "axis ranges"},
      {"merge", 2, "for attention and indexers alone"},
      {"--batch 1q1", 2, "--batch goes with a SPEC or --model"},
      {"attention --cases x", 2, "give a SPEC, --model or --cases"},
      {"--cases /nowhere", 1, "/nowhere: No such file"},
      {"attention --trace /nowhere", 1, "/nowhere"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char arguments[256];
    snprintf(arguments, sizeof arguments, "bench %s", rows[i].arguments);
    command(&output, arguments);
    expect_code(&output, rows[i].code);
    expect_text(output.err, rows[i].part);
  }
}

/* The kernel that measures the ceiling reads all that it says it does: the sum has both ends. */
Test(bench, ceiling_reads_everything) {
  struct device device;
  static const uint32_t ends[2] = {0x12345678, 0x9abcdef0};
  uint32_t sum;
  cr_assert(device_open(&device, "sim"), "%s", device.error);
  const double rate = ceiling_read(&device, 1 << 20, ends, &sum);
  cr_expect_gt(rate, 0, "%s", device.error);
  cr_expect_eq(sum, ends[0] ^ ends[1]);
  cr_expect_eq(ceiling_read(&device, (size_t)1 << 40, ends, &sum), 0, "there is no room for it");
  cr_expect(device_recover(&device), "%s", device.error);
  cr_expect_gt(ceiling_read(&device, 1 << 20, ends, &sum), 0, "%s", device.error);
  device_close(&device);
}
