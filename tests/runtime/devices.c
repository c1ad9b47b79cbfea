/*
 * Several devices, on the simulator: two processes that share a cold cache and have a device each; then one process
 * that prepares its kernels on each device, captures there, and uses all of them from threads at once. What each
 * device computes must be the same bits. A plain program; exits with 77, which is skipping, without a compiler.
 */
#include "tests/dtypes.h"
#include "tools/common/device.h"

#include <flashjit.h>

#include <ftw.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  DEVICES = 3,
  PROCESSES = 2,
  ROUNDS = 3,
  REQUESTS = 3,
  KV_HEADS = 2,
  GROUP = 4,
  HEADS = KV_HEADS * GROUP,
  HEAD_DIM = 64,
  PAGE = 16,
  REQUEST_PAGES = 5,
  PAGES = REQUESTS * REQUEST_PAGES,
  KERNELS = 2, /* attention and plan */
  SKIPPED = 77
};

static const char spec_text[] = "attention hd=64 group=4 rows=16 page=16 lse=1";

struct result {
  uint16_t o[REQUESTS * HEADS * HEAD_DIM];
  float lse[REQUESTS * HEADS];
};

struct tensors {
  int32_t kv_len[REQUESTS];
  int32_t page_table[PAGES];
  _Alignas(16) uint16_t q[REQUESTS * HEADS * HEAD_DIM];
  _Alignas(16) uint16_t k[PAGES * PAGE * KV_HEADS * HEAD_DIM];
  _Alignas(16) uint16_t v[PAGES * PAGE * KV_HEADS * HEAD_DIM];
  _Alignas(16) struct result result;
};

/* One device and what is on it. */
struct seat {
  struct device device;
  struct tensors *tensors; /* a device address */
  void *stream;
  fi_workspace workspace;
};

static unsigned failures;

static void check(bool holds, const char *what, const struct seat *seat) {
  if (!holds)
    printf("FAILED %s: device %d: %s %s\n", what, seat->device.number, fi_last_error(), seat->device.error);
  failures += !holds;
}

/* -------------------------------------------------------------------------------- set up */

static void fill_random(uint16_t *values, size_t count, uint32_t *state) {
  for (size_t i = 0; i < count; i++) {
    *state = *state * 1664525 + 1013904223;
    dtype_encode(FI_BF16, (double)(*state >> 8) / (1 << 23) - 1, values, i);
  }
}

static void fill(struct tensors *host) {
  static const int32_t lengths[REQUESTS] = {REQUEST_PAGES * PAGE, 17, 40};
  uint32_t state = 1;
  memset(host, 0xff, sizeof *host);
  memcpy(host->kv_len, lengths, sizeof lengths);
  for (int i = 0; i < PAGES; i++)
    host->page_table[i] = (i * 7 + 3) % PAGES;
  fill_random(host->q, sizeof host->q / 2, &state);
  fill_random(host->k, sizeof host->k / 2, &state);
  fill_random(host->v, sizeof host->v / 2, &state);
}

static void must(bool holds, const char *what, const char *why) {
  if (holds)
    return;
  printf("%s: %s %s\n", what, why, fi_last_error());
  exit(EXIT_FAILURE);
}

static void take_seat(struct seat *seat, int number) {
  static struct tensors host;
  fill(&host);
  must(device_open_number(&seat->device, "sim", number), "device_open", seat->device.error);
  seat->tensors = device_alloc(&seat->device, sizeof host);
  device_upload(&seat->device, seat->tensors, &host, sizeof host);
  seat->stream = device_stream_create(&seat->device);
  seat->workspace = (fi_workspace){.struct_size = sizeof(fi_workspace),
                                   .max_requests = REQUESTS,
                                   .max_tokens = REQUESTS,
                                   .max_kv_len = REQUEST_PAGES * PAGE,
                                   .kv_heads = KV_HEADS};
  must(!device_failed(&seat->device), "memory", seat->device.error);
}

static void give_workspace(struct seat *seat, const fi_kernel *kernel) {
  must(fi_workspace_size(kernel, &seat->workspace) == FI_OK, "fi_workspace_size", "");
  seat->workspace.memory = device_alloc(&seat->device, seat->workspace.bytes);
  seat->workspace.scratch = device_alloc(&seat->device, seat->workspace.scratch_bytes);
  must(!device_failed(&seat->device), "workspace", seat->device.error);
}

static void leave_seat(struct seat *seat) {
  device_use(&seat->device);
  device_free(&seat->device, seat->workspace.scratch);
  device_free(&seat->device, seat->workspace.memory);
  device_free(&seat->device, seat->tensors);
  device_stream_destroy(&seat->device, seat->stream);
  device_close(&seat->device);
}

static fi_ctx *context_with(const char *cache) {
  fi_ctx *ctx;
  const fi_options options = {.struct_size = sizeof options, .driver = "sim", .nvrtc = TEST_NVRTC, .cache_dir = cache};
  must(fi_ctx_create(&options, &ctx) == FI_OK, "fi_ctx_create", "");
  return ctx;
}

static fi_kernel *kernel_of(fi_ctx *ctx) {
  fi_spec spec;
  fi_kernel *kernel = NULL;
  must(fi_spec_parse(spec_text, &spec) == FI_OK, spec_text, "");
  const fi_status status = fi_get_kernel(ctx, &spec, &kernel);
  if (status == FI_ERROR_NO_COMPILER)
    exit(SKIPPED);
  must(status == FI_OK, spec_text, "");
  return kernel;
}

/* -------------------------------------------------------------------------------- a step */

static fi_status enqueue(fi_kernel *kernel, const struct seat *seat, struct tensors *at) {
  const fi_batch batch = {.struct_size = sizeof batch,
                          .requests = REQUESTS,
                          .kv_len = at->kv_len,
                          .page_table = at->page_table,
                          .page_table_stride = REQUEST_PAGES};
  const fi_tensors tensors = {.struct_size = sizeof tensors,
                              .q = at->q,
                              .o = at->result.o,
                              .lse = at->result.lse,
                              .k.data = at->k,
                              .v.data = at->v};
  const fi_status status = fi_plan(kernel, &batch, &seat->workspace, seat->stream);
  return status ? status : fi_run(kernel, &tensors, &seat->workspace, seat->stream);
}

/* NaN before each step, so that a step that does nothing is none. */
static void download(struct seat *seat, struct result *result) {
  device_sync(&seat->device, seat->stream);
  device_download(&seat->device, result, &seat->tensors->result, sizeof *result);
  device_fill(&seat->device, &seat->tensors->result, 0xff, sizeof *result);
}

static fi_status run_captured(fi_kernel *kernel, struct seat *seat, struct result *result) {
  device_capture_begin(&seat->device, seat->stream);
  const fi_status status = enqueue(kernel, seat, seat->tensors);
  void *graph = device_capture_end(&seat->device, seat->stream);
  if (!status)
    device_graph_launch(&seat->device, graph, seat->stream);
  download(seat, result);
  device_graph_destroy(&seat->device, graph);
  return status;
}

static bool is_result(const struct result *result) {
  for (int i = 0; i < REQUESTS * HEADS; i++)
    if (!isfinite(result->lse[i]))
      return false;
  return true;
}

/* -------------------------------------------------------------------------------- one process */

static void use_each(fi_ctx *ctx, struct seat *seats, struct result *expected) {
  struct result result;
  device_use(&seats[0].device);
  fi_kernel *kernel = kernel_of(ctx);
  give_workspace(&seats[0], kernel);
  check(enqueue(kernel, &seats[0], seats[0].tensors) == FI_OK, "a step", &seats[0]);
  download(&seats[0], expected);
  check(is_result(expected), "a result", &seats[0]);
  for (int i = 1; i < DEVICES; i++) {
    struct seat *seat = &seats[i];
    device_use(&seat->device);
    seat->workspace.ctas = 4; /* sizes do not prepare the kernel then */
    give_workspace(seat, kernel);
    check(run_captured(kernel, seat, &result) == FI_ERROR_CAPTURE, "a capture before the kernel is prepared", seat);
    check(fi_kernel_prepare(kernel) == FI_OK, "fi_kernel_prepare", seat);
    check(run_captured(kernel, seat, &result) == FI_OK, "a capture of a prepared kernel", seat);
    check(memcmp(&result, expected, sizeof result) == 0, "the bits of the first device", seat);
  }
}

struct worker {
  pthread_t thread;
  fi_ctx *ctx;
  struct seat *seat;
  const struct result *expected;
  unsigned wrong;
};

static void *work(void *data) {
  struct worker *worker = data;
  struct seat *seat = worker->seat;
  struct result result;
  device_use(&seat->device);
  for (int i = 0; i < ROUNDS; i++) {
    fi_kernel *kernel = kernel_of(worker->ctx);
    worker->wrong += fi_kernel_prepare(kernel) != FI_OK;
    worker->wrong += run_captured(kernel, seat, &result) != FI_OK;
    worker->wrong += memcmp(&result, worker->expected, sizeof result) != 0;
  }
  return NULL;
}

/* A context of their own: all of its kernels are to be loaded and prepared. */
static void use_all_at_once(const char *cache, struct seat *seats, const struct result *expected) {
  struct worker workers[DEVICES];
  fi_ctx *ctx = context_with(cache);
  for (int i = 0; i < DEVICES; i++) {
    workers[i] = (struct worker){.ctx = ctx, .seat = &seats[i], .expected = expected};
    must(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, "pthread_create", "");
  }
  for (int i = 0; i < DEVICES; i++) {
    pthread_join(workers[i].thread, NULL);
    check(workers[i].wrong == 0 && !device_failed(&seats[i].device), "threads at once", &seats[i]);
  }
  fi_ctx_destroy(ctx);
}

/* What an engine does when it mixes up its devices: the plan reads the lengths of another one, and nothing can be
 * launched after that. So this comes last. */
static void mix_up(fi_ctx *ctx, struct seat *seats) {
  device_use(&seats[1].device);
  check(enqueue(kernel_of(ctx), &seats[1], seats[0].tensors) == FI_ERROR_DRIVER, "a launch after it", &seats[1]);
  device_sync(&seats[1].device, seats[1].stream);
  check(strstr(seats[1].device.error, "CUDA_ERROR_ILLEGAL_ADDRESS"), "memory of another device", &seats[1]);
}

static void use_devices(const char *cache) {
  static struct seat seats[DEVICES];
  static struct result expected;
  fi_counters counters = {.struct_size = sizeof counters};
  for (int i = 0; i < DEVICES; i++)
    take_seat(&seats[i], i);
  fi_ctx *ctx = context_with(cache);
  use_each(ctx, seats, &expected);
  fi_counters_read(ctx, &counters);
  check(counters.user_hits == KERNELS && counters.compiles == 0, "what the processes have compiled is found", seats);
  use_all_at_once(cache, seats, &expected);
  mix_up(ctx, seats);
  fi_ctx_destroy(ctx);
  for (int i = 0; i < DEVICES; i++)
    leave_seat(&seats[i]);
}

/* -------------------------------------------------------------------------------- two processes */

/* Tells its compiles by its exit code. */
static int be_process(const char *cache, int number) {
  static struct seat seat;
  static struct result result;
  fi_counters counters = {.struct_size = sizeof counters};
  take_seat(&seat, number);
  fi_ctx *ctx = context_with(cache);
  fi_kernel *kernel = kernel_of(ctx);
  give_workspace(&seat, kernel);
  must(enqueue(kernel, &seat, seat.tensors) == FI_OK, "a step", "");
  download(&seat, &result);
  must(is_result(&result) && !device_failed(&seat.device), "a result", seat.device.error);
  fi_counters_read(ctx, &counters);
  return counters.kernels == KERNELS ? (int)counters.compiles : EXIT_FAILURE + KERNELS;
}

static void compile_once(const char *cache) {
  pid_t children[PROCESSES];
  int compiles = 0;
  for (int i = 0; i < PROCESSES; i++) {
    children[i] = fork();
    if (children[i] == 0)
      exit(be_process(cache, i));
  }
  for (int i = 0; i < PROCESSES; i++) {
    int status = 0;
    must(waitpid(children[i], &status, 0) == children[i] && WIFEXITED(status), "a process", "did not end");
    if (WEXITSTATUS(status) == SKIPPED)
      exit(SKIPPED);
    compiles += WEXITSTATUS(status);
  }
  if (compiles != KERNELS)
    printf("FAILED two processes on a cold cache: %d compiles of %d kernels\n", compiles, KERNELS);
  failures += compiles != KERNELS;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status;
  (void)kind;
  (void)place;
  return remove(path);
}

int main(void) {
  char cache[] = "/tmp/flashjit-test-XXXXXX";
  setenv("FLASHJIT_SIM_DEVICES", "3", 1);
  setenv("FLASHJIT_SIM_QUIET", "1", 1);
  must(mkdtemp(cache) != NULL, "mkdtemp", "no directory");
  compile_once(cache);
  use_devices(cache);
  nftw(cache, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  printf("%u failures\n", failures);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
