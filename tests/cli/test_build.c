/* flashjit build: compiling, resuming, failing and being stopped. Needs NVRTC, no GPU. */
#include "command.h"

#include "files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct output output;

static void build(const char *specs, const char *more) {
  char arguments[512];
  snprintf(arguments, sizeof arguments, "build --specs %s --target sm_90a %s", scratch_file("specs", specs), more);
  command(&output, arguments);
}

Test(build, compiles_once) {
  static const char specs[] = "# two kernels\n\n  plan\r\nmerge hd=64\n";
  build(specs, "-j 2");
  expect_code(&output, 0);
  expect_text(output.out, "2 kernels: 2 compiled");
  expect_text(output.err, "[2/2] compiled in ");
  build(specs, "-j 1");
  expect_code(&output, 0);
  expect_text(output.out, "2 kernels: 0 compiled");
  expect_text(output.out, "2 in the cache");
  expect_text(output.err, "cached: merge hd=64 (sm_90a)");
}

Test(build, several_targets) {
  build("plan\n", "--target sm_80,sm_90a,compute_90a");
  expect_code(&output, 0);
  expect_text(output.out, "3 kernels: 3 compiled");
}

/* One that cannot be built does not keep the others from it. */
Test(build, failures_are_reported) {
  setenv("FLASHJIT_NVRTC", "/no/libnvrtc.so", 1);
  build("plan\nmerge\n", "-j 1");
  expect_code(&output, 1);
  expect_text(output.out, "0 compiled");
  expect_text(output.out, "2 failed");
  expect_text(output.err, "failed: plan (sm_90a): ");
  expect_text(output.err, "failed: merge (sm_90a): ");
}

/* It is made to be shipped, and another user may run it. Only the lock is the owner's. */
Test(build, what_it_makes_every_user_may_read) {
  char text[512];
  umask(022);
  snprintf(text, sizeof text, "FLASHJIT_CACHE_DIR=%s/shared", scratch_folder());
  char arguments[512];
  snprintf(arguments, sizeof arguments, "build --specs %s --target sm_90a", scratch_file("specs", "plan\n"));
  command_in(&output, text, arguments);
  expect_code(&output, 0);
  snprintf(text, sizeof text, "test -d %s/shared/v1 && find %s/shared ! -name flashjit.lock ! -perm -004 | grep -q .",
           scratch_folder(), scratch_folder());
  cr_expect_eq(WEXITSTATUS(system(text)), 1, "something is for its owner alone");
}

/* Nothing is compiled that cannot be kept, and the reason is told once. */
Test(build, unusable_cache_is_told_once) {
  static const struct {
    const char *environment;
    const char *reason;
  } rows[] = {
      {"FLASHJIT_CACHE_DIR=/dev/null/cache", "no kernel can be kept: /dev/null/cache: "},
      {"FLASHJIT_CACHE_DIR=", "no kernel can be kept: FLASHJIT_CACHE_DIR is empty"},
      {"-u FLASHJIT_CACHE_DIR -u XDG_CACHE_HOME -u HOME", "no kernel can be kept: none of FLASHJIT_CACHE_DIR"},
      {"FLASHJIT_MODE=off", "FLASHJIT_MODE is \"off\"; it must be on, load_only or memory_only"},
  };
  const char *specs = scratch_file("specs", "plan\nmerge\n");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char arguments[512];
    snprintf(arguments, sizeof arguments, "build --specs %s --target sm_90a,sm_80 -j 2", specs);
    command_in(&output, rows[i].environment, arguments);
    expect_code(&output, 1);
    cr_expect_str_empty(output.out);
    expect_text(output.err, rows[i].reason);
    cr_expect_eq(strchr(output.err, '\n'), output.err + strlen(output.err) - 1, "%s", output.err);
  }
}

/* A read-only folder that is missing keeps nobody from the user's. */
Test(build, other_cache_problems_do_not_matter) {
  setenv("FLASHJIT_CACHE_RO", "/no/such/folder", 1);
  build("merge\n", "-j 1");
  expect_code(&output, 0);
  expect_text(output.out, "1 kernels: 1 compiled");
}

/* The target that is missing is missing for all. */
Test(build, unknown_target_is_told_once) {
  char arguments[256];
  setenv("FLASHJIT_DRIVER", "/no/libcuda.so", 1);
  snprintf(arguments, sizeof arguments, "build --specs %s -j 2", scratch_file("specs", "plan\nmerge\n"));
  command(&output, arguments);
  expect_code(&output, 1);
  cr_expect_str_empty(output.out);
  expect_text(output.err, "flashjit: no target is given, and no device tells one: ");
  cr_expect_eq(strchr(output.err, '\n'), output.err + strlen(output.err) - 1, "%s", output.err);
}

Test(build, target_of_the_device) {
  char arguments[256];
  use_simulator();
  snprintf(arguments, sizeof arguments, "build --specs %s -j 1", scratch_file("specs", "merge\n"));
  command(&output, arguments);
  expect_code(&output, 0);
  expect_text(output.out, "1 kernels: 1 compiled");
  expect_text(output.err, "compiled in ");
  expect_text(output.err, ": merge (compute_90a)");
}

Test(build, wrong_lines_are_named) {
  build("plan\nmerge\nattention hd=7\n", "");
  expect_code(&output, 1);
  expect_text(output.err, "specs:3: ");
  char line[256];
  snprintf(line, sizeof line, "printf 'plan\\n\\000\\n' >%s/zero", scratch_folder());
  cr_assert_eq(system(line), 0);
  snprintf(line, sizeof line, "build --target sm_90a --specs %s/zero", scratch_folder());
  command(&output, line);
  expect_code(&output, 1);
  expect_text(output.err, "zero:2: it has a byte 0");
}

static size_t count_text(const char *text, const char *part) {
  size_t count = 0;
  for (const char *at = text; (at = strstr(at, part)); at++)
    count++;
  return count;
}

/* Rows left open stand for several kernels, each of which is a job, as are the plan kernels that they need together and
 * alone. Each is the work of its own job, however many there are at a time, and whoever else asks for it. */
Test(build, kernels_of_open_rows) {
  static const char specs[] = "attention hd=32 group=33\nappend hd=32\nattention hd=32 group=33 rows=128\n"
                              "attention hd=32 group=33\n";
  build(specs, "-j 3");
  expect_code(&output, 0);
  expect_text(output.out, "6 kernels: 6 compiled");
  expect_text(output.err, ": plan (");
  expect_text(output.err, ": plan members=1 (");
  expect_text(output.err, ": plan members=2 (");
  expect_text(output.err, ": attention hd=32 group=33 rows=64 (");
  expect_text(output.err, ": attention hd=32 group=33 rows=128 (");
  build(specs, "-j 3 --json");
  cr_expect_eq(count_text(output.out, "\"from\": \"user\""), 6, "%s", output.out);
  command(&output, "cache rm --all");
  build(specs, "-j 3 --json");
  cr_expect_eq(count_text(output.out, "\"from\": \"compiled\""), 6, "%s", output.out);
}

/* A file of more specs than a test has time for. */
static const char *many_specs(void) {
  char specs[2048] = "";
  for (int group = 1; group <= 64; group++) {
    size_t used = strlen(specs);
    snprintf(specs + used, sizeof specs - used, "attention group=%d rows=64\n", group);
  }
  return scratch_file("many", specs);
}

/* Starts a long build in a process group of its own, as a shell does. */
static pid_t start_build(const char *specs, const char *out) {
  char cache[128];
  snprintf(cache, sizeof cache, "%s/cache", scratch_folder());
  setenv("FLASHJIT_CACHE_DIR", cache, 1);
  pid_t pid = fork();
  cr_assert_geq(pid, 0);
  if (pid == 0) {
    setpgid(0, 0);
    int file = open(out, O_WRONLY | O_TRUNC);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    execl(FLASHJIT_COMMAND, FLASHJIT_COMMAND, "build", "--specs", specs, "--target", "sm_90a", "-j", "2", (char *)NULL);
    _exit(127);
  }
  return pid;
}

static void wait_for_text(const char *path, const char *text) {
  static char content[OUTPUT_SIZE];
  for (int tries = 0; tries < 1200; tries++) { /* a minute */
    FILE *file = fopen(path, "r");
    size_t size = fread(content, 1, sizeof content - 1, file);
    content[size] = '\0';
    fclose(file);
    if (strstr(content, text))
      return;
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  }
  cr_assert_fail("no \"%s\" in a minute: %s", text, content);
}

/* Whether any process of the group is left. */
static bool group_lives(pid_t group) {
  return kill(-group, 0) == 0;
}

/* Ctrl-C reaches the whole group, kill only the parent: either way all stop, and what was cached is good. */
Test(build, stops_when_told, .timeout = 300) {
  static const int signals[] = {SIGINT, SIGTERM};
  for (int i = 0; i < 2; i++) {
    int status;
    const char *out = scratch_file("build-output", "");
    pid_t pid = start_build(many_specs(), out);
    wait_for_text(out, "[1/");
    kill(signals[i] == SIGINT ? -pid : pid, signals[i]);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 128 + signals[i], "status 0x%x", status);
    cr_expect_not(group_lives(pid), "workers are left");
    wait_for_text(out, "not done");
  }
}

/* Also while workers are being started, which then have the parent's way with signals for a moment. */
Test(build, stops_when_told_at_once, .timeout = 120) {
  const char *specs = many_specs();
  const char *out = scratch_file("build-output", "");
  for (int i = 0; i < 40; i++) {
    int status;
    const pid_t pid = start_build(specs, out);
    nanosleep(&(struct timespec){.tv_nsec = 1000000 * i}, NULL);
    kill(pid, SIGTERM);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFSIGNALED(status) || WEXITSTATUS(status) == 128 + SIGTERM, "after %d ms: status 0x%x", i, status);
  }
}
