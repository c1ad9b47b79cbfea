/* The reports of flashjit verify, and what is left out of them. Needs NVRTC; runs on the simulator. */
#include "command.h"

#include "files.h"

#include "tools/flashjit/redact.h"

#include <criterion/criterion.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct output output;

TestSuite(report, .init = use_simulator);

static const char *read_report(const char *path) {
  static char report[1 << 16];
  FILE *file = fopen(path, "r");
  cr_assert(file);
  report[fread(report, 1, sizeof report - 1, file)] = '\0';
  fclose(file);
  return report;
}

static void expect_absent(const char *text, const char *part) {
  cr_expect_null(strstr(text, part), "\"%s\" is in:\n%s", part, text);
}

/* A failure whose message has a path: it is in the talk, not in the report. */
Test(report, name_nobody) {
  char arguments[256], host[256] = "";
  const char *path = scratch_file("report", "");
  snprintf(arguments, sizeof arguments, "verify --report %s --specs %s", path, scratch_file("specs", "merge hd=64\n"));
  command_in(&output, "FLASHJIT_NVRTC=/home/somebody/nvrtc", arguments);
  expect_code(&output, 1);
  expect_text(output.err, "/home/somebody/nvrtc");
  const char *report = read_report(path);
  expect_text(report, "\"schema\": \"flashjit.verify\",\n  \"schema_version\": 1");
  expect_text(report, "\"driver_cuda\": \"");
  expect_text(report, "\"status\": \"FI_ERROR_NO_COMPILER\"");
  expect_text(report, "PATH");
  gethostname(host, sizeof host - 1);
  expect_absent(report, "somebody");
  expect_absent(report, scratch_folder());
  expect_absent(report, host);
}

Test(report, have_the_times_of_bench) {
  char arguments[256];
  const char *path = scratch_file("report", "");
  const char *times =
      scratch_file("times", "{\"schema\": \"flashjit.bench\", \"schema_version\": 1, \"device\": \"an A100\", "
                            "\"rows\": [{\"case\": \"decode\", \"us\": 7.5, \"reason\": \"/home/me/x\"}, "
                            "{\"case\": \"attention batch=64 of jane's.csv\", \"batch\": \"64 of jane's.csv\", "
                            "\"repro\": \"flashjit bench --batch 64 of jane's.csv\"}, "
                            "{\"case\": \"attention batch=64 of jane's.csv (0123abcd)\", "
                            "\"batch\": \"64 of jane's.csv (0123abcd)\", "
                            "\"repro\": \"flashjit bench attention --requests 64 --trace 'jane'\\\\''s.csv'\"}, "
                            "{\"repro\": \"flashjit bench append --source jane.cu\"}]}");
  snprintf(arguments, sizeof arguments, "verify --report %s --bench %s merge hd=64", path, times);
  command(&output, arguments);
  expect_code(&output, 0);
  expect_text(output.err, "# what bench has written is of another device: an A100");
  expect_text(read_report(path), "\"us\": 7.5");
  expect_text(read_report(path), "\"reason\": \"PATH\"");
  expect_text(read_report(path), "\"case\": \"attention batch=64 of a trace\"");
  expect_text(read_report(path), "\"repro\": \"flashjit bench attention --requests 64, with files\"");
  expect_text(read_report(path), "\"repro\": \"flashjit bench append, with files\"");
  expect_absent(read_report(path), "jane");
}

static void expect_redacted(const char *text, const char *expected) {
  char out[512];
  redact(text, out, sizeof out);
  cr_expect_str_eq(out, expected, "%s", out);
}

Test(report, redacts) {
  static const char *const rows[][2] = {
      {"cannot open /home/me/x: no such file", "cannot open PATH: no such file"},
      {"\"/home/me and you/x.so\" (/opt/y), 3 TB/s", "\"PATH\" (PATH), 3 TB/s"},
      {"'/home/me and you/x.so' and `/opt/y z`", "'PATH' and `PATH`"},
      {"-I/opt/x -L/opt/y \"-I/opt/me and you\" pre-K/V", "-IPATH -LPATH \"-IPATH\" pre-K/V"},
      {"</opt/x>, {/opt/y}, a|/opt/z, ./here, @/opt", "<PATH>, {PATH}, a|PATH, .PATH, @PATH"},
      {"/opt/mine.cu(3): error: x", "PATH(3): error: x"},
      {"http://cache.corp.example:8080/v1 is closed", "http:PATH:8080/v1 is closed"},
      {"K/V of 7 / 8", "K/V of 7 / 8"},
      {"dir=/var/cache", "dir=PATH"},
      {"", ""},
  };
  char out[5];
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    expect_redacted(rows[i][0], rows[i][1]);
  redact("a long line", out, sizeof out);
  cr_expect_str_eq(out, "a lo");
}

/* Blanks in them tell no end, and nothing has to stand before them. */
Test(report, redacts_known_paths) {
  setenv("HOME", "/home/jane doe/", 1);
  setenv("FLASHJIT_BUNDLES", "/srv/jane's one.fib:/srv/jane's two.fib", 1);
  setenv("FLASHJIT_CACHE_DIR", "jane/cache folder", 1);
  expect_redacted("cannot open /home/jane doe/.cache/x y: no", "cannot open PATH y: no");
  expect_redacted("x/home/jane doe", "xPATH");
  expect_redacted("/srv/jane's two.fib: damaged; jane/cache folder: full", "PATH: damaged; PATH: full");
  cr_assert_eq(chdir(scratch_folder()), 0);
  cr_assert_eq(mkdir("my own", 0700), 0);
  cr_assert_eq(chdir("my own"), 0);
  const char *path = scratch_file("my own/a b.cu", "");
  setenv("FLASHJIT_SOURCE", "a b.cu", 1);
  char line[256];
  snprintf(line, sizeof line, "%s(3): error", path);
  expect_redacted(line, "PATH(3): error");
  snprintf(line, sizeof line, "%s/my own/x: error", scratch_folder());
  expect_redacted(line, "PATH: error");
}

Test(report, redacts_names) {
  char host[256] = "", line[2048];
  const struct passwd *user = getpwuid(getuid());
  gethostname(host, sizeof host - 1);
  host[strcspn(host, ".")] = '\0';
  cr_assert(user && host[0]);
  const char *name = user->pw_name;
  snprintf(line, sizeof line, "by %s, %s@%s, %s@%s.corp-1.example. On %s: (%s)", name, name, host, name, host, host,
           host);
  expect_redacted(line, "by NAME, NAME@NAME, NAME@NAME. On NAME: (NAME)");
  snprintf(line, sizeof line, "%sling", name);
  expect_redacted(line, line);
  snprintf(line, sizeof line, "the%s %sen", host, host);
  expect_redacted(line, line);
}
