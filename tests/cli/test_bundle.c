/* flashjit bundle: what it makes is the same every time, serves where nothing can be compiled or written, and is
 * refused when it is not what it should be. Needs NVRTC, no GPU. */
#include "command.h"

#include "files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct output output;

/* `bundle create` of these specs into a file of the scratch folder. */
static const char *create(const char *name, const char *environment, const char *specs, const char *more) {
  static char paths[4][128];
  static int calls;
  char *path = paths[calls++ % 4];
  char arguments[1024];
  snprintf(path, sizeof paths[0], "%s/%s", scratch_folder(), name);
  snprintf(arguments, sizeof arguments, "bundle create %s --specs %s --target sm_90a %s", path,
           scratch_file("specs", specs), more);
  command_in(&output, environment, arguments);
  return path;
}

static void on_bundle(const char *environment, const char *verb, const char *path, const char *more) {
  char arguments[512];
  snprintf(arguments, sizeof arguments, "bundle %s %s %s", verb, path, more);
  command_in(&output, environment, arguments);
}

/* Reads a file of the scratch folder; the length is in *size. */
static char *bytes_of(const char *path, size_t *size) {
  static char bytes[2][1 << 18];
  static int calls;
  char *buffer = bytes[calls++ % 2];
  FILE *file = fopen(path, "rb");
  cr_assert_not_null(file, "%s", path);
  *size = fread(buffer, 1, sizeof bytes[0], file);
  fclose(file);
  return buffer;
}

/* From two caches, which were filled in different orders and at different times. */
Test(bundle, same_kernels_same_bytes) {
  size_t sizes[2];
  const char *first = create("first.fib", "", "merge hd=64\nappend\n", "-j 1");
  expect_code(&output, 0);
  expect_text(output.out, "first.fib: 3 kernels, ");
  expect_text(output.err, "3 kernels: 3 compiled");
  char elsewhere[128];
  snprintf(elsewhere, sizeof elsewhere, "FLASHJIT_CACHE_DIR=%s/other", scratch_folder());
  const char *second = create("second.fib", elsewhere, "plan\nappend\nmerge hd=64\nappend\n", "-j 2");
  expect_code(&output, 0);
  const char *bytes[] = {bytes_of(first, &sizes[0]), bytes_of(second, &sizes[1])};
  cr_expect(sizes[0] == sizes[1] && memcmp(bytes[0], bytes[1], sizes[0]) == 0, "%zu and %zu bytes", sizes[0], sizes[1]);
}

/* With a kernel goes the plan kernel that it needs: a context that may not compile serves both from the bundle. */
Test(bundle, plan_kernels_of_windows_lists_and_prefixes) {
  char environment[512];
  char arguments[256];
  const char *path = create("plans.fib", "",
                            "attention hd=32 rows=16 left=9\nattention hd=32 select=8\n"
                            "attention hd=32 rows=16 page=16 prefixes=1\n",
                            "-j 1");
  expect_code(&output, 0);
  expect_text(output.out, "plans.fib: 7 kernels, ");
  snprintf(environment, sizeof environment,
           "FLASHJIT_CACHE_DIR=%s/read-only FLASHJIT_BUNDLES=%s FLASHJIT_NVRTC=/no/nvrtc", scratch_folder(), path);
  snprintf(arguments, sizeof arguments, "build --specs %s --target sm_90a",
           scratch_file("wanted", "attention hd=32 rows=16 left=9\nattention hd=32 select=8\n"
                                  "attention hd=32 rows=16 page=16 prefixes=1\nplan intervals=1\nplan intervals=2\n"
                                  "plan intervals=2 prefixes=1\n"));
  command_in(&output, environment, arguments);
  expect_code(&output, 0);
  expect_text(output.out, "6 in the cache, 0 failed");
}

/* On a target where a spec of open rows has one kernel, the plan kernel is that of one. */
Test(bundle, plan_kernels_of_open_rows_go_by_the_target) {
  static const struct {
    const char *target;
    bool has_more;
  } rows[] = {{"sm_80", true}, {"sm_86", false}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char more[64];
    snprintf(more, sizeof more, "--target %s", rows[i].target);
    const char *path = create("open.fib", "", "attention hd=256 group=40 left=128\n", more);
    expect_code(&output, 0);
    on_bundle("", "ls", path, "");
    expect_text(output.out, "plan intervals=1 members=1\n");
    cr_expect_eq(strstr(output.out, "plan intervals=1 members=2\n") != NULL, rows[i].has_more, "%s", output.out);
  }
}

/* Of a cache that mixes have filled, where nothing can be compiled: their plan kernel goes along, as it is the one that
 * fi_get_kernel then takes for each of them alone. */
Test(bundle, plan_kernels_that_stand_in) {
  static const char specs[] = "attention hd=32 group=33\n";
  static const char nothing_compiles[][64] = {"FLASHJIT_NVRTC=/no/nvrtc", "FLASHJIT_MODE=load_only"};
  char arguments[256];
  snprintf(arguments, sizeof arguments, "build --specs %s --target sm_90a", scratch_file("specs", specs));
  command(&output, arguments);
  expect_code(&output, 0);
  command(&output, "cache ls --json | grep -B1 '\"spec\": \"plan members=1\"' | grep -o '[0-9a-f]\\{32\\}' | head -1");
  snprintf(arguments, sizeof arguments, "cache rm %.32s", output.out);
  command(&output, arguments);
  expect_text(output.out, "1 files deleted");
  for (size_t i = 0; i < sizeof nothing_compiles / sizeof *nothing_compiles; i++) {
    const char *path = create("mixes.fib", nothing_compiles[i], specs, "");
    expect_code(&output, 0);
    expect_text(output.out, "mixes.fib: 3 kernels, ");
    expect_text(output.err, "cached: plan members=1 (sm_90a): plan members=2 stands in\n");
    on_bundle("", "ls", path, "");
    expect_text(output.out, "plan members=2\n");
    create("asked.fib", nothing_compiles[i], "attention hd=32 group=33\nplan members=1\n", "");
    expect_code(&output, 1);
    expect_text(output.err, "failed: plan members=1 (sm_90a): ");
  }
}

static void expect_lists_and_verifies(const char *path) {
  on_bundle("", "ls", path, "");
  expect_code(&output, 0);
  expect_text(output.out, "merge hd=64");
  expect_text(output.out, "plan");
  on_bundle("", "ls", path, "--json");
  expect_code(&output, 0);
  expect_text(output.out, "\"schema\": \"flashjit.bundle.ls\",\n  \"schema_version\": 1");
  expect_text(output.out, "\"signer\": null");
  expect_text(output.out, "\"spec\": \"merge hd=64\"");
  on_bundle("", "verify", path, "");
  expect_code(&output, 0);
  expect_text(output.out, "2 kernels, 0 damaged; not signed");
}

/* Neither compiler nor a directory that could be written. */
static void expect_serves_alone(const char *path) {
  char environment[512];
  const char *specs = scratch_file("wanted", "merge hd=64\nplan\n");
  char arguments[256];
  snprintf(environment, sizeof environment,
           "FLASHJIT_CACHE_DIR=%s/read-only FLASHJIT_BUNDLES=%s FLASHJIT_NVRTC=/no/nvrtc", scratch_folder(), path);
  snprintf(arguments, sizeof arguments, "build --specs %s --target sm_90a", specs);
  command_in(&output, environment, arguments);
  expect_code(&output, 0);
  expect_text(output.out, "2 kernels: 0 compiled");
  expect_text(output.out, "2 in the cache, 0 failed");
}

static void expect_installs(const char *path) {
  char elsewhere[128];
  snprintf(elsewhere, sizeof elsewhere, "FLASHJIT_CACHE_DIR=%s/installed", scratch_folder());
  on_bundle(elsewhere, "install", path, "");
  expect_code(&output, 0);
  expect_text(output.out, "2 of 2 kernels installed");
  command_in(&output, elsewhere, "cache ls");
  expect_text(output.out, "merge hd=64");
  on_bundle("FLASHJIT_CACHE_DIR=/dev/null/cache", "install", path, "");
  expect_code(&output, 1);
  expect_text(output.out, "0 of 2 kernels installed");
}

static void expect_refused_when_damaged(const char *path) {
  static const char *const verbs[] = {"ls", "verify", "install"};
  size_t size;
  char *bytes = bytes_of(path, &size);
  bytes[size / 2] ^= 1;
  FILE *file = fopen(path, "wb");
  cr_assert(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    on_bundle("", verbs[i], path, "");
    expect_code(&output, 1);
    expect_text(output.err, "some.fib: checksum does not match");
    cr_expect_str_empty(output.out);
  }
  char environment[256];
  snprintf(environment, sizeof environment, "FLASHJIT_BUNDLES=%s", path);
  create("other.fib", environment, "merge hd=64\n", "");
  expect_code(&output, 0);
  expect_text(output.err, "flashjit: the cache: ");
  expect_text(output.err, "some.fib: refused: checksum does not match\n");
}

static const char private_key[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                                  "-----END PRIVATE KEY-----\n";
#define PUBLIC_KEY "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define OTHER_KEY "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

static void expect_signatures(void) {
  char sign[256];
  snprintf(sign, sizeof sign, "--sign %s", scratch_file("key.pem", private_key));
  const char *path = create("signed.fib", "", "merge hd=64\n", sign);
  expect_code(&output, 0);
  expect_text(output.out, "signed; the public key is " PUBLIC_KEY);
  on_bundle("", "verify", path, "--key " PUBLIC_KEY);
  expect_code(&output, 0);
  expect_text(output.out, "the signature is right");
  on_bundle("", "verify", path, "--key " OTHER_KEY);
  expect_code(&output, 1);
  expect_text(output.err, "signed by another key, " PUBLIC_KEY);
  on_bundle("", "verify", path, "");
  expect_text(output.out, "signed, the signature was not checked (--key)");
}

/* In one test, since one cache will do for all of it. */
Test(bundle, from_making_to_refusal) {
  const char *path = create("some.fib", "", "merge hd=64\n", "");
  expect_code(&output, 0);
  expect_lists_and_verifies(path);
  expect_serves_alone(path);
  expect_installs(path);
  expect_signatures();
  expect_refused_when_damaged(path);
}

/* What is at the place of a new bundle and is none is not replaced, whoever may. */
Test(bundle, devices_and_folders_are_not_replaced) {
  static const char *const names[][2] = {{"pipe", "not a regular file"}, {"folder", "a folder"}};
  char make[256];
  snprintf(make, sizeof make, "cd %s && mkfifo pipe && mkdir folder", scratch_folder());
  cr_assert_eq(system(make), 0);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char check[256];
    char complaint[256];
    const char *path = create(names[i][0], "", "merge hd=64\n", "");
    expect_code(&output, 1);
    snprintf(complaint, sizeof complaint, "flashjit: %s: cannot be written: %s\n", path, names[i][1]);
    cr_expect_str_eq(output.err, complaint); /* nothing is compiled */
    on_bundle("", "verify", path, "");       /* nor does it hang where nobody writes */
    expect_code(&output, 1);
    expect_text(output.err, names[i][1]);
    snprintf(check, sizeof check, "test ! -f %s && test ! -e %s.*", path, path);
    cr_expect_eq(system(check), 0);
  }
}

Test(bundle, mistakes_are_told) {
  static const struct {
    const char *arguments;
    int code;
    const char *text;
  } rows[] = {
      {"bundle", 2, "a command is missing"},
      {"bundle sign", 2, "there is no command \"sign\""},
      {"bundle ls", 2, "name one file"},
      {"bundle ls --yaml x", 2, "unknown option --yaml"},
      {"bundle ls /no/such.fib", 1, "/no/such.fib: No such file"},
      {"bundle ls /", 1, "/: a folder"},
      {"bundle ls /dev/null", 1, "/dev/null: not a regular file"},
      {"bundle verify x --key 12", 2, "64 hex digits"},
      {"bundle create", 2, "name one file"},
      {"bundle create x", 2, "give either --specs or --model"},
      {"bundle create x --specs - --target sm_1", 2, "--target"},
      {"bundle create /no/x --specs /dev/null --target sm_90a", 1, "/no/x: cannot be written: No such file"},
      {"bundle create x --specs - --target sm_90a --sign /no/key", 1, "/no/key: No such file"},
      {"bundle create x --specs - -j 0", 2, "--jobs is \"0\""},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    command(&output, rows[i].arguments);
    expect_code(&output, rows[i].code);
    expect_text(output.err, rows[i].text);
    cr_expect_str_empty(output.out, "%s", rows[i].arguments);
  }
}
