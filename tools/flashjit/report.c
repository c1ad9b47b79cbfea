/* One object for both forms of output, so that the table shows nothing that the JSON lacks. */
#include "tools/flashjit/report.h"

#include "tools/flashjit/source_file.h"
#include "tools/flashjit/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *layer_name(uint32_t layer) {
  static const char *const names[] = {
      [FI_LAYER_MEMORY] = "memory",     [FI_LAYER_READ_ONLY] = "read-only", [FI_LAYER_USER] = "user",
      [FI_LAYER_COMPILED] = "compiled", [FI_LAYER_BUNDLE] = "bundle",       [FI_LAYER_HTTP] = "http",
  };
  return layer < sizeof names / sizeof *names ? names[layer] : "?";
}

/* Append kernels and indexers: their error is in steps of what rounding explains. */
static bool is_exact(const struct report *report) {
  return report->role == ROLE_APPEND || report->role >= PLAIN_ROLES;
}

static bool has_operations(const struct report *report) {
  return report->role == ROLE_PREFILL || report->role == ROLE_INDEXER;
}

/* JSON has no infinity: what is infinitely wrong becomes null. */
static json_t *number_or_null(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

static void add_speed(json_t *object, const struct report *report) {
  json_object_set_new(object, "simulated", json_boolean(report->simulated));
  if (report->microseconds <= 0)
    return;
  json_object_set_new(object, "us", json_real(report->microseconds));
  json_object_set_new(object, "speed", json_real(report->work / report->microseconds / 1e6));
  json_object_set_new(object, "speed_unit", json_string(has_operations(report) ? "TFLOP/s" : "TB/s"));
}

static void add_verdict(json_t *object, const struct report *report) {
  const struct verdict *verdict = &report->verdict;
  json_object_set_new(object, "verified", json_boolean(report->verified));
  if (!report->verified)
    return;
  json_object_set_new(object, "rows", json_integer((json_int_t)verdict->rows));
  json_object_set_new(object, "rows_checked", json_integer((json_int_t)verdict->measure.rows));
  json_object_set_new(object, "error",
                      number_or_null(is_exact(report) ? verdict->steps : measure_norm(&verdict->measure)));
  json_object_set_new(object, "allowed", json_real(is_exact(report) ? 1 : tolerance_of(report->dtype)->norm));
  json_object_set_new(object, "error_unit", json_string(is_exact(report) ? "rounding steps" : "relative norm"));
  json_object_set_new(object, "passed", json_boolean(report->passed));
}

json_t *report_json(const struct report *report) {
  json_t *object = json_object();
  json_object_set_new(object, "layer", json_string(report->layer));
  json_object_set_new(object, "phase", json_string(role_name(report->role)));
  json_object_set_new(object, "spec", json_string(report->spec));
  json_object_set_new(object, "target", json_string(report->facts.target));
  json_object_set_new(object, "from", json_string(layer_name(report->facts.layer)));
  json_object_set_new(object, "edited", json_boolean(source_file_is_of(report->spec)));
  json_object_set_new(object, "compile_ms", json_real(report->facts.compile_ms));
  json_object_set_new(object, "get_ms", json_real(report->get_ms));
  json_object_set_new(object, "registers", json_integer(report->facts.registers));
  add_speed(object, report);
  add_verdict(object, report);
  return object;
}

/* ------------------------------------------------------------------------------------------------ cells */

static double number(const json_t *row, const char *key) {
  return json_number_value(json_object_get(row, key));
}

static void from_cell(const json_t *row, char *text, size_t size) {
  snprintf(text, size, "%s%s", json_is_true(json_object_get(row, "edited")) ? "edited, " : "",
           json_string_value(json_object_get(row, "from")));
}

/* Of PTX nobody knows them yet. */
static void registers_cell(const json_t *row, char *text, size_t size) {
  double registers = number(row, "registers");
  if (registers > 0)
    snprintf(text, size, "%.0f", registers);
  else
    snprintf(text, size, "-");
}

static void time_cell(const json_t *row, char *text, size_t size) {
  if (json_is_true(json_object_get(row, "simulated")))
    snprintf(text, size, "simulated");
  else
    snprintf(text, size, "%.1f us", number(row, "us"));
}

static void speed_cell(const json_t *row, char *text, size_t size) {
  const char *unit = json_string_value(json_object_get(row, "speed_unit"));
  if (unit)
    snprintf(text, size, "%.2f %s", number(row, "speed"), unit);
  else
    snprintf(text, size, "-");
}

static void checked_cell(const json_t *row, char *text, size_t size) {
  double rows = number(row, "rows");
  double checked = number(row, "rows_checked");
  if (!json_is_true(json_object_get(row, "verified")))
    snprintf(text, size, "no");
  else if (checked == rows)
    snprintf(text, size, "all %.0f", rows);
  else
    snprintf(text, size, "%.0f of %.0f", checked, rows);
}

static void error_cell(const json_t *row, char *text, size_t size) {
  const json_t *error = json_object_get(row, "error");
  const char *unit = json_string_value(json_object_get(row, "error_unit"));
  if (!error)
    snprintf(text, size, "-");
  else if (json_is_null(error))
    snprintf(text, size, "infinite");
  else if (strcmp(unit, "relative norm") == 0)
    snprintf(text, size, "%.1e", json_number_value(error));
  else
    snprintf(text, size, "%.2f steps", json_number_value(error));
}

static void result_cell(const json_t *row, char *text, size_t size) {
  const json_t *passed = json_object_get(row, "passed");
  snprintf(text, size, "%s", !passed ? "-" : json_is_true(passed) ? "ok" : "WRONG");
}

void report_print(const json_t *reports) {
  static const struct table_column columns[] = {
      {"layer", "layer", false, NULL},
      {"phase", "phase", false, NULL},
      {"spec", "spec", false, NULL},
      {"from", NULL, false, from_cell},
      {"compile ms", "compile_ms", true, NULL},
      {"registers", NULL, true, registers_cell},
      {"time", NULL, true, time_cell},
      {"speed", NULL, true, speed_cell},
      {"rows checked", NULL, true, checked_cell},
      {"error", NULL, true, error_cell},
      {"result", NULL, false, result_cell},
  };
  table_print(stdout, reports, columns, sizeof columns / sizeof *columns);
}
