/* Rows from measurements. */
#include "tools/bench/bench_row.h"

#include "tools/bench/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double bench_row_number(const json_t *row, const char *key) {
  const json_t *value = json_object_get(row, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *bench_row_text(const json_t *row, const char *key) {
  const char *text = json_string_value(json_object_get(row, key));
  return text ? text : "";
}

bool bench_row_is_timed(const json_t *row) {
  return bench_row_number(row, "us") > 0 && strcmp(bench_row_text(row, "status"), "ok") == 0;
}

static void set_text(json_t *row, const char *key, const char *text) {
  json_object_set_new(row, key, json_string(text));
}

static void set_real(json_t *row, const char *key, double value) {
  json_object_set_new(row, key, isfinite(value) ? json_real(value) : json_null());
}

/* The times above 0 of an array, to be freed; NULL when there are none. */
static double *read_samples(const json_t *array, size_t *count) {
  double *samples = malloc((json_array_size(array) + 1) * sizeof *samples);
  *count = 0;
  for (size_t i = 0; i < json_array_size(array) && samples; i++) {
    const double sample = json_number_value(json_array_get(array, i));
    if (sample > 0 && isfinite(sample))
      samples[(*count)++] = sample;
  }
  return samples;
}

double *bench_row_samples(const json_t *row, size_t *count) {
  return read_samples(json_object_get(row, "samples"), count);
}

static struct summary summary_of(const json_t *array) {
  size_t count;
  double *samples = read_samples(array, &count);
  const struct summary summary = statistics_summary(samples, samples ? count : 0);
  free(samples);
  return summary;
}

static void set_speed(json_t *row, const struct bench_case *what, const struct ceilings *ceilings, double us) {
  const bool is_compute = bench_case_is_compute_bound(what);
  const double work = is_compute ? bench_case_operations(what) : bench_case_bytes(what);
  const double ceiling = is_compute ? ceilings->operations : ceilings->bytes;
  const double rate = work / us * 1e6;
  set_real(row, "rate", rate / 1e12);
  set_text(row, "rate_unit", is_compute ? "TFLOP/s" : "TB/s");
  if (ceiling > 0)
    set_real(row, "share", rate / ceiling);
}

static void set_times(json_t *row, const struct bench_case *what, const struct ceilings *ceilings) {
  const struct summary run = summary_of(json_object_get(row, "samples"));
  const struct summary plan = summary_of(json_object_get(row, "plan_samples"));
  json_object_del(row, "plan_samples");
  if (plan.median > 0)
    set_real(row, "plan_us", plan.median);
  if (!(run.median > 0))
    return;
  set_real(row, "us", run.median);
  set_real(row, "us_least", run.least);
  set_real(row, "us_most", run.most);
  set_real(row, "spread", run.spread);
  set_speed(row, what, ceilings, run.median);
}

static void set_case(json_t *row, const struct bench_case *what) {
  char text[CASE_TEXT_SIZE];
  bench_case_text(what, text);
  set_text(row, "case", text);
  set_text(row, "spec", what->spec_text);
  json_object_set_new(row, "heads", json_integer(what->kv_heads));
  set_text(row, "batch", what->batch.text);
  for (size_t i = 0; i < BENCH_COUNTS; i++)
    if (bench_case_count(what, i))
      json_object_set_new(row, bench_counts[i].name, json_integer(bench_case_count(what, i)));
  set_real(row, "bytes", bench_case_bytes(what));
  set_real(row, "operations", bench_case_operations(what));
  if (what->layer[0])
    set_text(row, "layer", what->layer);
}

json_t *bench_row(const struct bench_case *what, json_t *measured, const struct ceilings *ceilings) {
  json_t *row = json_object();
  if (!row || !measured) {
    json_decref(row);
    json_decref(measured);
    return NULL;
  }
  set_case(row, what);
  json_object_update(row, measured);
  json_decref(measured);
  set_times(row, what, ceilings);
  return row;
}
