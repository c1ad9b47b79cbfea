/* flashjit bench --peers on the simulator, with a peer of plain Python: this library's package on the same arrays. */
#include "tests/cli/command.h"
#include "tests/cli/files.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct output output;

#define PACKAGE                                                                                                        \
  "FLASHJIT_DRIVER=sim FLASHJIT_SIM_QUIET=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=" PYTHON_PACKAGE                      \
  " FLASHJIT_LIBRARY=" FLASHJIT_SHARED_LIBRARY " "
#define FROM " --peers-from " FAKE_PEERS
#define SMALL "bench -o json attention hd=32 group=2 page=4 --heads 1 --batch 2q1s9,1q3s5 --peers fake" FROM

static json_t *rows_of(json_t *whole) {
  return json_object_get(whole, "rows");
}

static const char *text_of(const json_t *row, const char *key) {
  const char *text = json_string_value(json_object_get(row, key));
  return text ? text : "";
}

static json_t *run(const char *environment, const char *arguments, int code, size_t rows) {
  char all[2048];
  snprintf(all, sizeof all, PACKAGE "%s", environment);
  command_in(&output, all, arguments);
  expect_code(&output, code);
  json_t *whole = json_loads(output.out, 0, NULL);
  cr_assert_eq(json_array_size(rows_of(whole)), rows, "%s%s", output.out, output.err);
  return whole;
}

static void expect_row(const json_t *row, const char *provider, const char *status) {
  cr_expect_str_eq(text_of(row, "provider"), provider);
  cr_expect_str_eq(text_of(row, "status"), status, "%s: %s", provider, text_of(row, "reason"));
  cr_expect(json_is_true(json_object_get(row, "simulated")));
}

Test(peers, unknown) {
  command_in(&output, PACKAGE, "bench attention --batch 1q1 --peers fake,fa9" FROM);
  expect_code(&output, 1);
  expect_text(output.err, "there is no peer 'fa9'; there are fa3, fake, flashinfer");
}

/* Noise of a peer on standard output is no answer, and each output is checked. */
Test(peers, two_cases) {
  json_t *whole = run("", SMALL, 0, 4);
  for (size_t i = 0; i < 4; i++) {
    const json_t *row = json_array_get(rows_of(whole), i);
    expect_row(row, i % 2 == 0 ? "flashjit" : "fake", "ok");
    cr_expect_gt(json_number_value(json_object_get(row, "error")), 0);
    cr_expect_str_eq(text_of(row, "batch"), i < 2 ? "2q1s9" : "1q3s5");
  }
  cr_expect_str_eq(text_of(json_array_get(rows_of(whole), 1), "version"), "1.5");
  expect_text(text_of(json_array_get(rows_of(whole), 1), "repro"), "--peers fake --peers-from /");
  json_decref(whole);
}

/* What peers do wrong is told, and no failure of this library. */
Test(peers, wrong_failing_and_absent) {
  json_t *whole = run("FLASHJIT_FAKE_PEER=wrong", SMALL, 0, 4);
  expect_row(json_array_get(rows_of(whole), 0), "flashjit", "ok");
  expect_row(json_array_get(rows_of(whole), 1), "fake", "wrong");
  json_decref(whole);
  whole = run("FLASHJIT_FAKE_PEER=fails", SMALL, 0, 4);
  expect_row(json_array_get(rows_of(whole), 1), "fake", "failed");
  cr_expect_str_eq(text_of(json_array_get(rows_of(whole), 1), "reason"), "RuntimeError: no room for it");
  json_decref(whole);
  whole = run("FLASHJIT_FAKE_PEER=absent", SMALL, 0, 2);
  cr_expect_str_eq(text_of(json_object_get(whole, "absent"), "fake"), "it is not here");
  expect_text(output.err, "peer fake is absent: it is not here");
  json_decref(whole);
}

/* V is the first dims of K, for peers as for this library. */
Test(peers, latents) {
  json_t *whole = run("",
                      "bench -o json attention hd=160 v_dim=128 group=8 page=16 v_source=keys --heads 1 "
                      "--batch 2q1s20 --peers fake" FROM,
                      0, 2);
  expect_row(json_array_get(rows_of(whole), 0), "flashjit", "ok");
  expect_row(json_array_get(rows_of(whole), 1), "fake", "ok");
  json_decref(whole);
}

/* Peers get the pages that requests share, once. */
Test(peers, shared_prefixes) {
  json_t *whole = run("",
                      "bench -o json attention hd=32 group=2 page=4 prefixes=1 --heads 1 --batch 3q1s14p9,2q3s7p4 "
                      "--peers fake" FROM,
                      0, 4);
  for (size_t row = 0; row < 4; row++)
    expect_row(json_array_get(rows_of(whole), row), row % 2 ? "fake" : "flashjit", "ok");
  json_decref(whole);
}

/* What was told before the process died is kept, and this library goes on alone. */
Test(peers, dying_in_the_second_case) {
  json_t *whole = run("FLASHJIT_FAKE_PEER=dies", SMALL, 1, 3);
  expect_text(output.err, "with peers was stopped by signal 9");
  expect_row(json_array_get(rows_of(whole), 0), "flashjit", "ok");
  expect_row(json_array_get(rows_of(whole), 1), "fake", "ok");
  expect_row(json_array_get(rows_of(whole), 2), "flashjit", "ok");
  cr_expect_str_eq(text_of(json_array_get(rows_of(whole), 2), "batch"), "1q3s5");
  json_decref(whole);
}

/* Whether a process runs; one that has ended may stay a zombie, where nobody asks for it. */
static bool is_running(const char *pid) {
  char path[64];
  char state = 'Z';
  snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
  FILE *file = fopen(path, "r");
  if (file && fscanf(file, "%*d %*s %c", &state) != 1)
    state = 'Z';
  if (file)
    fclose(file);
  return state != 'Z' && state != 'X';
}

/* The peer kills bench, and would then sleep for a minute. */
Test(peers, end_with_the_command) {
  char all[2048];
  char pid[32] = "";
  const char *path = scratch_file("pid", "");
  snprintf(all, sizeof all, PACKAGE "FLASHJIT_FAKE_PEER=orphan FLASHJIT_FAKE_PID=%s", path);
  command_in(&output, all, SMALL);
  expect_code(&output, 128 + SIGKILL);
  FILE *file = fopen(path, "r");
  cr_assert(file && fgets(pid, sizeof pid, file), "no peer was there");
  fclose(file);
  for (int tenths = 0; tenths < 100 && is_running(pid); tenths++)
    usleep(100 * 1000);
  cr_expect_not(is_running(pid));
}

/* Q and K that are rotated by the kernel, and K and V of 8 bits. */
Test(peers, rotated_and_of_8_bits) {
  static const char *const specs[] = {"rope=half keys=unrotated", "rope=half", "kv=e4m3"};
  for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
    char arguments[512];
    snprintf(arguments, sizeof arguments,
             "bench -o json attention hd=32 group=2 page=4 %s --heads 1 --batch 2q3s9 --peers fake" FROM, specs[i]);
    json_t *whole = run("", arguments, 0, 2);
    expect_row(json_array_get(rows_of(whole), 0), "flashjit", "ok");
    expect_row(json_array_get(rows_of(whole), 1), "fake", "ok");
    json_decref(whole);
  }
}

/* Without its Python package no peer can be timed: each is told with the reason in the table, which has our rows. */
Test(peers, without_the_package) {
  command_in(&output, "FLASHJIT_DRIVER=sim FLASHJIT_SIM_QUIET=1 PYTHONPATH=",
             "bench attention hd=32 page=4 --heads 1 --batch 1q1s9 --peers fa3,fake" FROM);
  expect_code(&output, 0);
  expect_text(output.out, "Without fa3: the Python package flashjit is missing; PYTHONPATH may name tools/python");
  expect_text(output.out, "Without fake: the Python package");
  expect_text(output.out, "| ok ");
}

/* A case that peers have no inputs for is this library's alone. */
Test(peers, cases_of_ours_alone) {
  json_t *whole = run("", "bench -o json attention hd=32 page=4 kv=int8 --batch 1q1s9 --peers fake" FROM, 0, 2);
  expect_row(json_array_get(rows_of(whole), 0), "flashjit", "ok");
  expect_row(json_array_get(rows_of(whole), 1), "fake", "skipped");
  cr_expect_str_eq(text_of(json_array_get(rows_of(whole), 1), "reason"),
                   "there are no inputs for peers where kv_dtype is int8");
  json_decref(whole);
}

Test(peers, without_a_python) {
  command_in(&output, "FLASHJIT_DRIVER=sim", SMALL " --python /nowhere/python");
  expect_code(&output, 1);
  expect_text(output.err, "/nowhere/python: No such file");
  expect_text(output.err, "/nowhere/python with peers exited with 127");
  command_in(&output, "FLASHJIT_DRIVER=sim", "bench attention --batch 1q1" FROM);
  expect_code(&output, 2);
  expect_text(output.err, "--peers-from goes with --peers");
}
