/* The grammar of batches, and lines that are cases. */
#include "tools/bench/bench_case.h"
#include "tools/flashjit/problem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(batch, grammar) {
  static const struct {
    const char *text;
    uint32_t requests;
    struct bench_request first;
    struct bench_request last;
  } rows[] = {
      {"8q1s1k", 8, {1, 1024, 0, 0}, {1, 1024, 0, 0}},
      {"2q2k_32q1s1k", 34, {2048, 2048, 0, 0}, {1, 1024, 0, 0}},
      {"q5", 1, {5, 5, 0, 0}, {5, 5, 0, 0}},
      {"q1ks2k", 1, {1024, 2048, 0, 0}, {1024, 2048, 0, 0}},
      {"1q1s1_3q7s9_1q4", 5, {1, 1, 0, 0}, {4, 4, 0, 0}},
      {"65536q1s16777216", 65536, {1, 1 << 24, 0, 0}, {1, 1 << 24, 0, 0}},
      {"8q1s1kp512_2q1s2kp1k", 10, {1, 1024, 512, 0}, {1, 2048, 1024, 8}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct bench_batch batch;
    cr_assert(bench_batch_parse(&batch, rows[i].text), "%s: %s", rows[i].text, problem_last());
    cr_expect_eq(batch.count, rows[i].requests, "%s: %u", rows[i].text, batch.count);
    const struct bench_request *last = &batch.requests[batch.count - 1];
    cr_expect_eq(batch.requests[0].q_len, rows[i].first.q_len, "%s", rows[i].text);
    cr_expect_eq(batch.requests[0].kv_len, rows[i].first.kv_len, "%s", rows[i].text);
    cr_expect_eq(last->q_len, rows[i].last.q_len, "%s", rows[i].text);
    cr_expect_eq(last->kv_len, rows[i].last.kv_len, "%s", rows[i].text);
    cr_expect_eq(last->shared, rows[i].last.shared, "%s", rows[i].text);
    cr_expect(last->shared == 0 || last->owner == rows[i].last.owner, "%s", rows[i].text);
    cr_expect_str_eq(batch.text, rows[i].text);
    bench_batch_free(&batch);
  }
}

Test(batch, what_is_none) {
  static const char *const texts[] = {"",
                                      "_",
                                      "8",
                                      "8q",
                                      "q1_",
                                      "_q1",
                                      "8q1s",
                                      "8q1k1",
                                      "0q1s1",
                                      "q1_0q",
                                      "q1_00q1",
                                      "q1_0q2s1",
                                      "q0",
                                      "q1s0",
                                      "q2s1",
                                      "q1s1kk",
                                      "q1p1",
                                      "q1s1p",
                                      "q1s1kp0",
                                      "q1s1kp1025",
                                      "-1q1",
                                      "1q1 s1",
                                      "1Q1",
                                      "q1__q1",
                                      "q1,q1",
                                      "q16777217",
                                      "q16385k",
                                      "65537q1",
                                      "65536q1_q1",
                                      "9999999999999999999q1",
                                      "q1s99999999999999999999k"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct bench_batch batch;
    cr_expect_not(bench_batch_parse(&batch, texts[i]), "\"%s\" is a batch of %u", texts[i], batch.count);
    cr_expect_null(batch.requests);
  }
}

/* What is left has the text that means it. */
Test(batch, cut) {
  struct bench_batch batch;
  cr_assert(bench_batch_parse(&batch, "2q2k_1q1s1k_1q1s8k_5q3s3"));
  bench_batch_cut(&batch, 5, 64, 4096);
  cr_expect_str_eq(batch.text, "2q64s2k_1q1s1k_1q1s4k_1q3");
  struct bench_batch again;
  cr_assert(bench_batch_parse(&again, batch.text));
  cr_expect_eq(again.count, 5);
  cr_expect_eq(bench_batch_tokens(&again), 64 + 64 + 1 + 1 + 3);
  cr_expect_eq(bench_batch_most_kv(&again), 4096);
  cr_expect_eq(bench_batch_most_q(&again), 64);
  bench_batch_free(&batch);
  bench_batch_free(&again);
}

/* Parts of no requests change the bounds alone, and are in the text. */
Test(batch, room) {
  struct bench_batch batch;
  struct bench_batch copy;
  cr_assert(bench_batch_parse(&batch, "0q64s8k_3q2s1k_0q2k"));
  cr_assert(bench_batch_copy(&copy, &batch));
  bench_batch_cut(&batch, 2, 64, 512);
  cr_expect_str_eq(batch.text, "2q2s512_0q2ks8k");
  const fi_workspace bounds = bench_batch_bounds(&copy, 5);
  cr_expect_eq(copy.count, 3);
  cr_expect_eq(bench_batch_tokens(&copy), 6);
  cr_expect_eq(bench_batch_most_q(&copy), 2);
  cr_expect_eq(bench_batch_most_kv(&copy), 1024);
  cr_expect_eq(bounds.max_requests, 4);
  cr_expect_eq(bounds.max_tokens, 6 + 2048);
  cr_expect_eq(bounds.max_q_len, 2048);
  cr_expect_eq(bounds.max_kv_len, 8192);
  cr_expect_eq(bounds.kv_heads, 5);
  bench_batch_free(&batch);
  bench_batch_free(&copy);
}

Test(batch, of_a_trace) {
  struct trace trace;
  struct bench_batch batch;
  cr_assert(trace_parse(&trace, "100:10,7:0,50:5"));
  cr_assert(bench_batch_of_trace(&batch, &trace, "/some/where/name.csv"));
  cr_expect(strncmp(batch.text, "3 of name.csv (", 15) == 0, "%s", batch.text);
  cr_expect_eq(batch.requests[0].kv_len, 105);
  cr_expect_eq(batch.requests[1].kv_len, 7);
  cr_expect_eq(batch.requests[2].kv_len, 52);
  cr_expect_eq(bench_batch_tokens(&batch), 3);
  bench_batch_free(&batch);
  trace_free(&trace);
}

static void write_trace_text(const char *lengths, const char *path, char text[BATCH_TEXT_SIZE]) {
  struct trace trace;
  struct bench_batch batch;
  cr_assert(trace_parse(&trace, lengths));
  cr_assert(bench_batch_of_trace(&batch, &trace, path));
  memcpy(text, batch.text, sizeof batch.text);
  bench_batch_free(&batch);
  trace_free(&trace);
}

/* A baseline finds rows by their text. */
Test(batch, traces_of_one_name) {
  char text[3][BATCH_TEXT_SIZE];
  write_trace_text("100:10,7:0", "/a/name.csv", text[0]);
  write_trace_text("100:10,7:0", "/b/name.csv", text[1]);
  write_trace_text("100:10,9:0", "/a/name.csv", text[2]);
  cr_expect_str_eq(text[0], text[1]);
  cr_expect_str_neq(text[0], text[2]);
}

/* ------------------------------------------------------------------------------------------------ cases */

static void with_case(const char *line, void (*look)(const struct bench_case *)) {
  struct bench_case what;
  cr_assert(bench_case_parse(&what, line), "%s: %s", line, problem_last());
  look(&what);
  bench_batch_free(&what.batch);
}

static void look_at_decode(const struct bench_case *what) {
  char text[CASE_TEXT_SIZE];
  cr_expect_eq(what->kv_heads, 2);
  cr_expect_eq(bench_case_bytes(what), 2.0 * 2 * 3 * 100 * 128 * 2);
  cr_expect_eq(bench_case_operations(what), 4.0 * 128 * 8 * 3 * 100);
  cr_expect_not(bench_case_is_compute_bound(what));
  bench_case_text(what, text);
  cr_expect_str_eq(text, "attention group=4 page=16 heads=2 batch=3q1s100");
}

static void look_at_window(const struct bench_case *what) {
  cr_expect_eq(bench_case_bytes(what), 8.0 * 10 * (64 + 32) * 2);
}

/* 4 bits and a half for each element: 32 have a scale of 16. */
static void look_at_int4(const struct bench_case *what) {
  cr_expect_eq(bench_case_bytes(what), 8.0 * 1000 * 2 * 128 * 4.5 / 8);
}

static void look_at_int8(const struct bench_case *what) {
  cr_expect_eq(bench_case_bytes(what), 8.0 * 1000 * 2 * (128 + 4));
}

static void look_at_lists(const struct bench_case *what) {
  char text[CASE_TEXT_SIZE];
  cr_expect_eq(what->listed, 3);
  cr_expect_eq(bench_case_bytes(what), 8.0 * 128 * 2 * 2 * 2 * (48 + 40), "the second request has fewer tokens");
  bench_case_text(what, text);
  cr_expect_str_eq(text, "attention select=16 heads=8 listed=3 batch=1q2s100_1q2s40");
}

/* Of 100 tokens a window of 10 and those that the query token before it sees besides, and 3 of the 25 entries. */
static void look_at_a_second_kv(const struct bench_case *what) {
  char text[CASE_TEXT_SIZE];
  cr_expect_eq(what->ratio, 4);
  cr_expect_eq(bench_case_entries(what, 0), 25);
  cr_expect_eq(bench_case_seen(what, 0, 0), 24, "token 98 is in no whole entry");
  cr_expect_eq(bench_case_seen(what, 0, 1), 25);
  cr_expect_eq(bench_case_bytes(what), 8.0 * 128 * 2 * 2 * (11 + 2 * 3 + 2 + 0));
  cr_expect_eq(bench_case_operations(what), 4.0 * 8 * 128 * (2 * 10 + 2 * 3 + 2));
  bench_case_text(what, text);
  cr_expect_str_eq(text, "attention page=16 left=10 select=1 second=64 heads=8 listed=3 ratio=4 batch=1q2s100_1q1s2");
}

static void look_at_prompt(const struct bench_case *what) {
  cr_expect_eq(bench_case_operations(what), 4.0 * 128 * 16 * 4096.0 * 4097 / 2);
  cr_expect(bench_case_is_compute_bound(what));
}

static void look_at_two_sides(const struct bench_case *what) {
  cr_expect_eq(bench_case_operations(what), 4.0 * 128 * (5 * 100 - 2 * (1 + 2)), "at both ends fewer are there");
}

Test(bench_case, work) {
  with_case("attention group=4 heads=2 batch=3q1s100 page=16", look_at_decode);
  with_case("attention left=10 hd=64 v_dim=32 batch=1q1s1k", look_at_window);
  with_case("attention kv=int4 page=16 batch=1q1s1000", look_at_int4);
  with_case("attention kv=int8 scale=token page=16 batch=1q1s1000", look_at_int8);
  with_case("attention select=16 listed=3 batch=1q2s100_1q2s40", look_at_lists);
  with_case("attention page=16 left=10 select=1 second=64 listed=3 batch=1q2s100_1q1s2", look_at_a_second_kv);
  with_case("attention heads=16 batch=q4k", look_at_prompt);
  with_case("attention mask=none left=3 right=3 heads=1 batch=q100", look_at_two_sides);
}

static void expect_problem(const char *line, const char *part) {
  struct bench_case what;
  cr_expect_not(bench_case_parse(&what, line), "%s is a case", line);
  cr_expect(strstr(problem_last(), part), "%s: %s", line, problem_last());
}

Test(bench_case, what_is_none) {
  expect_problem("attention", "has no batch=");
  expect_problem("attention batch=1q", "\"1q\" is not");
  expect_problem("attention batch=1q1 batch=1q2", "batch is given twice");
  expect_problem("indexer page=16 heads=1 listed=4 ratio=4 batch=5q16k", "has 81920 query tokens; with a ratio each");
  expect_problem("attention heads=0 batch=1q1", "heads is \"0\"; allowed are 1 to 1024");
  expect_problem("attention heads=x batch=1q1", "heads is \"x\"");
  expect_problem("attention select=1 batch=1q1", "select without listed blocks; specs with select go with");
  expect_problem("attention listed=4 batch=1q1", "listed blocks without select");
  expect_problem("attention select=1 listed=0 batch=1q1", "listed is \"0\"; allowed are 1 to 1048576");
  expect_problem("attention page=16 select=1 listed=4 ratio=4 batch=1q1",
                 "a ratio of 4 without a second KV; specs with");
  expect_problem("attention page=16 select=1 second=16 listed=4 ratio=0 batch=1q1",
                 "ratio is \"0\"; allowed are 1 to 65536");
  expect_problem("attention hdd=64 batch=1q1", "hdd");
  expect_problem("append batch=1q1", "for attention and indexers alone");
  expect_problem("attention positions=array rope=half batch=1q1", "axis positions");
  expect_problem("attention page=16 select=1 listed=4 first=1 batch=1q9", "indexers take such, other specs do not");
  expect_problem("indexer page=16 listed=4 first=3 last=2 batch=1q9", "has 3 first and 2 last blocks in lists of 4");
  expect_problem("indexer page=16 listed=4 last=1 last=2 batch=1q9", "last is given twice");
  expect_problem("attention ranges=1 batch=1q1", "axis ranges");
}

Test(bench_case, thirty) {
  struct case_list list = {0};
  cr_assert(case_list_default(&list), "%s", problem_last());
  cr_expect_eq(list.count, 30);
  for (size_t i = 0; i < list.count; i++) {
    cr_expect_eq(fi_spec_supported(&list.cases[i].spec, "sm_90a"), FI_OK, "%s: %s", list.cases[i].spec_text,
                 fi_last_error());
    for (size_t j = 0; j < i; j++)
      cr_expect(strcmp(list.cases[i].spec_text, list.cases[j].spec_text) != 0 ||
                    strcmp(list.cases[i].batch.text, list.cases[j].batch.text) != 0,
                "cases %zu and %zu are one", i, j);
  }
  case_list_free(&list);
}
