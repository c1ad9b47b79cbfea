/* The columns of a table of times. */
#include "tools/bench/bench_row.h"
#include "tools/bench/bench_write.h"

#include <math.h>
#include <string.h>

/* A bar would end the cell. */
static void text_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  snprintf(text, BENCH_CELL, "%s", bench_row_text(row, key));
  for (char *bar = strchr(text, '|'); bar; bar = strchr(bar, '|'))
    *bar = '/';
}

/* What is of the batch, and the other numbers of the case. */
static void batch_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  text_cell(row, key, text);
  for (size_t i = 0; i < BENCH_COUNTS; i++) {
    const json_t *count = json_object_get(row, bench_counts[i].name);
    const size_t used = strlen(text);
    if (count)
      snprintf(text + used, BENCH_CELL - used, " %s=%lld", bench_counts[i].name, (long long)json_integer_value(count));
  }
}

static void count_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  snprintf(text, BENCH_CELL, "%.0f", bench_row_number(row, key));
}

static void number_cell(const json_t *row, const char *key, char text[BENCH_CELL], const char *unit, double factor) {
  const double number = factor * bench_row_number(row, key);
  if (!isnan(number))
    snprintf(text, BENCH_CELL, "%.*f%s", number < 10 ? 2 : number < 1000 ? 1 : 0, number, unit);
}

static void time_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  if (json_is_true(json_object_get(row, "simulated")))
    snprintf(text, BENCH_CELL, "simulated");
  else
    number_cell(row, key, text, "", 1);
}

static void plan_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  number_cell(row, key, text, "", 1);
}

static void percent_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  const double share = bench_row_number(row, key);
  if (!isnan(share))
    snprintf(text, BENCH_CELL, "%.*f %%", share < 0.1 ? 1 : 0, 100 * share);
}

static void rate_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  char unit[32];
  snprintf(unit, sizeof unit, " %s", bench_row_text(row, "rate_unit"));
  number_cell(row, key, text, unit, 1);
}

static void error_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  const json_t *error = json_object_get(row, key);
  if (json_is_null(error))
    snprintf(text, BENCH_CELL, "infinite");
  else if (error)
    snprintf(text, BENCH_CELL, "%.1e", json_number_value(error));
}

static void status_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  const char *reason = bench_row_text(row, "reason");
  snprintf(text, BENCH_CELL, "%s%s%.400s", bench_row_text(row, key), *reason ? ": " : "", reason);
  for (char *at = text; *at; at++)
    *at = strchr("|\r\n", *at) ? ' ' : *at;
}

static void baseline_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  const double ratio = bench_row_number(row, "baseline_ratio");
  const char *verdict = bench_row_text(row, key);
  if (strcmp(verdict, "slower") == 0)
    snprintf(text, BENCH_CELL, "**SLOWER** %.3f", ratio);
  else if (!isnan(ratio))
    snprintf(text, BENCH_CELL, "%s %.3f", verdict, ratio);
  else
    snprintf(text, BENCH_CELL, "%s", verdict);
}

static const struct bench_column columns[] = {
    {"layer", "layer", text_cell, true, true},
    {"spec", "spec", text_cell, true, false},
    {"heads", "heads", count_cell, false, false},
    {"batch", "batch", batch_cell, true, false},
    {"by", "provider", text_cell, true, false},
    {"us", "us", time_cell, false, false},
    {"spread", "spread", percent_cell, false, false},
    {"rate", "rate", rate_cell, false, false},
    {"of ceiling", "share", percent_cell, false, false},
    {"plan us", "plan_us", plan_cell, false, false},
    {"error", "error", error_cell, false, false},
    {"result", "status", status_cell, true, false},
    {"baseline", "baseline_verdict", baseline_cell, true, true},
};

static const char *const csv_keys[] = {"case",
                                       "layer",
                                       "spec",
                                       "heads",
                                       "batch",
                                       "provider",
                                       "version",
                                       "status",
                                       "reason",
                                       "simulated",
                                       "us",
                                       "us_least",
                                       "us_most",
                                       "spread",
                                       "rate",
                                       "rate_unit",
                                       "share",
                                       "plan_us",
                                       "error",
                                       "allowed",
                                       "baseline_verdict",
                                       "baseline_us",
                                       "baseline_ratio",
                                       "baseline_low",
                                       "baseline_high",
                                       "repro",
                                       NULL};

/* Peers that were asked for and have no rows. */
static void print_absent(FILE *file, json_t *absent) {
  const char *name;
  json_t *reason;
  json_object_foreach(absent, name, reason)
    fprintf(file, "Without %s: %s\n", name, json_string_value(reason));
  if (json_object_size(absent) > 0)
    fputc('\n', file);
}

static void print_title(FILE *file, const json_t *head) {
  const double read = bench_row_number(head, "read_tb_s");
  const double products = bench_row_number(head, "products_tflop_s");
  fprintf(file, "%s, flashjit %s", bench_row_text(head, "device"), bench_row_text(head, "version"));
  if (json_is_true(json_object_get(head, "simulated")))
    fputs(", simulated: outputs are checked, times mean nothing", file);
  if (read > 0)
    fprintf(file, ", reads %.2f TB/s", read);
  if (products > 0)
    fprintf(file, ", multiplies matrices at %.0f TFLOP/s", products);
  fputs("\n\n", file);
  print_absent(file, json_object_get(head, "absent"));
}

const struct bench_layout bench_times = {
    .columns = columns,
    .count = sizeof columns / sizeof *columns,
    .csv_keys = csv_keys,
    .print_title = print_title,
};
