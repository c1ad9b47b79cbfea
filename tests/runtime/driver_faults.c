/* Each call of the driver failing in turn, alone or with all after it, from a new context to its end: the status is
 * FI_ERROR_DRIVER, or FI_OK where the library can do without; the same call is right as soon as the driver is; the
 * result has the same bits; every library is unloaded. On the simulator. A plain program; exits with 77, which is
 * skipping, without a compiler. */
#include "expect.h"
#include "fault_cuda.h"
#include "small_step.h"

#include <dlfcn.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SKIPPED = 77, FEWEST = 20, UNKNOWN = 999, OUT_OF_MEMORY = 2 /* CUresult */ };

static struct fault_cuda *fault;
/* -------------------------------------------------------------------------------- steps */

struct scene {
  struct small_step step;
  const char *directory;
  fi_ctx *ctx;
  fi_kernel *kernel;
};

static fi_status create(struct scene *scene) {
  const fi_options options = {.struct_size = sizeof options,
                              .driver = FAULT_CUDA,
                              .nvrtc = TEST_NVRTC,
                              .target = "compute_90a",
                              .cache_dir = scene->directory};
  return fi_ctx_create(&options, &scene->ctx);
}

static fi_status get(struct scene *scene) {
  return small_step_kernel(scene->ctx, &scene->kernel);
}

static fi_status size(struct scene *scene) {
  return small_step_workspace(&scene->step, scene->kernel);
}

static fi_status plan(struct scene *scene) {
  return small_step_plan(&scene->step, scene->kernel);
}

static fi_status launch(struct scene *scene) {
  return small_step_run(&scene->step, scene->kernel);
}

static fi_status (*const steps[])(struct scene *) = {create, get, size, plan, launch};
static const char *const names[] = {"fi_ctx_create", "fi_get_kernel", "fi_workspace_size", "fi_plan", "fi_run"};

enum { STEPS = sizeof steps / sizeof *steps };

/* -------------------------------------------------------------------------------- runs */

/* One run in which call `at` fails; returns how many calls there were. */
static unsigned run(struct scene *scene, unsigned at, int error, bool lasting) {
  *fault = (struct fault_cuda){.fail_at = at, .error = error, .lasting = lasting, .failed = "no call"};
  for (unsigned i = 0; i < STEPS; i++) {
    fi_status status = steps[i](scene);
    expect(!status || (status == FI_ERROR_DRIVER && fi_last_error()[0]), "%s, as %s fails, call %u: %s: %s", names[i],
           fault->failed, at, fi_status_name(status), fi_last_error());
    if (!status)
      continue;
    fault->lasting = false;
    status = steps[i](scene);
    expect(!status, "%s, after %s failed, call %u: %s: %s", names[i], fault->failed, at, fi_status_name(status),
           fi_last_error());
    if (status)
      break;
  }
  small_step_read(&scene->step);
  fi_ctx_destroy(scene->ctx);
  expect(fault->loaded == 0, "after %s failed, call %u: %d libraries stay loaded", fault->failed, at, fault->loaded);
  return fault->calls;
}

static void run_all(struct scene *scene, const unsigned char *right, int error, bool lasting) {
  unsigned at = 0;
  do {
    const unsigned calls = run(scene, ++at, error, lasting);
    expect(memcmp(scene->step.o, right, SMALL_O_BYTES) == 0, "another result after %s failed, call %u of %u",
           fault->failed, at, calls);
  } while (strcmp(fault->failed, "no call") != 0);
  expect(at > FEWEST, "only %u calls", at - 1);
  printf("error %d%s: %u calls\n", error, lasting ? " from some call on" : "", at - 1);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

int main(void) {
  char directory[] = "/tmp/flashjit-faults-XXXXXX";
  struct scene scene = {.directory = mkdtemp(directory)};
  unsigned char right[SMALL_O_BYTES];
  setenv("FAULT_CUDA_DRIVER", SIMULATOR, 1);
  void *library = dlopen(FAULT_CUDA, RTLD_NOW);
  fault = library ? dlsym(library, "fault_cuda") : NULL;
  if (!scene.directory || !fault) {
    printf("%s\n", dlerror());
    return EXIT_FAILURE;
  }
  if (!TEST_NVRTC[0])
    return SKIPPED;
  small_step_open(&scene.step, "sim");
  run(&scene, 0, 0, false);
  memcpy(right, scene.step.o, sizeof right);
  run_all(&scene, right, UNKNOWN, false);
  run_all(&scene, right, OUT_OF_MEMORY, true);
  small_step_close(&scene.step);
  nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  printf("%u failures\n", failures);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
