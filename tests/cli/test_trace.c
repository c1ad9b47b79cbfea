/* Both trace formats, their mistakes, and what is done to lengths. */
#include "tools/flashjit/trace.h"

#include "files.h"
#include "tools/flashjit/problem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define TRACE(name) TEST_DATA "/traces/" name

static void expect_requests(const char *path, size_t limit, size_t count, uint32_t prompt, uint32_t generated) {
  struct trace trace;
  cr_assert(trace_read(&trace, path, limit), "%s", problem_last());
  cr_assert_eq(trace.count, count, "%zu requests", trace.count);
  cr_expect_eq(trace.requests[count - 1].prompt, prompt);
  cr_expect_eq(trace.requests[count - 1].generated, generated);
  trace_free(&trace);
}

Test(trace, reads_both_formats) {
  expect_requests(TRACE("azure-2023-conv.csv"), 1, 1, 374, 44);
  expect_requests(TRACE("azure-2023-conv.csv"), 2, 2, 396, 109);
  expect_requests(TRACE("mooncake-conversation.jsonl"), 1, 1, 6758, 500);
  expect_requests(TRACE("mooncake-conversation.jsonl"), 3, 3, 7236, 794);
}

/* A file with fewer rows than asked for is read to its end. */
Test(trace, reads_to_the_end) {
  struct trace trace;
  cr_assert(trace_read(&trace, TRACE("azure-2023-conv.csv"), 1000), "%s", problem_last());
  cr_expect_eq(trace.count, 40);
  trace_free(&trace);
  cr_assert(trace_read(&trace, TRACE("mooncake-conversation.jsonl"), 1000), "%s", problem_last());
  cr_expect_eq(trace.count, 40);
  trace_free(&trace);
}

Test(trace, columns_are_found_by_name) {
  expect_requests(scratch_file("trace", "GeneratedTokens,x,ContextTokens\r\n3,,17\r\n"), 9, 1, 17, 3);
}

/* Blank lines, a byte order mark, and numbers that JSON lacks in fields that nobody reads. */
Test(trace, what_other_programs_write) {
  expect_requests(TRACE("blank_end.csv"), 9, 2, 30, 4);
  expect_requests(TRACE("bom_first.csv"), 9, 1, 20, 3);
  expect_requests(TRACE("j_nan.jsonl"), 9, 1, 20, 3);
  static const char *const texts[] = {
      "\n  \nContextTokens,GeneratedTokens\n\n7,2\n \t\n",
      "ContextTokens,GeneratedTokens\r\n\r\n7,2\r\n\r\n",
      "x,ContextTokens,GeneratedTokens\nNaN,7,2\n",
      "x,ContextTokens,GeneratedTokens\n3,7.0,2.00\n",
      "x, ContextTokens ,GeneratedTokens\n3, 7\t,2 \r\n",
      "\"x\",\"ContextTokens\",\"GeneratedTokens\"\r\n\"a,b\", \"7\" ,\"2\"\r\n",
      "x,ContextTokens,GeneratedTokens\n\"a \"\"b\"\", 500, 1, c\",7,2\n",
      "\xef\xbb\xbf{\"input_length\": 7, \"output_length\": 2}\n\n",
      "\n{\"input_length\": 7, \"output_length\": 2, \"a\": [Infinity, -Infinity], \"b\": \"NaN\"}\n",
      "{\"input_length\": 7.0, \"output_length\": 2, \"id\": 123456789012345678901234567890}",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    expect_requests(scratch_file("trace", texts[i]), 9, 1, 7, 2);
}

/* A file of this text is no trace; the problem begins with its path and has the part. */
static void expect_refused(const char *text, const char *part) {
  struct trace trace;
  const char *path = scratch_file("trace", text);
  cr_expect_not(trace_read(&trace, path, 100), "%s", part);
  cr_expect(strncmp(problem_last(), path, strlen(path)) == 0 && strstr(problem_last(), part), "\"%s\" is not in \"%s\"",
            part, problem_last());
  cr_expect_eq(trace.count, 0);
}

Test(trace, mistakes_name_line_and_field) {
  static const char *const mistakes[][2] = {
      {"", ":0: no requests"},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n", ":1: no requests"},
      {"TIMESTAMP,ContextTokens\n1,2\n", ":1: no column GeneratedTokens"},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n1,5,6\n1,5\n", ":3: field GeneratedTokens is missing"},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n1,,6\n", ":2: field ContextTokens is \"\""},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n1,5x,6\n", ":2: field ContextTokens is \"5x\""},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n1,5.5,6\n", ":2: field ContextTokens is \"5.5\""},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n1,5.,6\n", ":2: field ContextTokens is \"5.\""},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n1,.0,6\n", ":2: field ContextTokens is \".0\""},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n1,\"5\"x,6\n", ":2: field ContextTokens is \"\"5\"x\""},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n1,\"5,6\n", ":2: field ContextTokens is \"\"5\""},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n1,0,6\n", ":2: field ContextTokens is 0"},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n1,5,-6\n", ":2: field GeneratedTokens is \"-6\""},
      {"TIMESTAMP,ContextTokens,GeneratedTokens\n1,5,99999999\n", ":2: field GeneratedTokens is 99999999"},
      {"{\"input_length\": 5, \"output_length\": 6}\n{\"input_length\": 5, \"out", ":2: column "},
      {"{\"input_length\": 5}\n", ":1: field output_length is missing"},
      {"{\"input_length\": 5.5, \"output_length\": 6}\n", ":1: field input_length is not a number of tokens"},
      {"{\"input_length\": -5, \"output_length\": 6}\n", ":1: field input_length is -5"},
      {"{\"input_length\": NaN, \"output_length\": 6}\n", ":1: field input_length is not a number of tokens"},
      {"\n\nContextTokens,GeneratedTokens\n\n1,x\n", ":5: field GeneratedTokens is \"x\""},
      {"\n\n", ":2: no requests"},
  };
  struct trace trace;
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++)
    expect_refused(mistakes[i][0], mistakes[i][1]);
  cr_expect_not(trace_read(&trace, "/no/such/trace", 100));
  cr_expect_not_null(strstr(problem_last(), "/no/such/trace: No such file"), "%s", problem_last());
}

/* What is neither format is told what a trace is. */
Test(trace, other_files) {
  static const char *const others[][2] = {
      {"{\n  \"model_type\": \"qwen3\"\n}\n", ":1: column "},
      {"{\"model_type\": \"qwen3\"}\n", ":1: field input_length is missing"},
      {"[1, 2]\n", ":1: no column ContextTokens"},
      {"prompt,output\n3,4\n", ":1: no column ContextTokens"},
      {"\177ELF\n", ":1: no column ContextTokens"},
  };
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    expect_refused(others[i][0], others[i][1]);
    cr_expect_not_null(strstr(problem_last(),
                              "; a trace is a CSV with the columns ContextTokens and GeneratedTokens, or JSON "
                              "lines, each an object with input_length and output_length"),
                       "%s", problem_last());
  }
}

Test(trace, lengths_from_the_command_line) {
  static const char *const wrong[] = {"",    "5",   "5:",   ":5",         "5:6,", "5:6;7:8",
                                      "0:4", "5:x", "-5:6", "99999999:1", "5:6:7"};
  struct trace trace;
  cr_assert(trace_parse(&trace, "100:1,37:5,8:0"));
  cr_assert_eq(trace.count, 3);
  cr_expect_eq(trace.requests[1].prompt, 37);
  cr_expect_eq(trace.requests[1].generated, 5);
  cr_expect_eq(trace.requests[2].generated, 0);
  trace_free(&trace);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    cr_expect_not(trace_parse(&trace, wrong[i]), "%s", wrong[i]);
}

Test(trace, scaling_and_limits) {
  struct trace trace;
  cr_assert(trace_parse(&trace, "1000:21,37:500,8:0"));
  cr_expect_eq(trace_longest(&trace), 1021);
  trace_scale(&trace, 10);
  cr_expect_eq(trace.requests[0].prompt, 100);
  cr_expect_eq(trace.requests[0].generated, 3);
  cr_expect_eq(trace.requests[2].prompt, 1);
  cr_expect_eq(trace.requests[2].generated, 0);
  cr_expect_eq(trace_limit(&trace, 50), 2); /* 100 + 3 and 4 + 50 */
  cr_expect_eq(trace.requests[0].prompt, 47);
  cr_expect_eq(trace.requests[0].generated, 3);
  cr_expect_eq(trace.requests[1].prompt, 1);
  cr_expect_eq(trace.requests[1].generated, 49);
  cr_expect_eq(trace_longest(&trace), 50);
  cr_expect_eq(trace_limit(&trace, 50), 0);
  trace_free(&trace);
}

Test(trace, default_mix_repeats) {
  struct trace trace;
  cr_assert(trace_default(&trace, 20));
  cr_expect_eq(trace.count, 20);
  cr_expect_eq(trace.requests[0].prompt, trace.requests[6].prompt);
  trace_free(&trace);
}
