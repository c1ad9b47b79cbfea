/* flashjit explain and flashjit doctor: what they say of a spec and of a machine. Needs NVRTC, no GPU. */
#include "command.h"

#include "files.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static struct output output;

Test(explain, what_is_not_cached) {
  command(&output, "explain attention group=4 page=16");
  expect_code(&output, 0);
  expect_text(output.out, "spec     attention group=4 rows=16 page=16\ntarget   sm_90a\nkernel   flashjit_attention\n");
  expect_text(output.out, "16 rows");
  expect_text(output.out, "spec     attention group=4 rows=32 page=16\ntarget   sm_90a\nkernel   flashjit_attention\n");
  expect_text(output.out,
              "spec     attention group=4 rows=128 page=16\ntarget   sm_90a\nkernel   flashjit_attention\n");
  expect_text(output.out, "options --gpu-architecture=sm_90a ");
  expect_text(output.out, "cache    not found: libnvrtc ");
  command_in(&output, "FLASHJIT_NVRTC=/no/nvrtc", "explain merge");
  expect_code(&output, 0);
  expect_text(output.out, "not found, and there is no libnvrtc");
}

/* All kernels of open rows are in the document of the first. */
Test(explain, others_in_json) {
  command(&output, "explain attention group=4 page=16 --json");
  expect_code(&output, 0);
  json_t *document = json_loads(output.out, 0, NULL);
  const json_t *others = json_object_get(document, "others");
  cr_expect_str_eq(json_string_value(json_object_get(document, "spec")), "attention group=4 rows=16 page=16");
  cr_assert_eq(json_array_size(others), 3, "%s", output.out);
  cr_expect_str_eq(json_string_value(json_object_get(json_array_get(others, 1), "spec")),
                   "attention group=4 rows=128 page=16");
  cr_expect_str_eq(json_string_value(json_object_get(json_array_get(others, 2), "spec")), "plan members=2");
  json_decref(document);
}

/* What is said of a plan kernel is what a context does that may not compile. */
Test(explain, plan_kernels) {
  char arguments[256];
  static const char stands_in[] = "the cached plan kernel with members=2 is used";
  snprintf(arguments, sizeof arguments, "build --specs %s --target sm_90a",
           scratch_file("specs", "merge hd=32\nplan members=2\n"));
  command(&output, arguments);
  expect_code(&output, 0);
  command(&output, "explain attention group=4 rows=16");
  expect_text(output.out, "\nspec     plan\n");
  expect_text(output.out, stands_in);
  command(&output, "explain attention group=4");
  expect_text(output.out, "\nspec     plan members=2\n");
  expect_text(output.out, "cache    found: user");
  cr_expect_null(strstr(output.out, stands_in), "%s", output.out);
  command(&output, "explain attention group=4 page=16 prefixes=1");
  expect_text(output.out, "\nspec     plan intervals=2 prefixes=1 members=2\n");
  cr_expect_str_empty(output.err);
  command(&output, "explain merge");
  cr_expect_null(strstr(output.out, "spec     plan"), "%s", output.out);
}

/* The key is the one under which the cache has the kernel. */
Test(explain, what_is_cached) {
  char arguments[256], key[64];
  snprintf(arguments, sizeof arguments, "build --specs %s --target sm_80", scratch_file("specs", "merge hd=64\n"));
  command(&output, arguments);
  command(&output, "cache ls --json");
  const char *at = strstr(output.out, "\"key\": \"");
  cr_assert(at, "%s", output.out);
  snprintf(key, sizeof key, "key      %.32s\n", at + 8);
  command(&output, "explain --target sm_80 merge hd=64");
  expect_code(&output, 0);
  expect_text(output.out, key);
  expect_text(output.out, "cache    found: user, of nv");
  command(&output, "explain --target sm_80 merge hd=64 --json");
  expect_text(output.out, "\"schema\": \"flashjit.explain\",\n  \"schema_version\": 1");
  expect_text(output.out, "\"layer\": \"user\"");
}

Test(explain, what_has_no_kernel) {
  command(&output, "explain attention group=64 rows=16");
  expect_code(&output, 1);
  expect_text(output.out, "no kernel: ");
  command(&output, "explain attention group=64 rows=16 --json");
  expect_code(&output, 1);
  expect_text(output.out, "\"supported\": false");
}

Test(explain, mistakes_are_told) {
  static const struct {
    const char *arguments;
    const char *text;
  } rows[] = {
      {"explain", "the spec is missing"},
      {"explain attention hd=7", "hd"},
      {"explain merge --target sm_1", "--target"},
      {"doctor x", "unexpected argument \"x\""},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    command(&output, rows[i].arguments);
    expect_code(&output, 2);
    expect_text(output.err, rows[i].text);
    cr_expect_str_empty(output.out, "%s", rows[i].arguments);
  }
}

/* -------------------------------------------------------------------------------- doctor */

/* Nothing is wrong, and each thing that can be spoiled is found with a remedy. */
Test(doctor, a_healthy_machine) {
  command_in(&output, "FLASHJIT_DRIVER=sim", "doctor");
  expect_code(&output, 0);
  expect_text(output.out, "fine     driver      CUDA ");
  expect_text(output.out, "fine     compiler    ");
  expect_text(output.out, "fine     cache       ");
  cr_expect_null(strstr(output.out, "->"), "%s", output.out);
  command_in(&output, "FLASHJIT_DRIVER=sim", "doctor --json");
  expect_text(output.out, "\"schema\": \"flashjit.doctor\",\n  \"schema_version\": 1,\n  \"verdict\": \"fine\"");
}

/* As services are started that set all variables, some to nothing. */
Test(doctor, empty_variables_are_as_if_not_set) {
  command_in(&output,
             "FLASHJIT_DRIVER=sim FLASHJIT_LOCK_DIR= FLASHJIT_MISS_LOG= FLASHJIT_SOURCE= FLASHJIT_TARGET= "
             "FLASHJIT_BUNDLES= FLASHJIT_CACHE_RO= FLASHJIT_HTTP_URL= FLASHJIT_HTTP_CA=",
             "doctor");
  expect_code(&output, 0);
  cr_expect_null(strstr(output.out, "->"), "%s", output.out);
  command_in(&output, "FLASHJIT_NVRTC= FLASHJIT_DRIVER=", "doctor");
  expect_text(output.out, "compiler    libnvrtc.so.1"); /* found or not */
}

Test(doctor, finds_what_is_wrong) {
  static const struct {
    const char *environment;
    int code;
    const char *finding;
    const char *remedy;
  } rows[] = {
      {"FLASHJIT_DRIVER=/no/driver", 0, "warning  driver      /no/driver cannot be opened",
       "-> install the NVIDIA driver"},
      {"FLASHJIT_NVRTC=/no/nvrtc", 0, "warning  compiler    /no/nvrtc cannot be opened", "-> install NVRTC"},
      {"FLASHJIT_CACHE_DIR=/dev/null/x", 1, "problem  cache       /dev/null/x: ", "-> mend what is named"},
      {"FLASHJIT_CACHE_DIR=", 1, "problem  cache       there is no cache directory", "-> set FLASHJIT_CACHE_DIR"},
      {"FLASHJIT_BUNDLES=/no/such", 0, "warning  cache       /no/such: does not exist", "-> mend what is named"},
      {"FLASHJIT_MISS_LOG=/no/log", 0, "warning  miss log    /no/log cannot be opened: No such file",
       "-> set FLASHJIT_MISS_LOG"},
      {"FLASHJIT_LOCK_DIR=/dev/null/y", 0, "warning  lock        no locks", "-> set FLASHJIT_LOCK_DIR"},
      {"FLASHJIT_HTTP_URL=http://127.0.0.1:1", 0,
       "warning  http        http://127.0.0.1:1 does not answer: ", "-> see that the server runs"},
      {"FLASHJIT_HTTP_URL=cache.local", 1, "problem  http        FLASHJIT_HTTP_URL is refused: it begins with http://",
       "-> mend FLASHJIT_HTTP_URL"},
      {"FLASHJIT_HTTP_URL=http://127.0.0.1:1 FLASHJIT_HTTP_TOKEN='a b'", 1, "problem  http        http://127.0.0.1:1 ",
       "-> mend FLASHJIT_HTTP_TOKEN"},
      {"FLASHJIT_SOURCE=/no/mine.cu", 1, "problem  context     FLASHJIT_SOURCE: cannot read /no/mine.cu: No such file",
       "-> mend what is named"},
      {"FLASHJIT_SOURCE=/dev/null", 1, "problem  context     FLASHJIT_SOURCE: /dev/null is no regular file",
       "-> mend what is named"},
      {"FLASHJIT_TARGET=sm_1", 1, "problem  context     ", "-> mend what is named"},
      {"FLASHJIT_BUNDLE_KEY=12", 1, "problem  context     ", "-> mend what is named"},
      {"FLASHJIT_HTTP_URL=http://127.0.0.1:1 "
       "FLASHJIT_BUNDLE_KEY=d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
       0, "not used: FLASHJIT_BUNDLE_KEY", "-> unset FLASHJIT_BUNDLE_KEY or FLASHJIT_HTTP_URL"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char environment[256];
    snprintf(environment, sizeof environment, "FLASHJIT_DRIVER=sim %s", rows[i].environment);
    command_in(&output, environment, "doctor");
    expect_code(&output, rows[i].code);
    expect_text(output.out, rows[i].finding);
    expect_text(output.out, rows[i].remedy);
  }
}

/* The command and the library where the simulator is not. */
Test(doctor, a_simulator_that_is_not_there) {
  char line[1024];
  char found[4096] = "";
  snprintf(line, sizeof line,
           "cd %s && cp %s . && (cp -L $(dirname %s)/libflashjit.so.0 . || :) && "
           "env -u LD_LIBRARY_PATH FLASHJIT_DRIVER=sim ./flashjit doctor",
           scratch_folder(), FLASHJIT_COMMAND, FLASHJIT_COMMAND);
  FILE *file = popen(line, "r");
  found[fread(found, 1, sizeof found - 1, file)] = '\0';
  pclose(file);
  expect_text(found, "warning  driver      libflashjit-sim.so, the simulator of FLASHJIT_DRIVER=sim, cannot be opened");
  expect_text(found, "-> install libflashjit-sim.so with the command, or unset FLASHJIT_DRIVER");
}

/* A host that loads what it was shipped, and has neither a compiler nor a disk to write to, lacks nothing. One whose
 * bundle is for another target, or is missing, does. */
Test(doctor, hosts_that_load_bundles) {
  static const struct {
    const char *environment;
    int code;
    const char *finding;
  } rows[] = {
      {"FLASHJIT_MODE=load_only FLASHJIT_CACHE_DIR=/dev/null/x", 0, "fine     cache       /dev/null/x: "},
      {"FLASHJIT_MODE=load_only FLASHJIT_CACHE_DIR=", 0,
       "fine     cache       there is no cache directory: nothing is written\n"},
      {"FLASHJIT_CACHE_DIR=/dev/null/x", 0, "warning  cache       /dev/null/x: "},
      {"FLASHJIT_MODE=load_only FLASHJIT_CACHE_RO=/no/folder", 0, "warning  cache       /no/folder: does not exist"},
      {"FLASHJIT_TARGET=sm_80", 0, "5 kernels, 0 of them for sm_80, 0 damaged\n"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char *environment;
    cr_assert(asprintf(&environment, "FLASHJIT_DRIVER=sim FLASHJIT_BUNDLES=%s %s",
                       TEST_DATA "/../cache/data/bundle-v1.fib", rows[i].environment) > 0);
    command_in(&output, environment, "doctor");
    free(environment);
    expect_code(&output, rows[i].code);
    expect_text(output.out, rows[i].finding);
    expect_text(output.out, i < 4 ? "fine     bundle      " : "warning  bundle      ");
  }
}

/* A URL that is refused may hold a password. */
Test(doctor, passwords_are_not_told) {
  static const char *const verbs[] = {"doctor",        "doctor --json",       "cache stats", "cache stats --json",
                                      "explain merge", "explain --json merge"};
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    command_in(&output, "FLASHJIT_DRIVER=sim FLASHJIT_HTTP_URL=https://jane:secret@cache.local/v1", verbs[i]);
    expect_text(i < 4 ? output.out : output.err, "it has no user, password");
    cr_expect_null(strstr(output.out, "secret"), "%s", output.out);
    cr_expect_null(strstr(output.err, "secret"), "%s", output.err);
  }
}

/* A machine that must not compile needs no compiler. */
Test(doctor, load_only_needs_no_compiler) {
  command_in(&output, "FLASHJIT_DRIVER=sim FLASHJIT_NVRTC=/no/nvrtc FLASHJIT_MODE=load_only", "doctor");
  expect_code(&output, 0);
  expect_text(output.out, "fine     compiler    /no/nvrtc cannot be opened");
  cr_expect_null(strstr(output.out, "->"), "%s", output.out);
}

Test(doctor, finds_damaged_kernels) {
  command(&output, "bundle install " TEST_DATA "/../cache/data/bundle-v1.fib");
  char *line;
  cr_assert(asprintf(&line, "cd %s/cache && truncate -s 100 $(ls v1/*/*.fik | head -n 1)", scratch_folder()) > 0);
  cr_assert_eq(WEXITSTATUS(system(line)), 0);
  free(line);
  command_in(&output, "FLASHJIT_DRIVER=sim", "doctor");
  expect_code(&output, 0);
  expect_text(output.out, "warning  entries     4 kernels, 1 damaged");
  expect_text(output.out, "-> flashjit cache verify --repair");
}

/* Files of a shipped folder that are not read are none of its kernels: which, and why. */
Test(doctor, finds_shipped_kernels_that_are_not_read) {
  static const struct {
    const char *change; /* of the first of five kernels */
    const char *finding;
    const char *reason;
    const char *remedy;
  } rows[] = {
      {"chmod 666", "warning  read-only   ", "4 kernels, 4 of them for compute_90a, 0 damaged; /",
       "-> mend what is named here"},
      {"truncate -s 100", "warning  read-only   ", "4 kernels, 4 of them for compute_90a, 1 damaged; /",
       "-> make it anew"},
      {"true", "fine     read-only   ", "5 kernels, 5 of them for compute_90a, 0 damaged\n", ""},
  };
  char environment[256];
  snprintf(environment, sizeof environment, "FLASHJIT_DRIVER=sim FLASHJIT_CACHE_RO=%s/shipped", scratch_folder());
  command(&output, "bundle install " TEST_DATA "/../cache/data/bundle-v1.fib");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char *line;
    cr_assert(asprintf(&line,
                       "cd %s && rm -rf shipped && cp -rp cache shipped && %s $(ls shipped/v1/*/*.fik | head -n 1)",
                       scratch_folder(), rows[i].change) > 0);
    cr_assert_eq(WEXITSTATUS(system(line)), 0);
    free(line);
    command_in(&output, environment, "doctor");
    expect_code(&output, 0);
    expect_text(output.out, rows[i].finding);
    expect_text(output.out, rows[i].reason);
    expect_text(output.out, rows[i].remedy);
  }
}

Test(doctor, wrong_values_of_variables) {
  command_in(&output, "FLASHJIT_MODE=off", "doctor");
  expect_code(&output, 1);
  expect_text(output.err, "FLASHJIT_MODE is \"off\"");
}
