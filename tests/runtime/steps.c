/*
 * What a step of a server may meet, on the simulator: batches that are not within their bounds, memory without a plan,
 * several plans in a launch, one scratch for all of them. A plain program; exits with 77, which is skipping, without a
 * compiler.
 */
#include "tests/dtypes.h"
#include "tools/common/device.h"

#include <flashjit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  REQUESTS = 4,
  KV_HEADS = 2,
  GROUP = 4,
  HEAD_DIM = 64,
  PAGE = 16,
  REQUEST_PAGES = 8,
  PAGES = REQUESTS * REQUEST_PAGES,
  MAX_KV_LEN = REQUEST_PAGES * PAGE,
  MAX_TOKENS = 8,
  O_BYTES = MAX_TOKENS * KV_HEADS * GROUP * HEAD_DIM * 2,
  RANGES = 4,
  SKIPPED = 77
};

/* What is on the device. */
struct inputs {
  int32_t q_indptr[REQUESTS + 1];
  int32_t kv_len[REQUESTS];
  int32_t kv_start[REQUESTS];
  int32_t kv_indptr[REQUESTS + 1];
  int32_t last_page_len[REQUESTS];
  int32_t page_table[PAGES];
  int32_t range_indptr[REQUESTS + 1];
  int32_t ranges[2 * RANGES];
  _Alignas(16) uint16_t q[MAX_TOKENS * KV_HEADS * GROUP * HEAD_DIM];
  _Alignas(16) uint16_t k[PAGES * PAGE * KV_HEADS * HEAD_DIM];
  _Alignas(16) uint16_t v[PAGES * PAGE * KV_HEADS * HEAD_DIM];
};

struct scene {
  struct device device;
  fi_ctx *ctx;
  struct inputs host;
  struct inputs *on_device; /* a device address */
  void *o;
  int failures;
};

static void check(struct scene *scene, bool holds, const char *what) {
  if (!holds)
    printf("FAILED %s: %s %s\n", what, fi_last_error(), scene->device.error);
  scene->failures += !holds;
}

static void fill_normal(uint16_t *values, size_t count) {
  static uint32_t state = 1;
  for (size_t i = 0; i < count; i++) {
    state = state * 1664525 + 1013904223;
    dtype_encode(FI_BF16, (double)(state >> 8) / (1 << 23) - 1, values, i);
  }
}

static const struct inputs good = {
    .q_indptr = {0, 1, 3, 4, 6},
    .kv_len = {5, 100, 17, 64},
    .kv_start = {0, 33, 1, 0},
    .kv_indptr = {0, 8, 16, 24, 32},
    .last_page_len = {5, 4, 1, 16},
    .range_indptr = {0, 1, 3, 3, 4},
    .ranges = {0, 3, 10, 20, 20, 99, 60, 70},
};

static void set_up(struct scene *scene) {
  const fi_options options = {.struct_size = sizeof options, .driver = "sim", .nvrtc = TEST_NVRTC, .cache_dir = ""};
  if (!device_open(&scene->device, "sim") || fi_ctx_create(&options, &scene->ctx)) {
    printf("%s %s\n", scene->device.error, fi_last_error());
    exit(EXIT_FAILURE);
  }
  scene->host = good;
  for (int i = 0; i < PAGES; i++)
    scene->host.page_table[i] = PAGES - 1 - i;
  fill_normal(scene->host.q, sizeof scene->host.q / 2);
  fill_normal(scene->host.k, sizeof scene->host.k / 2);
  fill_normal(scene->host.v, sizeof scene->host.v / 2);
  scene->on_device = device_alloc(&scene->device, sizeof *scene->on_device);
  scene->o = device_alloc(&scene->device, O_BYTES);
}

static fi_kernel *kernel_of(struct scene *scene, const char *text) {
  fi_spec spec;
  fi_kernel *kernel;
  fi_status status = fi_spec_parse(text, &spec);
  if (!status)
    status = fi_get_kernel(scene->ctx, &spec, &kernel);
  if (!status)
    return kernel;
  printf("%s: %s\n", text, fi_last_error());
  exit(status == FI_ERROR_NO_COMPILER ? SKIPPED : EXIT_FAILURE);
}

static fi_workspace workspace_for(struct scene *scene, const fi_kernel *kernel, uint32_t max_kv_len,
                                  uint32_t max_requests) {
  fi_workspace workspace = {.struct_size = sizeof workspace,
                            .max_requests = max_requests,
                            .max_tokens = MAX_TOKENS,
                            .max_kv_len = max_kv_len,
                            .kv_heads = KV_HEADS,
                            .ctas = 6};
  check(scene, fi_workspace_size(kernel, &workspace) == FI_OK, "fi_workspace_size");
  workspace.memory = device_alloc(&scene->device, workspace.bytes);
  workspace.scratch = device_alloc(&scene->device, workspace.scratch_bytes);
  device_fill(&scene->device, workspace.memory, 0xff, workspace.bytes);
  return workspace;
}

static fi_workspace workspace_of(struct scene *scene, const fi_kernel *kernel, uint32_t max_kv_len) {
  return workspace_for(scene, kernel, max_kv_len, REQUESTS);
}

static void free_workspace(struct scene *scene, const fi_workspace *workspace) {
  device_free(&scene->device, workspace->memory);
  device_free(&scene->device, workspace->scratch);
}

static fi_batch batch_of(const struct scene *scene) {
  return (fi_batch){.struct_size = sizeof(fi_batch),
                    .requests = REQUESTS,
                    .q_indptr = scene->on_device->q_indptr,
                    .kv_len = scene->on_device->kv_len,
                    .kv_start = scene->on_device->kv_start,
                    .ranges = scene->on_device->ranges,
                    .range_indptr = scene->on_device->range_indptr,
                    .page_table = scene->on_device->page_table,
                    .page_table_stride = REQUEST_PAGES,
                    .page_count = PAGES};
}

static fi_tensors tensors_of(const struct scene *scene) {
  return (fi_tensors){.struct_size = sizeof(fi_tensors),
                      .q = scene->on_device->q,
                      .o = scene->o,
                      .k.data = scene->on_device->k,
                      .v.data = scene->on_device->v};
}

static void upload(struct scene *scene) {
  device_upload(&scene->device, scene->on_device, &scene->host, sizeof scene->host);
}

static fi_fault fault_of(struct scene *scene, const fi_workspace *workspace) {
  fi_fault fault;
  device_sync(&scene->device, NULL);
  device_download(&scene->device, &fault, workspace->memory, sizeof fault);
  return fault;
}

/* -------------------------------------------------------------------------------- faults of a batch */

static const char paged[] = "attention hd=64 group=4 rows=16 page=16 start=1";
static const char window[] =
    "attention hd=64 group=4 rows=16 page=16 left=33"; /* of 100 tokens, two of them new, from 66 on */
static const char ranged[] = "attention hd=64 group=4 rows=16 page=16 ranges=1";
static const char csr[] = "attention hd=64 group=4 rows=16 page=16 index=csr"; /* lengths from the last page */
static const char sharing[] = "attention hd=64 group=4 rows=16 page=16 index=csr prefixes=1";
static const char listed[] = "attention hd=64 group=4 rows=16 page=16 index=csr mask=none"; /* and given */

/* One value that is wrong, and what is told of it. */
static const struct wrong {
  const char *what;
  const char *spec;
  size_t offset; /* of the int32_t in struct inputs */
  int32_t value;
  fi_fault fault;
} wrongs[] = {
    {"nothing", paged, offsetof(struct inputs, kv_len[1]), 100, {FI_FAULT_NONE, 0, 0}},
    {"a length beyond the bound", paged, offsetof(struct inputs, kv_len[2]), 129, {FI_FAULT_KV_LEN, 2, 129}},
    {"a length at the bound", paged, offsetof(struct inputs, kv_len[2]), 128, {FI_FAULT_NONE, 0, 0}},
    {"a negative length", paged, offsetof(struct inputs, kv_len[0]), -7, {FI_FAULT_KV_LEN, 0, -7}},
    {"too many query tokens", paged, offsetof(struct inputs, q_indptr[4]), 9, {FI_FAULT_TOKENS, 3, 9}},
    {"as many as may be", paged, offsetof(struct inputs, q_indptr[4]), 8, {FI_FAULT_NONE, 0, 0}},
    {"q_indptr that falls", paged, offsetof(struct inputs, q_indptr[2]), 0, {FI_FAULT_Q_INDPTR, 1, 0}},
    {"a negative q_indptr", paged, offsetof(struct inputs, q_indptr[0]), -1, {FI_FAULT_Q_INDPTR, 0, -1}},
    {"a start beyond the length", paged, offsetof(struct inputs, kv_start[3]), 65, {FI_FAULT_KV_START, 3, 65}},
    {"a start at the length", paged, offsetof(struct inputs, kv_start[3]), 64, {FI_FAULT_NONE, 0, 0}},
    {"a negative start", paged, offsetof(struct inputs, kv_start[1]), -1, {FI_FAULT_KV_START, 1, -1}},
    {"a page id beyond the cache", paged, offsetof(struct inputs, page_table[14]), 32, {FI_FAULT_PAGE, 1, 32}},
    {"a negative page id", paged, offsetof(struct inputs, page_table[17]), -1, {FI_FAULT_PAGE, 2, -1}},
    {"an id after the last page", paged, offsetof(struct inputs, page_table[18]), -1, {FI_FAULT_NONE, 0, 0}},
    {"an id before the start", paged, offsetof(struct inputs, page_table[9]), -1, {FI_FAULT_NONE, 0, 0}},
    {"an id of the page of the start", paged, offsetof(struct inputs, page_table[10]), -1, {FI_FAULT_PAGE, 1, -1}},
    {"an id before the window", window, offsetof(struct inputs, page_table[11]), -1, {FI_FAULT_NONE, 0, 0}},
    {"an id where the window begins", window, offsetof(struct inputs, page_table[12]), -1, {FI_FAULT_PAGE, 1, -1}},
    {"ranges that touch", ranged, offsetof(struct inputs, ranges[4]), 20, {FI_FAULT_NONE, 0, 0}},
    {"ranges that overlap", ranged, offsetof(struct inputs, ranges[4]), 19, {FI_FAULT_RANGE, 1, 2}},
    {"a range that is empty", ranged, offsetof(struct inputs, ranges[1]), 0, {FI_FAULT_RANGE, 0, 0}},
    {"a negative range", ranged, offsetof(struct inputs, ranges[6]), -1, {FI_FAULT_RANGE, 3, 3}},
    {"a last page that is too long", csr, offsetof(struct inputs, last_page_len[3]), 17, {FI_FAULT_LAST_PAGE, 3, 17}},
    {"a last page that is empty", csr, offsetof(struct inputs, last_page_len[0]), 0, {FI_FAULT_LAST_PAGE, 0, 0}},
    {"a negative last page", csr, offsetof(struct inputs, last_page_len[1]), -3, {FI_FAULT_LAST_PAGE, 1, -3}},
    {"a list that falls", csr, offsetof(struct inputs, kv_indptr[2]), 7, {FI_FAULT_KV_LEN, 1, 0}},
    {"a negative list",
     csr,
     offsetof(struct inputs, kv_indptr[0]),
     INT32_MIN,
     {FI_FAULT_KV_LEN, 0, 2147483655ll * 16 + 5}},
    {"a negative list where prefixes are looked for",
     sharing,
     offsetof(struct inputs, kv_indptr[0]),
     INT32_MIN,
     {FI_FAULT_KV_LEN, 0, 2147483655ll * 16 + 5}},
    {"a list with no room for the length",
     listed,
     offsetof(struct inputs, kv_indptr[2]),
     14,
     {FI_FAULT_KV_LEN, 1, 100}},
    {"a length that falls with q_indptr", paged, offsetof(struct inputs, q_indptr[3]), 0, {FI_FAULT_Q_INDPTR, 2, 0}},
};

static bool rows_are_finite(struct scene *scene, uint32_t faulty) {
  static uint16_t o[O_BYTES / 2];
  device_download(&scene->device, o, scene->o, O_BYTES);
  for (uint32_t request = 0; request < REQUESTS; request++) {
    for (int32_t token = good.q_indptr[request]; request != faulty && token < good.q_indptr[request + 1]; token++) {
      for (int i = 0; i < KV_HEADS * GROUP * HEAD_DIM; i++) {
        if ((o[token * KV_HEADS * GROUP * HEAD_DIM + i] & 0x7f80) == 0x7f80)
          return false;
      }
    }
  }
  return true;
}

/* The fault is told, and the other requests have their results. */
static void check_wrong(struct scene *scene, const struct wrong *wrong, bool other_rows) {
  fi_kernel *kernel = kernel_of(scene, wrong->spec);
  const fi_workspace workspace = workspace_of(scene, kernel, MAX_KV_LEN);
  const struct inputs kept = scene->host;
  fi_batch batch = batch_of(scene);
  const fi_tensors tensors = tensors_of(scene);
  if (wrong->spec == csr || wrong->spec == sharing) {
    batch.kv_len = NULL;
    batch.last_page_len = scene->on_device->last_page_len;
  }
  if (wrong->spec != paged)
    batch.kv_indptr = scene->on_device->kv_indptr;
  memcpy((char *)&scene->host + wrong->offset, &wrong->value, sizeof wrong->value);
  upload(scene);
  device_fill(&scene->device, scene->o, 0xff, O_BYTES);
  check(scene, fi_plan(kernel, &batch, &workspace, NULL) == FI_OK, wrong->what);
  const fi_fault fault = fault_of(scene, &workspace);
  if (memcmp(&fault, &wrong->fault, sizeof fault)) {
    printf("FAILED %s: fault %u of request %u, %lld\n", wrong->what, fault.kind, fault.request, (long long)fault.value);
    scene->failures++;
  }
  check(scene, fi_run(kernel, &tensors, &workspace, NULL) == FI_OK, wrong->what);
  device_sync(&scene->device, NULL);
  check(scene, !other_rows || rows_are_finite(scene, fault.kind ? fault.request : REQUESTS), wrong->what);
  check(scene, !device_failed(&scene->device), wrong->what);
  scene->host = kept;
  free_workspace(scene, &workspace);
}

static void check_wrongs(struct scene *scene) {
  for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
    const bool moves_rows = wrongs[i].offset < offsetof(struct inputs, kv_len);
    check_wrong(scene, &wrongs[i], !moves_rows);
  }
}

/* -------------------------------------------------------------------------------- pages that are checked */

enum { MANY = 100 };

/* A request of many pages, with ids of 64 bits. */
static fi_fault check_ids(struct scene *scene, int32_t kv_start, int bad, int64_t id) {
  fi_kernel *kernel = kernel_of(scene, "attention hd=64 group=4 rows=16 page=16 ids=int64 start=1");
  fi_workspace workspace = workspace_of(scene, kernel, MANY * PAGE);
  struct {
    int64_t page_table[MANY];
    int32_t q_indptr[2];
    int32_t kv_len;
    int32_t kv_start;
  } host = {.q_indptr = {0, MAX_TOKENS}, .kv_len = MANY * PAGE, .kv_start = kv_start};
  host.page_table[bad] = id;
  char *there = device_alloc(&scene->device, sizeof host);
  device_upload(&scene->device, there, &host, sizeof host);
  const fi_batch batch = {.struct_size = sizeof batch,
                          .requests = 1,
                          .q_indptr = (void *)(there + offsetof(__typeof__(host), q_indptr)),
                          .kv_len = (void *)(there + offsetof(__typeof__(host), kv_len)),
                          .kv_start = (void *)(there + offsetof(__typeof__(host), kv_start)),
                          .page_table = there,
                          .page_table_stride = MANY,
                          .page_count = PAGES};
  check(scene, fi_plan(kernel, &batch, &workspace, NULL) == FI_OK, "fi_plan");
  const fi_fault fault = fault_of(scene, &workspace);
  free_workspace(scene, &workspace);
  device_free(&scene->device, there);
  return fault;
}

static void check_pages(struct scene *scene) {
  check(scene, check_ids(scene, 0, 5, 3).kind == FI_FAULT_NONE, "good ids");
  for (int bad = 0; bad < MANY; bad += 9)
    check(scene, check_ids(scene, 0, bad, PAGES).kind == FI_FAULT_PAGE, "one bad id of many");
  check(scene, check_ids(scene, 0, 50, (1ll << 32) + 3).value == (1ll << 32) + 3, "an id that is good in its low half");
  check(scene, check_ids(scene, MANY * PAGE, MANY - 1, -1).kind == FI_FAULT_PAGE,
        "a page of query tokens before the start");
}

/* -------------------------------------------------------------------------------- plans of others */

/* A launch that finds no plan of its own writes nothing and says so. */
static void check_foreign(struct scene *scene, fi_kernel *kernel, const fi_workspace *workspace, const char *what) {
  static unsigned char o[O_BYTES];
  const fi_tensors tensors = tensors_of(scene);
  device_fill(&scene->device, scene->o, 0x77, O_BYTES);
  check(scene, fi_run(kernel, &tensors, workspace, NULL) == FI_OK, what);
  check(scene, fault_of(scene, workspace).kind == FI_FAULT_PLAN, what);
  device_download(&scene->device, o, scene->o, O_BYTES);
  for (size_t i = 0; i < O_BYTES; i++) {
    if (o[i] != 0x77) {
      check(scene, false, what);
      return;
    }
  }
}

static void check_foreign_plans(struct scene *scene) {
  fi_kernel *kernel = kernel_of(scene, paged);
  fi_kernel *unmasked = kernel_of(scene, "attention hd=64 group=4 rows=16 page=16 start=1 mask=none");
  fi_workspace workspace = workspace_of(scene, kernel, MAX_KV_LEN);
  const fi_batch batch = batch_of(scene);
  upload(scene);
  check_foreign(scene, kernel, &workspace, "memory that was never planned");
  check(scene, fi_plan(kernel, &batch, &workspace, NULL) == FI_OK, "fi_plan");
  check(scene, fault_of(scene, &workspace).kind == FI_FAULT_NONE, "a plan takes the fault away");
  check_foreign(scene, unmasked, &workspace, "the plan of another kind of kernel");
  check(scene, fi_plan(kernel, &batch, &workspace, NULL) == FI_OK, "fi_plan");
  workspace.max_kv_len--;
  check_foreign(scene, kernel, &workspace, "the plan of other bounds");
  workspace.max_kv_len++;
  check(scene, fi_plan(kernel, &batch, &workspace, NULL) == FI_OK, "fi_plan");
  fi_tensors tensors = tensors_of(scene);
  tensors.k_new = tensors.k;
  tensors.v_new = tensors.v;
  fi_kernel *wide = kernel_of(scene, "append hd=64 page=16 ids=int64");
  check(scene, fi_run(wide, &tensors, &workspace, NULL) == FI_OK, "fi_run");
  check(scene, fault_of(scene, &workspace).kind == FI_FAULT_PLAN, "an append kernel with ids of another type");
  free_workspace(scene, &workspace);
}

/* -------------------------------------------------------------------------------- several plans */

enum { PLANS = 10 };

static const char *const plan_specs[PLANS] = {
    "attention hd=64 group=4 rows=16 page=16",
    "attention hd=64 group=4 page=16 rows=64",
    "attention hd=64 group=4 rows=16 page=16 mask=none",
    "attention hd=64 group=4 rows=16 page=16 start=1",
    "append hd=64 page=16",
    "attention hd=64 group=4 page=16 rows=32",
    "attention hd=64 group=4 rows=16 page=16",
    "attention hd=64 group=4 page=16 rows=64 mask=none",
    "append hd=64 page=16",
    "attention hd=64 group=4 rows=16 page=16 start=1 mask=none",
};

struct planned {
  fi_kernel *kernels[PLANS];
  fi_workspace workspaces[PLANS];
  fi_batch batches[PLANS];
};

static bool same_memory(struct scene *scene, const fi_workspace *left, const fi_workspace *right) {
  unsigned char *a = malloc(left->bytes);
  unsigned char *b = malloc(left->bytes);
  bool same = a && b;
  if (same) {
    device_download(&scene->device, a, left->memory, left->bytes);
    device_download(&scene->device, b, right->memory, left->bytes);
    same = memcmp(a, b, left->bytes) == 0;
  }
  free(a);
  free(b);
  return same;
}

/* The plans of one call have the bits of plans that were made one by one; and one scratch serves all of them. */
static void check_several_plans(struct scene *scene) {
  struct planned planned;
  const fi_batch *batches[PLANS];
  const fi_workspace *workspaces[PLANS];
  upload(scene);
  for (int i = 0; i < PLANS; i++) {
    planned.kernels[i] = kernel_of(scene, plan_specs[i]);
    planned.workspaces[i] = workspace_for(scene, planned.kernels[i], MAX_KV_LEN, REQUESTS + (uint32_t)i);
    planned.batches[i] = batch_of(scene);
    planned.batches[i].page_count = i % 3 ? PAGES : 0;
    batches[i] = &planned.batches[i];
    workspaces[i] = &planned.workspaces[i];
  }
  check(scene, fi_plan_all(planned.kernels, batches, workspaces, PLANS, NULL) == FI_OK, "fi_plan_all");
  device_sync(&scene->device, NULL);
  for (int i = 0; i < PLANS; i++) {
    fi_workspace alone = workspace_for(scene, planned.kernels[i], MAX_KV_LEN, REQUESTS + (uint32_t)i);
    check(scene, fi_plan(planned.kernels[i], batches[i], &alone, NULL) == FI_OK, plan_specs[i]);
    device_sync(&scene->device, NULL);
    check(scene, same_memory(scene, workspaces[i], &alone), plan_specs[i]);
    free_workspace(scene, &alone);
  }
  for (int i = 0; i < PLANS; i++)
    free_workspace(scene, &planned.workspaces[i]);
}

static void check_shared_scratch(struct scene *scene) {
  enum { KERNELS = 3 };
  static const char *const specs[KERNELS] = {"attention hd=64 group=4 rows=16 page=16",
                                             "attention hd=64 group=4 page=16 rows=64",
                                             "attention hd=64 group=4 rows=16 page=16 mask=none"};
  static unsigned char o[2][KERNELS][O_BYTES];
  fi_kernel *kernels[KERNELS];
  fi_workspace workspaces[KERNELS];
  const fi_batch batch = batch_of(scene);
  const fi_tensors tensors = tensors_of(scene);
  uint64_t scratch_bytes = 0;
  for (int i = 0; i < KERNELS; i++) {
    kernels[i] = kernel_of(scene, specs[i]);
    workspaces[i] = workspace_of(scene, kernels[i], MAX_KV_LEN);
    scratch_bytes = workspaces[i].scratch_bytes > scratch_bytes ? workspaces[i].scratch_bytes : scratch_bytes;
    check(scene, fi_plan(kernels[i], &batch, &workspaces[i], NULL) == FI_OK, specs[i]);
  }
  void *scratch = device_alloc(&scene->device, scratch_bytes);
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < KERNELS; i++) {
      fi_workspace workspace = workspaces[i];
      workspace.scratch = scratch;
      workspace.scratch_bytes = scratch_bytes;
      check(scene, fi_run(kernels[i], &tensors, &workspace, NULL) == FI_OK, specs[i]);
      device_sync(&scene->device, NULL);
      device_download(&scene->device, o[round][i], scene->o, O_BYTES);
    }
  }
  check(scene, memcmp(o[0], o[1], sizeof o[0]) == 0, "plans that share a scratch, in turns");
  check(scene, memcmp(o[0][0], o[0][2], O_BYTES) != 0, "results of different kernels");
  device_free(&scene->device, scratch);
  for (int i = 0; i < KERNELS; i++)
    free_workspace(scene, &workspaces[i]);
}

int main(void) {
  static struct scene scene;
  set_up(&scene);
  check_wrongs(&scene);
  check_pages(&scene);
  check_foreign_plans(&scene);
  check_several_plans(&scene);
  check_shared_scratch(&scene);
  check(&scene, !device_failed(&scene.device), "the device");
  printf("%zu faults, %d plans in a call: %s\n", sizeof wrongs / sizeof *wrongs, PLANS,
         scene.failures ? "FAILED" : "passed");
  return scene.failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
