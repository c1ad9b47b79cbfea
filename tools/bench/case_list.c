/* The cases of the table that one command fills, and lists of others from files. */
#include "tools/bench/bench_case.h"
#include "tools/flashjit/input.h"
#include "tools/flashjit/problem.h"

#include <string.h>

static const char *const usual[] = {
    /* decode, one request to many */
    "attention group=4 page=16 heads=8 batch=1q1s1k",
    "attention group=4 page=16 heads=8 batch=1q1s8k",
    "attention group=4 page=16 heads=8 batch=1q1s128k",
    "attention group=4 page=16 heads=8 batch=16q1s1k",
    "attention group=4 page=16 heads=8 batch=64q1s1k",
    "attention group=4 page=16 heads=8 batch=64q1s4k",
    "attention group=4 page=16 heads=8 batch=128q1s4k",
    /* pages and groups */
    "attention group=4 page=1 heads=8 batch=128q1s4k",
    "attention page=16 heads=32 batch=16q1s8k",
    "attention group=8 page=16 heads=1 batch=64q1s8k",
    "attention hd=64 group=8 page=16 heads=8 batch=64q1s8k",
    "attention hd=256 group=6 page=16 heads=4 batch=64q1s8k",
    /* a prefix that all share, lengths that differ, and a few query tokens */
    "attention group=4 page=16 prefixes=1 heads=8 batch=64q1s8448p8k",
    "attention group=4 page=16 heads=8 batch=1q1s128k_63q1s1k",
    "attention group=4 page=16 heads=8 batch=64q4s4k",
    "attention group=4 rows=64 page=16 heads=8 batch=64q16s4k",
    /* KV of 8 and 4 bits */
    "attention group=4 kv=e4m3 page=16 heads=8 batch=128q1s4k",
    "attention group=4 kv=int8 scale=token page=16 heads=8 batch=128q1s4k",
    "attention group=4 kv=int4 page=16 heads=8 batch=128q1s4k",
    "attention group=4 kv=nvfp4 page=16 heads=8 batch=128q1s4k",
    /* windows, sinks, caps, rotation */
    "attention hd=64 group=8 page=16 left=128 sinks=1 heads=8 batch=64q1s8k",
    "attention hd=256 group=2 page=16 left=1024 heads=8 batch=64q1s8k",
    "attention group=4 page=16 softcap=1 heads=8 batch=64q1s4k",
    "attention group=4 page=16 rope=half keys=unrotated heads=8 batch=64q1s4k",
    /* prompts, whole, and appended in chunks */
    "attention rows=128 index=csr heads=16 batch=16q1k",
    "attention rows=128 index=csr heads=16 batch=4q4k",
    "attention rows=128 index=csr heads=16 batch=1q16k",
    "attention group=4 rows=128 page=16 heads=8 batch=1q16k",
    "attention group=4 rows=128 page=16 heads=8 batch=1q512s8k",
    "attention hd=192 v_dim=128 rows=128 index=csr heads=16 batch=4q4k",
};

static bool add_line(struct case_list *list, const char *line) {
  struct bench_case what;
  return bench_case_parse(&what, line) && case_list_add(list, &what);
}

bool case_list_default(struct case_list *list) {
  bool added = true;
  for (size_t i = 0; i < sizeof usual / sizeof *usual && added; i++)
    added = add_line(list, usual[i]);
  return added;
}

static bool is_skipped(const char *line) {
  const char first = line[strspn(line, " \t\r\n")];
  return first == '\0' || first == '#';
}

bool case_list_file(struct case_list *list, const char *path) {
  struct input_lines lines;
  bool added = input_lines_open(&lines, path);
  while (added && input_lines_next(&lines))
    added = is_skipped(lines.text) || add_line(list, lines.text) || input_lines_problem(&lines, "%s", problem_last());
  if (!input_lines_close(&lines) || !added)
    return false;
  return list->count > 0 || problem_set("%s: no cases", path);
}
