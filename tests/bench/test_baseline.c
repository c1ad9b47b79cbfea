/* Rows beside those of an earlier run, as files. */
#include "tools/bench/baseline.h"
#include "tools/bench/bench_row.h"
#include "tools/bench/bench_write.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/problem.h"

#include "tests/cli/files.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { REPLAYS = 31 };

/* A measurement whose replays take us, and up to 2 % more. */
static json_t *measured(const char *provider, double us) {
  json_t *samples = json_array();
  for (int i = 0; i < REPLAYS; i++)
    json_array_append_new(samples, json_real(us * (1 + 0.02 * (i * 7 % REPLAYS) / REPLAYS)));
  return json_pack("{s:s, s:s, s:s, s:b, s:o, s:f}", "provider", provider, "version", "1", "status", "ok", "simulated",
                   0, "samples", samples, "error", 0.002);
}

static void add(json_t *rows, const char *line, const char *provider, double us) {
  struct bench_case what;
  const struct ceilings ceilings = {.bytes = 4e12};
  cr_assert(bench_case_parse(&what, line), "%s", problem_last());
  json_array_append_new(rows, bench_row(&what, measured(provider, us), &ceilings));
  bench_batch_free(&what.batch);
}

static json_t *rows_of(const double us[4]) {
  json_t *rows = json_array();
  add(rows, "attention group=4 heads=8 batch=8q1s1k", "flashjit", us[0]);
  add(rows, "attention group=4 heads=8 batch=8q1s1k", "other", us[1]);
  add(rows, "attention group=4 heads=4 batch=8q1s1k", "flashjit", us[2]);
  add(rows, "attention group=4 heads=8 batch=8q1s2k", "flashjit", us[3]);
  return rows;
}

static const char *written(enum bench_format format, const json_t *rows) {
  static char text[1 << 16];
  json_t *head = document_new("flashjit.bench");
  json_object_set_new(head, "device", json_string("a GPU"));
  FILE *file = fmemopen(text, sizeof text, "w");
  bench_write(file, format, &bench_times, head, rows);
  fclose(file);
  json_decref(head);
  return text;
}

static const char *verdict(const json_t *rows, size_t i) {
  return bench_row_text(json_array_get(rows, i), "baseline_verdict");
}

/* Of four rows the third takes a tenth longer, and nothing else is flagged. */
static void find_loss(enum bench_format format) {
  static const double before[] = {50, 60, 70, 80};
  static const double after[] = {50.5, 60, 77, 64};
  json_t *old = rows_of(before);
  json_t *new = rows_of(after);
  struct baseline baseline;
  cr_assert(baseline_read(&baseline, scratch_file("baseline", written(format, old))), "%s", problem_last());
  cr_expect_str_eq(bench_row_text(baseline.head, "device"), "a GPU");
  const struct comparison comparison = baseline_compare(&baseline, new, 0.05);
  cr_expect_eq(comparison.compared, 4);
  cr_expect_eq(comparison.missing, 0);
  cr_expect_eq(comparison.slower, 1);
  cr_expect_not(baseline_holds(&comparison, false));
  cr_expect_str_eq(verdict(new, 0), "same");
  cr_expect_str_eq(verdict(new, 1), "same");
  cr_expect_str_eq(verdict(new, 2), "slower");
  cr_expect_str_eq(verdict(new, 3), "faster");
  cr_expect_float_eq(bench_row_number(json_array_get(new, 2), "baseline_ratio"), 1.1, 1e-6);
  cr_expect_float_eq(bench_row_number(json_array_get(new, 2), "baseline_us"), 70.7, 0.1);
  cr_expect(strstr(written(BENCH_MD, new), "**SLOWER** 1.100"));
  baseline_free(&baseline);
  json_decref(old);
  json_decref(new);
}

Test(baseline, loss_in_a_document) {
  find_loss(BENCH_JSON);
}

Test(baseline, loss_in_lines) {
  find_loss(BENCH_JSONL);
}

/* What the earlier run had no time of: another case, a wrong output, a simulated one. */
Test(baseline, new_rows) {
  static const double times[] = {50, 60, 70, 80};
  json_t *old = rows_of(times);
  json_t *new = rows_of(times);
  struct baseline baseline;
  json_array_remove(old, 3);
  json_object_set_new(json_array_get(old, 0), "status", json_string("wrong"));
  json_object_del(json_array_get(new, 1), "us");
  cr_assert(baseline_read(&baseline, scratch_file("baseline", written(BENCH_JSONL, old))));
  const struct comparison comparison = baseline_compare(&baseline, new, 0.05);
  cr_expect_eq(comparison.compared, 1);
  cr_expect_eq(comparison.missing, 1);
  cr_expect_str_eq(verdict(new, 0), "new");
  cr_expect_str_eq(verdict(new, 1), "");
  cr_expect_str_eq(verdict(new, 2), "same");
  cr_expect_str_eq(verdict(new, 3), "new");
  baseline_free(&baseline);
  json_decref(old);
  json_decref(new);
}

/* A baseline of which nothing was found again holds on a simulator alone, which has no times. */
Test(baseline, what_compares_nothing) {
  static const double times[] = {50, 60, 70, 80};
  json_t *old = rows_of(times);
  json_t *new = json_array();
  struct baseline baseline;
  add(new, "attention group=4 heads=1 batch=8q1s1k", "flashjit", 50);
  cr_assert(baseline_read(&baseline, scratch_file("baseline", written(BENCH_JSONL, old))));
  const struct comparison nothing = baseline_compare(&baseline, new, 0.05);
  cr_expect_eq(nothing.compared, 0);
  cr_expect_eq(nothing.missing, 4);
  cr_expect_not(baseline_holds(&nothing, false));
  cr_expect(baseline_holds(&nothing, true));
  const struct comparison all = baseline_compare(&baseline, old, 0.05);
  cr_expect(baseline_holds(&all, false));
  baseline_free(&baseline);
  json_decref(old);
  json_decref(new);
}

Test(baseline, files_that_are_none) {
  static const struct {
    const char *content;
    const char *part;
  } rows[] = {
      {"", "nothing of bench in it"},
      {"schema_version,device\n", "is what bench writes with -o json or jsonl"},
      {"[1]", "not an object"},
      {"{\"case\": \"x\"}", "nothing of bench in it"},
      {"{\"schema\": \"flashjit.bench\", \"schema_version\": 1, \"rows\": \"x\"}", "its rows are no list of objects"},
      {"{\"schema\": \"flashjit.bench\", \"schema_version\": 1, \"rows\": [1]}", "its rows are no list of objects"},
      {"{\"schema\": \"flashjit.doctor\", \"schema_version\": 1}", "its schema is \"flashjit.doctor\", version 1"},
      {"{\"schema\": \"flashjit.bench\", \"schema_version\": 2}", "version 2, not flashjit.bench, version 1"},
      {"{\"schema\": \"flashjit.bench\", \"schema_version\": 1}\n{\"case\": ", "baseline: "},
  };
  struct baseline baseline;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cr_expect_not(baseline_read(&baseline, scratch_file("baseline", rows[i].content)), "%s is read", rows[i].content);
    cr_expect(strstr(problem_last(), rows[i].part), "%s: %s", rows[i].content, problem_last());
    baseline_free(&baseline);
  }
  cr_expect_not(baseline_read(&baseline, "/nowhere/at/all"));
  cr_expect(strstr(problem_last(), "/nowhere/at/all: No such file"));
  baseline_free(&baseline);
}
