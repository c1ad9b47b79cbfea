/* Each allocation of the library failing in turn, alone or with all after it: the status is FI_ERROR_MEMORY or, where
 * the cache can do without, FI_OK; the same call is right as soon as there is memory; nothing stays behind (ASan looks
 * for that when the program ends). The linker puts the functions below in place of those that the library calls. */
#include "expect.h"
#include "fakes.h"

#include "server.h"
#include "tests/snippet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCE_SIZE = 1 << 20 };

/* -------------------------------------------------------------------------------- allocations */

/* Of the thread that runs the library; 0: none fails. */
static _Thread_local unsigned fail_at;
static _Thread_local bool is_lasting;
static _Thread_local unsigned allocations;

static bool fails(void) {
  if (!fail_at)
    return false;
  allocations++;
  return is_lasting ? allocations >= fail_at : allocations == fail_at;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

void *__wrap_malloc(size_t size) {
  return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
  return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size) {
  return fails() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text) {
  return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size) {
  return fails() ? NULL : __real_strndup(text, size);
}

/* -------------------------------------------------------------------------------- steps */

static struct server server;
/* What the steps work on. */
struct scene {
  fi_options options;
  fi_ctx *ctx;
  unsigned number; /* of the run */
};

static fi_status step_create(struct scene *scene) {
  return context_create(&scene->options, &fake_parts, &scene->ctx);
}

static fi_status step_get(struct scene *scene) {
  const fi_spec spec = spec_of("attention group=4 page=16");
  fi_kernel *kernel;
  return fi_get_kernel(scene->ctx, &spec, &kernel);
}

static fi_status step_precompile(struct scene *scene) {
  const fi_spec spec = spec_of("attention group=2 rows=16");
  return fi_precompile(scene->ctx, &spec, NULL);
}

static fi_status step_source(struct scene *scene) {
  static char source[SOURCE_SIZE];
  size_t size = sizeof source;
  const fi_spec spec = spec_of("merge");
  (void)scene;
  return fi_kernel_source(&spec, "sm_90a", source, &size);
}

/* Texts are kept for good, so each run has one of its own. */
static fi_status step_snippet(struct scene *scene) {
  static char text[1 << 16];
  fi_spec spec = spec_of("attention snippet=logit");
  fi_kernel *kernel;
  snprintf(text, sizeof text, "%s\n/* %u */\n", snippet_text, scene->number);
  const fi_status status = fi_register_snippet(text, &spec.snippet_hash);
  return status ? status : fi_get_kernel(scene->ctx, &spec, &kernel);
}

static const struct step {
  const char *name;
  fi_status (*run)(struct scene *scene);
} steps[] = {
    {"fi_ctx_create", step_create},    {"fi_get_kernel", step_get},           {"fi_precompile", step_precompile},
    {"fi_kernel_source", step_source}, {"fi_register_snippet", step_snippet},
};

enum { STEPS = sizeof steps / sizeof *steps };

/* What a precompiled kernel could not be kept for was memory. */
static bool is_right(fi_status status) {
  return status == FI_OK || status == FI_ERROR_MEMORY ||
         (status == FI_ERROR_NOT_CACHED && strstr(fi_last_error(), "memory"));
}

/* One step with allocation `at` failing. Returns how many it made. */
static unsigned run_step(const struct step *step, struct scene *scene, unsigned at, bool lasting) {
  allocations = 0;
  is_lasting = lasting;
  fail_at = at;
  const fi_status status = step->run(scene);
  fail_at = 0;
  expect(is_right(status), "%s, allocation %u%s: %s: %s", step->name, at, lasting ? " and on" : "",
         fi_status_name(status), fi_last_error());
  expect(!status || step->run != step_create || !scene->ctx, "fi_ctx_create failed and made a context");
  if (status) {
    const fi_status again = step->run(scene);
    expect(!again, "%s, after allocation %u had failed: %s: %s", step->name, at, fi_status_name(again),
           fi_last_error());
  }
  return allocations;
}

/* Makes a context and takes one step, or makes the context alone. True when that made fewer allocations. */
static bool run(const struct step *step, unsigned at, bool lasting, const char *directory, const char *url) {
  static unsigned number;
  struct scene scene = {
      .options = {.struct_size = sizeof(fi_options),
                  .cache_dir = directory,
                  .read_only_dirs = "/nowhere:/nowhere/else",
                  .bundles = "/nowhere",
                  .http_url = url},
      .number = number++,
  };
  fakes_reset();
  fakes.spills = 1;
  unsigned made = run_step(&steps[0], &scene, step == &steps[0] ? at : 0, lasting);
  if (step != &steps[0])
    made = run_step(step, &scene, at, lasting);
  fi_ctx_destroy(scene.ctx);
  expect(fakes.loads == fakes.unloads, "%s, allocation %u: %u modules loaded, %u unloaded", step->name, at, fakes.loads,
         fakes.unloads);
  return made < at;
}

/* Where kernels are before each run: nowhere, in the directory, nowhere and sent to the server, or there. */
enum place { NOWHERE, KEPT, SENT, SERVED };
static const char *const place_names[] = {
    [NOWHERE] = "", [KEPT] = ", cached", [SENT] = ", sent", [SERVED] = ", served"};

static void run_all(const struct step *step, enum place place, bool lasting) {
  char url[64] = "";
  char *kept = make_directory();
  unsigned at = 1;
  bool is_over = false;
  if (place >= SENT)
    snprintf(url, sizeof url, "http://127.0.0.1:%u", server.port);
  if (place == KEPT || place == SERVED)
    run(step, UINT32_MAX, false, kept, url);
  while (!is_over) {
    char *fresh = make_directory();
    if (place == SENT)
      server_forget(&server);
    is_over = run(step, at++, lasting, place == KEPT ? kept : fresh, url);
    remove_directory(fresh);
  }
  printf("%s%s: %u allocations\n", step->name, place_names[place], at - 2);
  remove_directory(kept);
}

int main(void) {
  setenv("no_proxy", "*", 1);
  server_start(&server);
  for (unsigned i = 0; i < STEPS; i++)
    run_all(&steps[i], NOWHERE, false);
  run_all(&steps[0], SENT, false);
  run_all(&steps[1], NOWHERE, true);
  for (enum place place = KEPT; place <= SERVED; place++)
    run_all(&steps[1], place, false);
  server_stop(&server);
  printf("%u failures\n", failures);
  return failures != 0;
}
