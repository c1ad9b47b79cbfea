/* Files, pipes and standard input, as all readers of the command open them. */
#include "tools/flashjit/input.h"

#include "command.h"
#include "files.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/trace.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void shell(const char *line) {
  char *whole = NULL;
  cr_assert_geq(asprintf(&whole, "cd %s && { %s; }", scratch_folder(), line), 0);
  cr_assert_eq(system(whole), 0, "%s", whole);
  free(whole);
}

static const char *pipe_path(void) {
  static char path[128];
  snprintf(path, sizeof path, "%s/pipe", scratch_folder());
  shell("mkfifo pipe");
  return path;
}

static void expect_lines(const char *path, const char *all) {
  struct input_lines lines;
  char found[256] = "";
  cr_assert(input_lines_open(&lines, path), "%s", problem_last());
  while (input_lines_next(&lines))
    strncat(found, lines.text, sizeof found - strlen(found) - 1);
  cr_expect(input_lines_close(&lines), "%s", problem_last());
  cr_expect_str_eq(found, all);
}

/* One that comes late, one that is silent for longer than a pipe is waited for, and one that has gone. */
Test(input, writers_of_pipes_are_waited_for) {
  const char *path = pipe_path();
  shell("(sleep 0.5; echo one; sleep 0.5; echo two) > pipe & :");
  expect_lines(path, "one\ntwo\n");
  shell("(sleep 0.5; printf 'one\ntwo' > pipe) & :");
  expect_lines(path, "one\ntwo");
  shell("(sleep 4; echo one) > pipe & :");
  expect_lines(path, "one\n");
  shell(": > pipe & :");
  expect_lines(path, "");
}

/* What a shell makes of <(...), also where nothing comes at first, and files on standard input. */
Test(input, standard_input_and_substituted_commands) {
  static const char *const sources[] = {"<(sleep 0.3; echo merge)", "- < specs", "/dev/stdin < specs",
                                        "/dev/stdin < <(cat specs)"};
  char line[512];
  scratch_file("specs", "# one\n\nmerge\n");
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    snprintf(line, sizeof line, "bash -c 'FLASHJIT_CACHE_DIR=cache %s build --json --target sm_90a --specs %s' >&2",
             FLASHJIT_COMMAND, sources[i]);
    shell(line);
  }
  snprintf(line, sizeof line, "bash -c '! timeout 60 %s build --target sm_90a --specs <(:) 2>&1 | grep never'",
           FLASHJIT_COMMAND);
  shell(line);
}

Test(input, pipes_without_a_writer) {
  static const char *const commands[] = {"specs --model pipe",
                                         "run --model " MODEL("Qwen3-0.6B") " --trace pipe",
                                         "build --target sm_90a --specs pipe",
                                         "bench --cases pipe",
                                         "bench --baseline pipe",
                                         "build --target sm_90a --snippet logit:pipe attention"};
  char lines[sizeof commands / sizeof *commands * 512 + 32] = "";
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) { /* at once, as each waits a little */
    const size_t length = strlen(lines);
    snprintf(lines + length, sizeof lines - length,
             "(FLASHJIT_DRIVER=sim timeout 60 %s %s 2>&1 | grep -q 'pipe: a pipe that nobody writes into' || "
             "echo '%s' | tee -a failed >&2) & ",
             FLASHJIT_COMMAND, commands[i], commands[i]);
  }
  strcat(lines, "wait; test ! -e failed");
  pipe_path();
  shell(lines);
}

Test(input, a_byte_0_is_in_no_line) {
  struct trace trace;
  char path[128];
  shell("printf 'ContextTokens,GeneratedTokens\n1,\\0002\n' > lines");
  snprintf(path, sizeof path, "%s/lines", scratch_folder());
  cr_expect_not(trace_read(&trace, path, 9));
  cr_expect_not_null(strstr(problem_last(), "lines:2: it has a byte 0"), "%s", problem_last());
}
