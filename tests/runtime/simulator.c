/*
 * From end to end without a GPU: plan, append and attention on the simulator through the public functions,
 * once eagerly and then from a captured graph whose replays must follow the lengths that are in device memory
 * by then. Results are held against the double-precision reference. A plain program; exits with 77, which is
 * skipping, without a compiler.
 */
#include "tests/dtypes.h"
#include "tests/measure.h"
#include "tests/reference.h"
#include "tools/common/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  REQUESTS = 4,
  KV_HEADS = 2,
  GROUP = 4,
  HEADS = KV_HEADS * GROUP,
  HEAD_DIM = 128,
  PAGE = 16,
  MAX_KV_LEN = 192,
  REQUEST_PAGES = MAX_KV_LEN / PAGE,
  PAGES = REQUESTS * REQUEST_PAGES,
  ROW = KV_HEADS * HEAD_DIM, /* elements of a token in the cache */
  SKIPPED = 77
};

/* Tensors on the host, which the reference reads, in the order in which they are on the device. */
struct tensors {
  uint16_t q[REQUESTS * HEADS * HEAD_DIM];
  uint16_t o[REQUESTS * HEADS * HEAD_DIM];
  float lse[REQUESTS * HEADS];
  uint16_t k_new[REQUESTS * ROW];
  uint16_t v_new[REQUESTS * ROW];
  uint16_t k_cache[PAGES * PAGE * ROW];
  uint16_t v_cache[PAGES * PAGE * ROW];
  int32_t kv_len[REQUESTS];
  int32_t page_table[PAGES];
};

struct scene {
  struct device device;
  struct tensors host;
  struct tensors result;
  struct tensors *on_device; /* a device address */
  void *stream;
  fi_ctx *ctx;
  fi_kernel *attention;
  fi_kernel *append;
  fi_workspace workspace;
};

/* -------------------------------------------------------------------------------- set up */

static uint32_t next_random(void) {
  static uint32_t state = 1;
  state = state * 1664525 + 1013904223;
  return state >> 8;
}

static void fill_random(uint16_t *values, size_t count) {
  for (size_t i = 0; i < count; i++)
    dtype_encode(FI_BF16, (double)next_random() / (1 << 23) - 1, values, i);
}

static void shuffle_pages(int32_t *pages) {
  for (int i = 0; i < PAGES; i++) {
    const int j = (int)(next_random() % (uint32_t)(i + 1));
    pages[i] = pages[j];
    pages[j] = i;
  }
}

/* Every value that no request has written yet is NaN in K and V. */
static void make_host(struct tensors *host) {
  memset(host, 0xff, sizeof *host);
  fill_random(host->q, sizeof host->q / 2);
  fill_random(host->k_new, sizeof host->k_new / 2);
  fill_random(host->v_new, sizeof host->v_new / 2);
  shuffle_pages(host->page_table);
}

static size_t cache_row(const struct tensors *host, int request, int token) {
  const size_t page = (size_t)host->page_table[request * REQUEST_PAGES + token / PAGE];
  return (page * PAGE + (size_t)(token % PAGE)) * ROW;
}

/* Sets the lengths, and fills all tokens but the last, which append will write. */
static void set_lengths(struct tensors *host, const int32_t *lengths) {
  memset(host->k_cache, 0xff, sizeof host->k_cache);
  memset(host->v_cache, 0xff, sizeof host->v_cache);
  for (int request = 0; request < REQUESTS; request++) {
    host->kv_len[request] = lengths[request];
    for (int token = 0; token < lengths[request] - 1; token++) {
      fill_random(host->k_cache + cache_row(host, request, token), ROW);
      fill_random(host->v_cache + cache_row(host, request, token), ROW);
    }
  }
}

static fi_kernel *kernel_of(fi_ctx *ctx, const char *text) {
  fi_spec spec;
  fi_kernel *kernel;
  fi_status status = fi_spec_parse(text, &spec);
  if (!status)
    status = fi_get_kernel(ctx, &spec, &kernel);
  if (!status)
    return kernel;
  printf("%s: %s: %s\n", text, fi_status_name(status), fi_last_error());
  exit(status == FI_ERROR_NO_COMPILER ? SKIPPED : EXIT_FAILURE);
}

static void set_up(struct scene *scene) {
  const fi_options options = {.struct_size = sizeof options, .driver = "sim", .nvrtc = TEST_NVRTC, .cache_dir = ""};
  if (!device_open(&scene->device, "sim") || fi_ctx_create(&options, &scene->ctx)) {
    printf("%s %s\n", scene->device.error, fi_last_error());
    exit(EXIT_FAILURE);
  }
  scene->attention = kernel_of(scene->ctx, "attention group=4 rows=16 page=16 lse=1");
  scene->append = kernel_of(scene->ctx, "append page=16");
  scene->workspace = (fi_workspace){.struct_size = sizeof(fi_workspace),
                                    .max_requests = REQUESTS,
                                    .max_tokens = REQUESTS,
                                    .max_kv_len = MAX_KV_LEN,
                                    .kv_heads = KV_HEADS,
                                    .ctas = 6};
  fi_workspace_size(scene->attention, &scene->workspace);
  scene->workspace.memory = device_alloc(&scene->device, scene->workspace.bytes);
  scene->workspace.scratch = device_alloc(&scene->device, scene->workspace.scratch_bytes);
  scene->on_device = device_alloc(&scene->device, sizeof *scene->on_device);
  scene->stream = device_stream_create(&scene->device);
  make_host(&scene->host);
}

/* -------------------------------------------------------------------------------- step */

static fi_batch batch_of(const struct tensors *at) {
  return (fi_batch){.struct_size = sizeof(fi_batch),
                    .requests = REQUESTS,
                    .kv_len = at->kv_len,
                    .page_table = at->page_table,
                    .page_table_stride = REQUEST_PAGES};
}

static fi_tensors tensors_of(struct tensors *at) {
  return (fi_tensors){.struct_size = sizeof(fi_tensors),
                      .q = at->q,
                      .o = at->o,
                      .lse = at->lse,
                      .k.data = at->k_cache,
                      .v.data = at->v_cache,
                      .k_new.data = at->k_new,
                      .v_new.data = at->v_new};
}

static fi_status enqueue_step(struct scene *scene) {
  const fi_batch batch = batch_of(scene->on_device);
  const fi_tensors tensors = tensors_of(scene->on_device);
  fi_status status = fi_plan(scene->attention, &batch, &scene->workspace, scene->stream);
  if (!status)
    status = fi_run(scene->append, &tensors, &scene->workspace, scene->stream);
  if (!status)
    status = fi_run(scene->attention, &tensors, &scene->workspace, scene->stream);
  if (status)
    printf("%s: %s\n", fi_status_name(status), fi_last_error());
  return status;
}

static void upload(struct scene *scene) {
  device_upload(&scene->device, scene->on_device, &scene->host, sizeof scene->host);
}

static void download(struct scene *scene) {
  device_sync(&scene->device, scene->stream);
  device_download(&scene->device, &scene->result, scene->on_device, sizeof scene->result);
}

/* -------------------------------------------------------------------------------- check */

/* What append must have done: without rotation and conversion it copies. */
static void append_on_host(struct tensors *host) {
  for (int request = 0; request < REQUESTS; request++) {
    if (host->kv_len[request] == 0)
      continue;
    const size_t row = cache_row(host, request, host->kv_len[request] - 1);
    memcpy(host->k_cache + row, host->k_new + request * ROW, ROW * 2);
    memcpy(host->v_cache + row, host->v_new + request * ROW, ROW * 2);
  }
}

static bool check_cache(const struct scene *scene) {
  return memcmp(scene->host.k_cache, scene->result.k_cache, sizeof scene->host.k_cache) == 0 &&
         memcmp(scene->host.v_cache, scene->result.v_cache, sizeof scene->host.v_cache) == 0;
}

static void measure_request(struct scene *scene, const struct reference *reference, uint32_t request,
                            struct measure *measure) {
  for (uint32_t kv_head = 0; kv_head < KV_HEADS; kv_head++) {
    struct reference_head loaded;
    if (!reference_head_load(reference, request, kv_head, &loaded))
      exit(EXIT_FAILURE);
    for (uint32_t head = kv_head * GROUP; head < (kv_head + 1) * GROUP; head++) {
      const size_t row = request * HEADS + head;
      double o[HEAD_DIM];
      double lse;
      reference_attend(reference, &loaded, request, 0, head, o, &lse);
      measure_row(measure, o, HEAD_DIM, FI_BF16, FI_BF16, scene->result.o, row * HEAD_DIM);
      measure_lse(measure, lse, FI_BF16, scene->result.lse[row]);
    }
    reference_head_free(&loaded);
  }
}

static bool check(struct scene *scene, const char *what) {
  struct reference reference = {
      .batch = batch_of(&scene->host), .tensors = tensors_of(&scene->host), .kv_heads = KV_HEADS};
  struct measure measure = {0};
  append_on_host(&scene->host);
  fi_kernel_spec(scene->attention, &reference.spec);
  for (uint32_t request = 0; request < REQUESTS; request++)
    measure_request(scene, &reference, request, &measure);
  const bool passes = !device_failed(&scene->device) && check_cache(scene) && measure_passes(&measure, FI_BF16);
  printf("%-22s %s: %u rows, error %.2e, cache %s %s\n", what, passes ? "ok" : "WRONG", (unsigned)measure.rows,
         measure_norm(&measure), check_cache(scene) ? "equal" : "different", scene->device.error);
  return passes;
}

/* -------------------------------------------------------------------------------- main */

static bool run_eagerly(struct scene *scene, const int32_t *lengths) {
  set_lengths(&scene->host, lengths);
  upload(scene);
  const fi_status status = enqueue_step(scene);
  download(scene);
  return status == FI_OK && check(scene, "eager");
}

static bool replay(struct scene *scene, void *graph, const int32_t *lengths, const char *what) {
  set_lengths(&scene->host, lengths);
  upload(scene);
  device_graph_launch(&scene->device, graph, scene->stream);
  download(scene);
  return check(scene, what);
}

int main(void) {
  static const int32_t lengths[3][REQUESTS] = {{37, 1, 130, 16}, {192, 64, 2, 0}, {5, 129, 17, 191}};
  static struct scene scene;
  set_up(&scene);
  bool passes = run_eagerly(&scene, lengths[0]);

  device_capture_begin(&scene.device, scene.stream);
  const fi_status status = enqueue_step(&scene);
  void *graph = device_capture_end(&scene.device, scene.stream);
  passes &= status == FI_OK;
  passes &= replay(&scene, graph, lengths[1], "replay, other lengths");
  passes &= replay(&scene, graph, lengths[2], "replay, other lengths");
  passes &= replay(&scene, graph, lengths[0], "replay, first lengths");

  device_graph_destroy(&scene.device, graph);
  device_stream_destroy(&scene.device, scene.stream);
  device_free(&scene.device, scene.on_device);
  device_free(&scene.device, scene.workspace.memory);
  fi_ctx_destroy(scene.ctx);
  device_close(&scene.device);
  return passes ? EXIT_SUCCESS : EXIT_FAILURE;
}
