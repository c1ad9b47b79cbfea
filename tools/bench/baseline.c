/* Reads an earlier run and compares. */
#include "tools/bench/baseline.h"

#include "tools/bench/bench_row.h"
#include "tools/bench/statistics.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/input.h"
#include "tools/flashjit/problem.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ reading */

static bool is_of_bench(const json_t *object, const char *path) {
  const char *schema = bench_row_text(object, DOCUMENT_SCHEMA);
  const json_int_t version = json_integer_value(json_object_get(object, DOCUMENT_VERSION));
  if (strcmp(schema, "flashjit.bench") == 0 && version == DOCUMENT_SCHEMA_VERSION)
    return true;
  return problem_set("%s: its %s is \"%s\", version %lld, not flashjit.bench, version %d", path, DOCUMENT_SCHEMA,
                     schema, (long long)version, DOCUMENT_SCHEMA_VERSION);
}

static bool are_objects(const json_t *rows) {
  bool are = json_is_array(rows);
  for (size_t i = 0; i < json_array_size(rows); i++)
    are &= json_is_object(json_array_get(rows, i));
  return are;
}

/* A document with all rows, the first line of many, or a row. */
static bool take_object(struct baseline *baseline, json_t *object, const char *path) {
  const json_t *rows = json_object_get(object, "rows");
  const bool is_head = json_object_get(object, DOCUMENT_SCHEMA);
  if (is_head && !is_of_bench(object, path))
    return false;
  if (rows && !are_objects(rows))
    return problem_set("%s: its rows are no list of objects; a baseline is what bench writes with -o json or jsonl",
                       path);
  if (is_head)
    json_object_update(baseline->head, object);
  if (rows)
    json_array_extend(baseline->rows, (json_t *)rows);
  if (!is_head)
    json_array_append(baseline->rows, object);
  return true;
}

static bool read_objects(struct baseline *baseline, FILE *file, const char *path) {
  json_error_t error;
  bool taken = true;
  int next = getc(file);
  while (taken && next != EOF) {
    if (strchr(" \t\r\n", next)) {
      next = getc(file);
      continue;
    }
    ungetc(next, file);
    json_t *object = json_loadf(file, JSON_DISABLE_EOF_CHECK, &error);
    if (!json_is_object(object))
      taken = problem_set("%s: %s; a baseline is what bench writes with -o json or jsonl", path,
                          object ? "not an object" : error.text);
    else
      taken = take_object(baseline, object, path);
    json_decref(object);
    next = getc(file);
  }
  return taken;
}

bool baseline_read(struct baseline *baseline, const char *path) {
  *baseline = (struct baseline){.rows = json_array(), .head = json_object()};
  FILE *file = input_open(path);
  if (!file)
    return false;
  bool read = read_objects(baseline, file, path);
  if (read && ferror(file))
    read = problem_set("%s: %s", path, strerror(errno));
  fclose(file);
  if (read && json_object_size(baseline->head) == 0)
    return problem_set("%s: nothing of bench in it; a baseline is what bench writes with -o json or jsonl", path);
  return read;
}

void baseline_free(struct baseline *baseline) {
  json_decref(baseline->rows);
  json_decref(baseline->head);
  *baseline = (struct baseline){0};
}

/* ------------------------------------------------------------------------------------------------ comparing */

/* What has a time among rows, of the case and provider of a row. */
static const json_t *find(const json_t *rows, const json_t *row) {
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *other = json_array_get(rows, i);
    if (bench_row_is_timed(other) && strcmp(bench_row_text(other, "case"), bench_row_text(row, "case")) == 0 &&
        strcmp(bench_row_text(other, "provider"), bench_row_text(row, "provider")) == 0)
      return other;
  }
  return NULL;
}

static struct ratio ratio_of(const json_t *before, const json_t *after) {
  size_t counts[2];
  double *samples[] = {bench_row_samples(before, &counts[0]), bench_row_samples(after, &counts[1])};
  struct ratio ratio = {NAN, 0, INFINITY};
  if (samples[0] && samples[1])
    ratio = statistics_ratio(samples[0], counts[0], samples[1], counts[1]);
  free(samples[0]);
  free(samples[1]);
  return ratio;
}

/* JSON has no infinity and no NaN. */
static void set_number(json_t *row, const char *key, double value) {
  json_object_set_new(row, key, isfinite(value) ? json_real(value) : json_null());
}

static struct ratio compare_row(const json_t *before, json_t *row, double tolerance, struct comparison *comparison) {
  const struct ratio ratio = ratio_of(before, row);
  const enum verdict_of_ratio verdict = statistics_verdict(&ratio, tolerance);
  json_object_set_new(row, "baseline_verdict", json_string(statistics_verdict_name(verdict)));
  set_number(row, "baseline_us", bench_row_number(before, "us"));
  set_number(row, "baseline_ratio", ratio.estimate);
  set_number(row, "baseline_low", ratio.low);
  set_number(row, "baseline_high", ratio.high);
  comparison->slower += verdict == RATIO_SLOWER;
  comparison->compared++;
  return ratio;
}

static size_t count_missing(const json_t *before, const json_t *after) {
  size_t missing = 0;
  for (size_t i = 0; i < json_array_size(before); i++) {
    const json_t *row = json_array_get(before, i);
    missing += bench_row_is_timed(row) && !find(after, row);
  }
  return missing;
}

struct comparison baseline_compare(const struct baseline *baseline, json_t *rows, double tolerance) {
  struct comparison comparison = {.missing = count_missing(baseline->rows, rows), .drift = NAN};
  double *ratios = calloc(json_array_size(rows) + 1, sizeof *ratios);
  size_t count = 0;
  for (size_t i = 0; i < json_array_size(rows); i++) {
    json_t *row = json_array_get(rows, i);
    const json_t *before = find(baseline->rows, row);
    if (!bench_row_is_timed(row))
      continue;
    if (!before) {
      json_object_set_new(row, "baseline_verdict", json_string("new"));
      continue;
    }
    const struct ratio ratio = compare_row(before, row, tolerance, &comparison);
    if (ratios && ratio.estimate > 0)
      ratios[count++] = ratio.estimate;
  }
  if (ratios)
    comparison.drift = statistics_summary(ratios, count).median;
  free(ratios);
  return comparison;
}

bool baseline_holds(const struct comparison *comparison, bool simulated) {
  return comparison->slower == 0 && (comparison->compared > 0 || simulated);
}
