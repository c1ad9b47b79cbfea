/*
 * By which angles kernels turn pairs, on the simulator: right to 1e-6 radians up to a million tokens, by every formula
 * of fi_rope_table, for Q, for K inside attention and for K that is appended. Results have 8 or 11 bits, so each pair
 * is chosen so that turning brings it close to an axis: the coordinate that is nearly zero is then the angle left over,
 * to many places. Q's pairs are read by a key of ones: the log-sum-exp of a row that sees one key is its score. A plain
 * program; exits with 77, which is skipping, without a compiler.
 */
#include "tests/dtypes.h"
#include "tools/common/device.h"

#include <flashjit.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_DIM = 64, MOST_PAIRS = HEAD_DIM / 2, PAGE = 16, POSITIONS = 7, AXES = 3, SKIPPED = 77 };

static const double MOST_ERROR = 1e-6;

/* Requests are at these positions. */
static const int32_t positions[POSITIONS] = {1, 31, 4097, 131071, 999999, 1000000, 1048573};

enum { MOST_KV_LEN = 1048574, REQUEST_PAGES = MOST_KV_LEN / PAGE + 1 };

/* ------------------------------------------------------------------------------------------------ formulas */

static const long double two_pi = 6.283185307179586476925286766559L;
static const float frequencies[MOST_PAIRS] = {1, -0.5f, 0.123456789f, 3, 1e-3f, 1e-9f};
static double factors[MOST_PAIRS];

#define ROPE(...)                                                                                                      \
  { .struct_size = sizeof(fi_rope), .dim = HEAD_DIM, __VA_ARGS__ }

static const fi_rope plain = ROPE(.theta = 10000);
static const fi_rope llama3 = ROPE(.scaling = FI_SCALING_LLAMA3, .theta = 500000, .factor = 8, .context = 8192,
                                   .low_frequency = 1, .high_frequency = 4);
static const fi_rope sections =
    ROPE(.theta = 5000000, .sections = {12, 10, 10}, .section_order = FI_SECTIONS_INTERLEAVED);
static const fi_rope few = {.struct_size = sizeof few, .dim = 20, .theta = 10000};

static const fi_rope scalings[] = {
    ROPE(.theta = 10000, .frequencies = frequencies),
    ROPE(.scaling = FI_SCALING_LINEAR, .theta = 10000, .factor = 2.5),
    ROPE(.scaling = FI_SCALING_YARN, .theta = 150000, .factor = 32, .context = 4096, .beta_fast = 32, .beta_slow = 1,
         .no_truncation = 1),
    ROPE(.scaling = FI_SCALING_LONGROPE, .theta = 10000, .factor = 32, .context = 4096, .max_tokens = 1048576,
         .short_factors = factors, .long_factors = factors),
    ROPE(.scaling = FI_SCALING_DYNAMIC, .theta = 10000, .factor = 2, .context = 2048, .max_tokens = 1048576),
    ROPE(.scaling = FI_SCALING_PROPORTIONAL, .theta = 1000000, .factor = 1, .turning_pairs = 16),
};

static long double mix(long double x, long double scaled, long double k) {
  const long double kept = k < 0 ? 0 : k > 1 ? 1 : k;
  return x * kept + scaled * (1 - kept);
}

/* The pair, not rounded, that turns so many times within the context. */
static long double yarn_pair(const fi_rope *rope, double turns) {
  return (long double)rope->dim * logl((long double)rope->context / (turns * two_pi)) /
         (2 * logl((long double)rope->theta));
}

/* Radians a token of a pair, as flashjit.h has the formulas. */
static long double frequency(const fi_rope *rope, uint32_t pair) {
  const long double exponent = -2.0L * pair / rope->dim;
  const long double theta = (long double)rope->theta;
  const long double s = (long double)rope->factor;
  const long double context = (long double)rope->context;
  const long double x = powl(theta, exponent);
  switch (rope->scaling) {
  case FI_SCALING_NONE:
    return rope->frequencies ? (long double)rope->frequencies[pair] : x;
  case FI_SCALING_LINEAR:
    return x / s;
  case FI_SCALING_LLAMA3:
    return mix(x, x / s,
               (context * x / two_pi - (long double)rope->low_frequency) /
                   (long double)(rope->high_frequency - rope->low_frequency));
  case FI_SCALING_YARN: {
    const long double a = yarn_pair(rope, rope->beta_fast);
    const long double b = yarn_pair(rope, rope->beta_slow);
    return mix(x / s, x, (pair - a) / (b - a));
  }
  case FI_SCALING_LONGROPE:
    return x / (long double)factors[pair];
  case FI_SCALING_DYNAMIC:
    return powl(theta * powl(s * rope->max_tokens / context - (s - 1), rope->dim / (rope->dim - 2.0L)), exponent);
  default:
    return pair < rope->turning_pairs ? x / s : 0;
  }
}

/* Which of the three positions turns a pair of interleaved sections. */
static uint32_t axis_of(const fi_rope *rope, uint32_t pair) {
  const uint32_t axis = pair % 3;
  return rope->sections[0] > 0 && pair < 3 * rope->sections[axis] ? axis : 0;
}

/* Height and width of a token differ from its time. */
static int32_t position_along(uint32_t axis, uint32_t request) {
  return axis == 0 ? positions[request] : axis == 1 ? positions[request] - 1 : positions[request] / 2;
}

static long double angle_of(const fi_rope *rope, uint32_t pair, uint32_t request) {
  return remainderl(position_along(axis_of(rope, pair), request) * frequency(rope, pair), two_pi);
}

/* ------------------------------------------------------------------------------------------------ pairs */

struct pair {
  double x;
  double y;
};

/* What the second coordinate of a turned pair is. */
static double turned(struct pair pair, long double angle) {
  return (double)((long double)pair.x * sinl(angle) + (long double)pair.y * cosl(angle));
}

/* To the nearest number of a type. */
static double rounded(uint32_t dtype, long double value) {
  double kept = 0;
  dtype_encode(dtype, (double)value, &kept, 0);
  return dtype_decode(dtype, &kept, 0);
}

/* The pair of a type's numbers that an angle turns closest to the first axis; the larger one has all its bits. */
static struct pair pair_for(long double angle, uint32_t dtype) {
  const int most = dtype == FI_F16 ? 2048 : 256;
  const bool is_steep = fabsl(sinl(angle)) > fabsl(cosl(angle));
  const long double slope = is_steep ? -cosl(angle) / sinl(angle) : -sinl(angle) / cosl(angle);
  struct pair best = {0, 0};
  double least = INFINITY;
  for (int i = most / 2; i < most; i++) {
    const double other = rounded(dtype, slope * i);
    const struct pair pair = is_steep ? (struct pair){other, i} : (struct pair){i, other};
    const double left = fabs(turned(pair, angle));
    if (left < least)
      best = pair;
    least = fmin(least, left);
  }
  return best;
}

/* ------------------------------------------------------------------------------------------------ a case */

enum subject { QUERIES, KEYS, NEW_KEYS };

static const struct row {
  const char *spec;
  const fi_rope *rope;
  enum subject subject;
} rows[] = {
    {"attention hd=64 group=32 rows=32 page=16 left=1 lse=1 rope=half", &plain, QUERIES},
    {"attention hd=64 group=32 rows=32 page=16 left=1 lse=1 rope=interleaved q=f16", &llama3, QUERIES},
    {"attention hd=64 group=32 rows=32 page=16 left=1 lse=1 rope=half kv=e4m3 positions=array", &llama3, QUERIES},
    {"attention hd=64 group=10 rows=16 page=16 left=1 lse=1 rope=half rope_dim=20 rope_first=6 q=f16", &few, QUERIES},
    {"attention hd=64 group=32 rows=32 page=16 left=1 lse=1 rope=half positions=array axes=3", &sections, QUERIES},
    {"attention hd=64 group=32 rows=32 page=16 left=1 lse=1 rope=half keys=unrotated positions=array q=f16", &llama3,
     KEYS},
    {"attention hd=64 group=32 rows=32 page=16 left=1 lse=1 rope=interleaved keys=unrotated positions=array axes=3",
     &sections, KEYS},
    {"attention hd=64 group=10 page=16 left=1 lse=1 rope=interleaved rope_dim=20 rope_first=44 keys=unrotated "
     "positions=array",
     &few, KEYS},
    {"append hd=64 page=16 rope=half q=f16", &plain, NEW_KEYS},
    {"append hd=64 page=16 rope=interleaved positions=array axes=3", &sections, NEW_KEYS},
    {"append hd=64 page=16 rope=half rope_dim=20 rope_first=6", &few, NEW_KEYS},
};

/* What is on the device. A request's page table has one page only, many times. */
struct inputs {
  int32_t kv_len[POSITIONS];
  int32_t page_table[POSITIONS][REQUEST_PAGES];
  int32_t positions[AXES][POSITIONS];
  int32_t key_positions[AXES][POSITIONS][PAGE];
  uint64_t rope_table[MOST_PAIRS];
  _Alignas(16) uint16_t q[POSITIONS * MOST_PAIRS * HEAD_DIM];
  _Alignas(16) uint16_t k_new[POSITIONS * HEAD_DIM];
  _Alignas(16) uint16_t k[POSITIONS * PAGE * HEAD_DIM]; /* of 8 bits: the first half of it */
  _Alignas(16) uint16_t o[POSITIONS * MOST_PAIRS * HEAD_DIM];
  float lse[POSITIONS * MOST_PAIRS];
};

struct scene {
  struct device device;
  fi_ctx *ctx;
  struct inputs host;
  struct inputs *on_device; /* a device address */
  fi_kernel *kernel;
  fi_spec spec; /* that of the kernel */
  const fi_rope *rope;
  enum subject subject;
  float magnitude;
  int failures;
};

static void must(const struct scene *scene, fi_status status, const char *what) {
  if (!status && !device_failed(&scene->device))
    return;
  printf("%s: %s %s\n", what, fi_last_error(), scene->device.error);
  exit(status == FI_ERROR_NO_COMPILER ? SKIPPED : EXIT_FAILURE);
}

static uint32_t pairs_of(const struct scene *scene) {
  return scene->spec.rope_dim / 2;
}

static uint32_t first_dim(const fi_spec *spec, uint32_t pair) {
  return spec->rope_first + (spec->rope == FI_ROPE_HALF ? pair : 2 * pair);
}

static uint32_t second_dim(const fi_spec *spec, uint32_t pair) {
  return first_dim(spec, pair) + (spec->rope == FI_ROPE_HALF ? spec->rope_dim / 2 : 1);
}

static uint32_t measured_dtype(const struct scene *scene) {
  return scene->subject == KEYS ? scene->spec.kv_dtype : scene->spec.q_dtype;
}

static struct pair measured_pair(const struct scene *scene, uint32_t request, uint32_t pair) {
  return pair_for(angle_of(scene->rope, pair, request), measured_dtype(scene));
}

static void set_pair(const struct scene *scene, uint32_t request, uint32_t pair, uint32_t dtype, uint16_t *data,
                     size_t row) {
  const struct pair chosen = measured_pair(scene, request, pair);
  dtype_encode(dtype, chosen.x, data, row + first_dim(&scene->spec, pair));
  dtype_encode(dtype, chosen.y, data, row + second_dim(&scene->spec, pair));
}

/* Head h of Q has pair h alone: what is measured, or 1 in the second coordinate, which reads that of the key. */
static void fill_queries(struct scene *scene, uint32_t request) {
  struct inputs *host = &scene->host;
  for (uint32_t pair = 0; pair < scene->spec.group && scene->subject != NEW_KEYS; pair++) {
    const size_t row = (request * scene->spec.group + pair) * HEAD_DIM;
    if (scene->subject == QUERIES)
      set_pair(scene, request, pair, scene->spec.q_dtype, host->q, row);
    else
      dtype_encode(scene->spec.q_dtype, 1, host->q, row + second_dim(&scene->spec, pair));
  }
}

static void fill_keys(struct scene *scene, uint32_t request) {
  struct inputs *host = &scene->host;
  for (uint32_t pair = 0; pair < pairs_of(scene); pair++) {
    for (uint32_t token = 0; token < PAGE; token++) {
      const size_t row = (request * PAGE + token) * HEAD_DIM;
      if (scene->subject == KEYS)
        set_pair(scene, request, pair, scene->spec.kv_dtype, host->k, row);
      else
        dtype_encode(scene->spec.kv_dtype, 1, host->k, row + second_dim(&scene->spec, pair));
    }
    if (scene->subject == NEW_KEYS)
      set_pair(scene, request, pair, scene->spec.q_dtype, host->k_new, request * HEAD_DIM);
  }
}

/* Where keys are measured, Q is at position 0 and does not turn. */
static void fill_positions(struct scene *scene, uint32_t request) {
  struct inputs *host = &scene->host;
  host->kv_len[request] = positions[request] + 1;
  for (uint32_t page = 0; page < REQUEST_PAGES; page++)
    host->page_table[request][page] = (int32_t)request;
  for (uint32_t axis = 0; axis < AXES; axis++) {
    host->positions[axis][request] = scene->subject == KEYS ? 0 : position_along(axis, request);
    for (uint32_t token = 0; token < PAGE; token++)
      host->key_positions[axis][request][token] = position_along(axis, request);
  }
}

static void fill_inputs(struct scene *scene) {
  memset(&scene->host, 0, sizeof scene->host);
  must(scene, fi_rope_table(scene->rope, scene->host.rope_table, &scene->magnitude), "fi_rope_table");
  for (uint32_t request = 0; request < POSITIONS; request++) {
    fill_positions(scene, request);
    fill_queries(scene, request);
    fill_keys(scene, request);
  }
}

/* ------------------------------------------------------------------------------------------------ run */

static fi_tensors tensors_of(const struct scene *scene) {
  struct inputs *at = scene->on_device;
  return (fi_tensors){.struct_size = sizeof(fi_tensors),
                      .softmax_scale = 1,
                      .q = at->q,
                      .o = at->o,
                      .lse = at->lse,
                      .k.data = at->k,
                      .v.data = scene->subject == NEW_KEYS ? at->o : at->k, /* nobody looks at V */
                      .k_new.data = at->k_new,
                      .v_new.data = at->k_new,
                      .rope_table = at->rope_table,
                      .rope_magnitude = scene->magnitude,
                      .positions = at->positions[0],
                      .position_stride = POSITIONS,
                      .key_positions = scene->subject == KEYS ? at->key_positions[0][0] : NULL,
                      .key_position_stride = POSITIONS * PAGE};
}

static void launch(struct scene *scene) {
  struct inputs *at = scene->on_device;
  fi_workspace workspace = {.struct_size = sizeof workspace,
                            .max_requests = POSITIONS,
                            .max_tokens = POSITIONS,
                            .max_kv_len = MOST_KV_LEN,
                            .kv_heads = 1,
                            .ctas = 4};
  const fi_batch batch = {.struct_size = sizeof batch,
                          .requests = POSITIONS,
                          .kv_len = at->kv_len,
                          .page_table = at->page_table,
                          .page_table_stride = REQUEST_PAGES};
  const fi_tensors tensors = tensors_of(scene);
  must(scene, fi_workspace_size(scene->kernel, &workspace), "fi_workspace_size");
  workspace.memory = device_alloc(&scene->device, workspace.bytes);
  workspace.scratch = device_alloc(&scene->device, workspace.scratch_bytes + 256);
  device_upload(&scene->device, at, &scene->host, sizeof scene->host);
  must(scene, fi_plan(scene->kernel, &batch, &workspace, NULL), "fi_plan");
  must(scene, fi_run(scene->kernel, &tensors, &workspace, NULL), "fi_run");
  device_sync(&scene->device, NULL);
  device_download(&scene->device, &scene->host, at, sizeof scene->host);
  device_free(&scene->device, workspace.memory);
  device_free(&scene->device, workspace.scratch);
  must(scene, FI_OK, "the kernel");
}

/* The second coordinate of a turned pair. */
static double measured(const struct scene *scene, uint32_t request, uint32_t pair) {
  const uint32_t token = (uint32_t)positions[request] % PAGE;
  if (scene->subject != NEW_KEYS)
    return (double)scene->host.lse[request * scene->spec.group + pair];
  return dtype_decode(scene->spec.kv_dtype, scene->host.k,
                      (request * PAGE + token) * HEAD_DIM + second_dim(&scene->spec, pair));
}

/* What the longer Q, whose magnitude counts too where keys are measured, multiplies the coordinate with. */
static double gain_of(const struct scene *scene) {
  const double magnitude = (double)scene->magnitude;
  return scene->subject == KEYS ? magnitude * magnitude : magnitude;
}

static void check(struct scene *scene, const char *name) {
  double worst = 0;
  uint32_t worst_request = 0;
  uint32_t worst_pair = 0;
  for (uint32_t request = 0; request < POSITIONS; request++) {
    for (uint32_t pair = 0; pair < pairs_of(scene); pair++) {
      const struct pair chosen = measured_pair(scene, request, pair);
      const double expected = turned(chosen, angle_of(scene->rope, pair, request));
      const double error = fabs(measured(scene, request, pair) / gain_of(scene) - expected) / hypot(chosen.x, chosen.y);
      if (error <= worst)
        continue;
      worst = isnan(error) ? INFINITY : error;
      worst_request = request;
      worst_pair = pair;
    }
  }
  const bool passes = worst <= MOST_ERROR;
  printf("%s %s, scaling %u: off by %.2e radians at most (position %d, pair %u)\n", passes ? "ok   " : "WRONG", name,
         scene->rope->scaling, worst, positions[worst_request], worst_pair);
  scene->failures += !passes;
}

static void run(struct scene *scene, const struct row *row, const fi_rope *rope) {
  fi_spec spec;
  must(scene, fi_spec_parse(row->spec, &spec), row->spec);
  must(scene, fi_get_kernel(scene->ctx, &spec, &scene->kernel), row->spec);
  must(scene, fi_kernel_spec(scene->kernel, &scene->spec), row->spec);
  scene->rope = rope;
  scene->subject = row->subject;
  fill_inputs(scene);
  launch(scene);
  check(scene, row->spec);
}

int main(void) {
  static struct scene scene;
  const fi_options options = {.struct_size = sizeof options, .driver = "sim", .nvrtc = TEST_NVRTC, .cache_dir = ""};
  for (int i = 0; i < MOST_PAIRS; i++)
    factors[i] = 1 + i / 4.0;
  if (!device_open(&scene.device, "sim") || fi_ctx_create(&options, &scene.ctx)) {
    printf("%s %s\n", scene.device.error, fi_last_error());
    return EXIT_FAILURE;
  }
  scene.on_device = device_alloc(&scene.device, sizeof *scene.on_device);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    run(&scene, &rows[i], rows[i].rope);
  for (size_t i = 0; i < sizeof scalings / sizeof *scalings; i++)
    run(&scene, &rows[0], &scalings[i]);
  device_free(&scene.device, scene.on_device);
  fi_ctx_destroy(scene.ctx);
  device_close(&scene.device);
  return scene.failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
