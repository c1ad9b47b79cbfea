/* flashjit verify: cached kernels against the reference. Needs NVRTC; runs on the simulator. */
#include "command.h"

#include "files.h"

#include "cache/checksum.h"
#include "cache/walk.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct output output;

TestSuite(verify_cache, .init = use_simulator);

static void build(const char *specs) {
  char arguments[256];
  snprintf(arguments, sizeof arguments, "build --specs %s", scratch_file("specs", specs));
  command(&output, arguments);
  expect_code(&output, 0);
}

/* ------------------------------------------------------------------------------------------------ wrong kernels */

/* Puts the image of a cached kernel into the entry of another one. */
struct swap {
  const char *from;
  const char *to;
  char path[512]; /* of the latter */
  struct cache_entry entry;
  void *image;
  size_t image_size;
};

static bool find_image(void *user, const struct cache_walk_file *file) {
  struct swap *swap = user;
  if (file->state != CACHE_WALK_ENTRY || strcmp(file->entry.spec, swap->from) != 0)
    return false;
  swap->image_size = file->entry.image_size;
  swap->image = malloc(swap->image_size);
  cr_assert(swap->image);
  memcpy(swap->image, file->entry.image, swap->image_size);
  return false;
}

static bool put_image(void *user, const struct cache_walk_file *file) {
  struct swap *swap = user;
  struct cache_reason reason;
  unsigned char *bytes;
  size_t size;
  if (file->state != CACHE_WALK_ENTRY || strcmp(file->entry.spec, swap->to) != 0)
    return false;
  struct cache_entry entry = file->entry;
  entry.image = swap->image;
  entry.image_size = swap->image_size;
  cr_assert(cache_entry_encode(&entry, &bytes, &size, &reason), "%s", reason.text);
  FILE *stream = fopen(file->path, "w");
  cr_assert(stream && fwrite(bytes, 1, size, stream) == size && fclose(stream) == 0);
  free(bytes);
  return false;
}

static void swap_images(const char *from, const char *to) {
  struct swap swap = {.from = from, .to = to};
  struct cache_walk_result result;
  struct cache_reason reason;
  char folder[128];
  snprintf(folder, sizeof folder, "%s/cache", scratch_folder());
  cr_assert(cache_walk(folder, &cache_io_posix, find_image, &swap, &result, &reason), "%s", reason.text);
  cr_assert(swap.image, "%s is not cached", from);
  cr_assert(cache_walk(folder, &cache_io_posix, put_image, &swap, &result, &reason), "%s", reason.text);
  free(swap.image);
}

/* ------------------------------------------------------------------------------------------------ tests */

Test(verify_cache, right_kernels) {
  build("merge hd=64\nappend hd=64\nattention hd=32 rows=16 page=16 left=9\n");
  command(&output, "verify");
  expect_code(&output, 0);
  expect_text(output.out, "compute_90a on flashjit simulator\n");
  expect_text(output.out, "plan intervals=1 ");
  /* The plan of append: nothing that takes its plans can be held against the reference. */
  expect_text(output.err, "skipped: plan: no attention kernel of the list takes its plans");
  expect_text(output.out, "5 kernels: 4 right, 0 wrong, 0 failed, 1 skipped\n");
  command(&output, "verify --json --seed 7");
  expect_code(&output, 0);
  expect_text(output.out, "\"schema\": \"flashjit.verify\",\n  \"schema_version\": 1");
  expect_text(output.out, "\"seed\": 7");
  expect_text(output.out, "\"error_unit\": \"half rounding steps\"");
}

/* The plan kernel of several kernels is verified by all of them. */
Test(verify_cache, kernels_of_open_rows) {
  build("attention hd=32 group=33\n");
  command(&output, "verify");
  expect_code(&output, 0);
  expect_text(output.out, "plan members=2 ");
  expect_text(output.out, "4 kernels: 4 right, 0 wrong, 0 failed, 0 skipped\n");
}

/* Of a cache that the library has filled: the members have no plan kernel but that of all. */
Test(verify_cache, kernels_that_the_library_made) {
  build("attention hd=32 group=33\n");
  command(&output, "cache ls --json");
  json_t *document = json_loads(output.out, 0, NULL);
  const json_t *entry;
  size_t i;
  json_array_foreach(json_object_get(document, "entries"), i, entry) {
    char arguments[64];
    snprintf(arguments, sizeof arguments, "cache rm %s", json_string_value(json_object_get(entry, "key")));
    if (strcmp(json_string_value(json_object_get(entry, "spec")), "plan members=1") == 0)
      command(&output, arguments);
  }
  json_decref(document);
  expect_text(output.out, "1 files deleted");
  command_in(&output, "FLASHJIT_NVRTC=/no/nvrtc", "verify");
  expect_code(&output, 0);
  expect_text(output.out, "3 kernels: 3 right, 0 wrong, 0 failed, 0 skipped\n");
}

/* A host without a compiler verifies what it was shipped. */
Test(verify_cache, kernels_of_bundles) {
  char arguments[512], environment[512];
  snprintf(arguments, sizeof arguments, "bundle create %s/shipped.fib --specs %s --target compute_90a",
           scratch_folder(), scratch_file("specs", "merge hd=64\n"));
  command(&output, arguments);
  expect_code(&output, 0);
  snprintf(environment, sizeof environment,
           "FLASHJIT_NVRTC=/no/nvrtc FLASHJIT_CACHE_DIR= FLASHJIT_BUNDLES=%s/shipped.fib", scratch_folder());
  command_in(&output, environment, "verify");
  expect_code(&output, 0);
  expect_text(output.out, "merge hd=64  bundle");
  expect_text(output.out, "2 kernels: 1 right, 0 wrong, 0 failed, 1 skipped\n");
}

/* ------------------------------------------------------------------------------------------------ what is not read */

/* One bit of the packed entries, in a bundle whose checksum is right. */
static void damage_row(void) {
  static unsigned char bytes[1 << 18];
  FILE *file = fopen("damaged.fib", "r+");
  cr_assert(file);
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  bytes[size - CACHE_CHECKSUM_SIZE - 1000] ^= 1;
  cache_checksum(bytes, size - CACHE_CHECKSUM_SIZE, bytes + size - CACHE_CHECKSUM_SIZE);
  rewind(file);
  cr_assert(fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* What is right besides is verified; the exit code says that it is not all. */
Test(verify_cache, what_cannot_be_read_is_told) {
  static const struct {
    const char *change; /* in the scratch folder */
    const char *undo;
    const char *environment;
    const char *text;
  } rows[] = {
      {"chmod 777 $(echo cache/v1/?? | cut -d' ' -f1)", "chmod 700 cache/v1/??", "", "may be written by anybody"},
      {"chmod 666 $(echo cache/v1/*/* | cut -d' ' -f1)", "chmod 600 cache/v1/*/*", "", "may be written by anybody"},
      {"cp -r cache whole; echo x >$(echo cache/v1/*/* | cut -d' ' -f1)", "cp -r whole/v1 cache", "",
       "not all that is cached is verified: /"},
      {"true", "true", "FLASHJIT_BUNDLES=damaged.fib", "damaged.fib: entry "},
      {"true", "true", "FLASHJIT_BUNDLES=specs", "specs: refused: "},
      {"true", "true", "FLASHJIT_CACHE_RO=/no/folder", "nothing of /no/folder is verified"},
      {"chmod 777 cache/v1", "chmod 700 cache/v1", "FLASHJIT_CACHE_RO=whole", "nothing of /"},
  };
  cr_assert_eq(chdir(scratch_folder()), 0);
  scratch_file("specs", "merge hd=80\n");
  command(&output, "bundle create damaged.fib --specs specs");
  expect_code(&output, 0);
  damage_row();
  command(&output, "cache rm --all");
  build("merge hd=64\nmerge hd=72\n");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    cr_assert_eq(system(rows[i].change), 0, "%s", rows[i].change);
    command_in(&output, rows[i].environment, "verify");
    expect_code(&output, 1);
    expect_text(output.err, rows[i].text);
    expect_text(output.out, " right, 0 wrong, 0 failed");
    cr_assert_eq(system(rows[i].undo), 0, "%s", rows[i].undo);
    command(&output, "verify");
    expect_code(&output, 0);
  }
  command(&output, "verify --json");
  expect_text(output.out, "\"partial\": false");
}

/* One computes something else, one writes where it must not, which ends the device: neither costs another kernel. */
Test(verify_cache, wrong_kernels_are_found) {
  build("merge hd=64\nmerge hd=64 q=f16\nmerge hd=256\nmerge hd=72\nmerge hd=80\n");
  swap_images("merge hd=64 q=f16", "merge hd=64");
  swap_images("merge hd=256", "merge hd=72");
  command(&output, "verify");
  expect_code(&output, 1);
  expect_text(output.err, "wrong: merge hd=64: O of token ");
  expect_text(output.err, "failed: merge hd=72: ");
  expect_text(output.out, "5 kernels: 3 right, 1 wrong, 1 failed, 0 skipped\n");
  command(&output, "verify --json");
  expect_code(&output, 1);
  expect_text(output.out, "\"status\": \"FI_ERROR_DRIVER\"");
}

Test(verify_cache, given_specs_are_compiled) {
  char arguments[256];
  command(&output, "verify merge hd=64");
  expect_code(&output, 0);
  expect_text(output.out, "merge hd=64  compiled");
  expect_text(output.out, "1 kernels: 1 right");
  snprintf(arguments, sizeof arguments, "verify --specs %s", scratch_file("specs", "merge hd=64\nmerge hd=72\n"));
  command(&output, arguments);
  expect_code(&output, 0);
  expect_text(output.out, "merge hd=64  user");
  expect_text(output.out, "2 kernels: 2 right");
}

/* Tiles whose heads are a share of a KV head's: lengths are measured in the tokens of a tile. */
Test(verify_cache, tiles_that_share_a_group) {
  command(&output, "verify attention hd=576 v_dim=512 group=128 page=1 v_source=keys");
  expect_code(&output, 0);
  expect_text(output.out, "1 kernels: 1 right");
}

/* A signal while the first kernel is compiled, after the report was opened: no kernel counts as right. */
Test(verify_cache, what_was_not_run_is_told) {
  const char *specs = scratch_file("specs", "attention hd=128 group=8 page=16\nattention hd=256 group=8 page=16\n");
  char *arguments;
  cr_assert(asprintf(&arguments,
                     "verify --specs %s --report %s/early >%s/talk & pid=$!; "
                     "until [ -e %s/early ] && [ -n \"$(cat /proc/$pid/task/$pid/children)\" ]; do sleep 0.01; done; "
                     "kill -TERM $pid; wait $pid; code=$?; { cat %s/talk; cat %s/early >&2; exit $code; }",
                     specs, scratch_folder(), scratch_folder(), scratch_folder(), scratch_folder(),
                     scratch_folder()) > 0);
  command(&output, arguments);
  free(arguments);
  expect_code(&output, 128 + SIGTERM);
  expect_text(output.out, "2 kernels: 0 right, 0 wrong, 0 failed, 0 skipped, 2 not run\n");
  expect_text(output.err, "\"ok\": 0");
  expect_text(output.err, "\"not_run\": 2");
  expect_text(output.err, "\"result\": \"not_run\",\n      \"why\": \"the verification was stopped before its end\"");
}

/* What another library, or the text of a caller, has made. */
Test(verify_cache, what_is_skipped) {
  command(&output, "bundle install " TEST_DATA "/../cache/data/bundle-v1.fib");
  command(&output, "verify --target compute_90a");
  expect_code(&output, 1);
  expect_text(output.err, "skipped: decode.sm90a.hd128.g");
  expect_text(output.err, "no spec of this library: ");
}

Test(verify_cache, an_empty_cache_is_told) {
  command(&output, "verify");
  expect_code(&output, 1);
  expect_text(output.err, "there is no kernel for compute_90a in the cache, 0 for other targets");
}

Test(verify_cache, mistakes_are_told) {
  static const struct {
    const char *arguments;
    int code;
    const char *text;
  } rows[] = {
      {"verify attention --specs x", 2, "give either a spec or --specs"},
      {"verify attention hd=7", 2, "hd"},
      {"verify --seed x", 2, "--seed is \"x\"; allowed are 0 to"},
      {"verify --target sm_1", 2, "--target: target is sm_1; allowed: sm_80"},
      {"verify --report", 2, "option --report needs a value"},
      {"verify --specs /no/specs", 1, "/no/specs: No such file"},
      {"verify --bench /no/times", 1, "--bench /no/times: No such file"},
      {"verify --bench " MODEL("Qwen3-0.6B"), 1, "a baseline is what bench writes"},
      {"verify --report /no/folder/report", 1, "/no/folder/report: cannot be written: No such file"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    command(&output, rows[i].arguments);
    expect_code(&output, rows[i].code);
    expect_text(output.err, rows[i].text);
    cr_expect_str_empty(output.out, "%s", rows[i].arguments);
  }
  command_in(&output, "FLASHJIT_DRIVER=/no/driver", "verify");
  expect_code(&output, 1);
  expect_text(output.err, "FLASHJIT_DRIVER=sim runs on the simulator");
}
