/* flashjit_bench [FILTER]: times workloads whose spec and shape contain FILTER, as a table. Needs a GPU. */
#include "tools/bench/case_data.h"
#include "tools/common/timing.h"
#include "tools/common/visible.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAUNCHES = 24, REPLAYS = 21 };

static const double read_ceiling = 4.56e12; /* bytes a second that one H200 reads */

static bool launch_run(void *user, uint32_t set, void *stream) {
  struct case_data *data = user;
  return !case_data_failed(data, "fi_run", fi_run(data->kernel, &data->tensors[set], &data->workspace[set], stream));
}

static bool launch_plan(void *user, uint32_t set, void *stream) {
  struct case_data *data = user;
  return !case_data_failed(data, "fi_plan", fi_plan(data->kernel, &data->batch[set], &data->workspace[set], stream));
}

static bool time_case(struct case_data *data, timed_launch launch, void *stream, struct timing *timing) {
  const struct timed timed = {
      .launch = launch, .user = data, .sets = data->sets, .launches = LAUNCHES, .replays = REPLAYS};
  return time_launches(data->device, stream, &timed, timing);
}

/* Floating-point operations of a launch: two products of the visible part of the score matrix. */
static double operations(const struct case_data *data) {
  const struct bench_case *what = data->what;
  const double heads = (double)what->kv_heads * data->spec.group;
  const double pairs = data->spec.mask == FI_MASK_CAUSAL
                           ? visible_pairs(&data->spec, what->kv_len - what->q_len, what->kv_len)
                           : (double)what->q_len * what->kv_len;
  return 2 * heads * what->requests * pairs * (data->spec.head_dim + data->spec.v_dim);
}

enum { NAME_SIZE = 160 };

/* A case's spec and shape, in the columns of the table. */
static void name_case(const struct bench_case *what, char name[NAME_SIZE]) {
  char shape[64];
  snprintf(shape, sizeof shape, "b%u q%u kv%u/%u%s", what->requests, what->q_len, what->kv_len, what->kv_heads,
           what->long_kv_len ? "+1 long" : "");
  snprintf(name, NAME_SIZE, "%-58s %-22s", what->spec, shape);
}

static void print_row(const struct case_data *data, struct timing run, struct timing plan, double error) {
  const struct bench_case *what = data->what;
  const double rate = what->compute_bound ? operations(data) / run.median / 1e6 : data->kv_bytes / run.median / 1e6;
  char name[NAME_SIZE];
  name_case(what, name);
  printf("%s %9.2f %9.2f %9.2f %7.2f %-7s", name, run.median, run.least, run.most, rate,
         what->compute_bound ? "TFLOP/s" : "TB/s");
  if (what->compute_bound)
    printf("    -  %6.0f %6.0f", what->bar, what->peer);
  else
    printf(" %3.0f%%  %6.1f %6.1f", 100 * rate * 1e12 / read_ceiling, what->bar, what->peer);
  printf(" %6.2f %9.1e\n", plan.median, error);
  fflush(stdout);
}

static int bench(const struct bench_case *what, struct device *device, fi_ctx *ctx, void *stream) {
  static struct case_data data;
  random_state random = 1;
  double error = 0;
  struct timing run;
  struct timing plan;
  const bool worked = case_data_make(&data, what, device, ctx, &random) && time_case(&data, launch_run, stream, &run) &&
                      time_case(&data, launch_plan, stream, &plan);
  if (worked) {
    error = case_data_check(&data, 6, &random);
    print_row(&data, run, plan, error);
  }
  case_data_free(&data);
  if (device_failed(device))
    fprintf(stderr, "%s: %s\n", what->spec, device->error);
  return worked && !device_failed(device) && error < 1e-2;
}

int main(int argc, char **argv) {
  const char *filter = argc > 1 ? argv[1] : "";
  struct device device;
  fi_ctx *ctx;
  if (!device_open(&device, NULL) || fi_ctx_create(NULL, &ctx)) {
    fprintf(stderr, "flashjit_bench: %s%s\n", device.error, fi_last_error());
    return 1;
  }
  void *stream = device_stream_create(&device);
  printf("%s, %d SMs\n", device.name, device.sms);
  printf("%-58s %-22s %9s %9s %9s %7s %-7s %4s  %6s %6s %6s %9s\n", "spec", "shape", "median us", "least", "most",
         "rate", "", "", "bar", "peer", "plan", "error");
  int passed = 1;
  for (size_t i = 0; i < bench_case_count; i++) {
    char name[NAME_SIZE];
    name_case(&bench_cases[i], name);
    if (strstr(name, filter))
      passed &= bench(&bench_cases[i], &device, ctx, stream);
  }
  device_stream_destroy(&device, stream);
  fi_ctx_destroy(ctx);
  device_close(&device);
  return passed ? 0 : 1;
}
