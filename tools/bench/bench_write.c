/* Four forms of one table. */
#include "tools/bench/bench_write.h"

#include "tools/bench/bench_row.h"
#include "tools/flashjit/document.h"

#include <math.h>
#include <string.h>

enum { CELL = 512 };

bool bench_format_find(const char *name, enum bench_format *format) {
  static const char *const names[] = {"md", "csv", "json", "jsonl"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(names[i], name) == 0) {
      *format = (enum bench_format)i;
      return true;
    }
  }
  return false;
}

/* ------------------------------------------------------------------------------------------------ cells */

/* Of Markdown. An empty cell is written "-". */
typedef void write_cell(const json_t *row, const char *key, char text[CELL]);

/* A bar would end the cell. */
static void text_cell(const json_t *row, const char *key, char text[CELL]) {
  snprintf(text, CELL, "%s", bench_row_text(row, key));
  for (char *bar = strchr(text, '|'); bar; bar = strchr(bar, '|'))
    *bar = '/';
}

static void count_cell(const json_t *row, const char *key, char text[CELL]) {
  snprintf(text, CELL, "%.0f", bench_row_number(row, key));
}

static void number_cell(const json_t *row, const char *key, char text[CELL], const char *unit, double factor) {
  const double number = factor * bench_row_number(row, key);
  if (!isnan(number))
    snprintf(text, CELL, "%.*f%s", number < 10 ? 2 : number < 1000 ? 1 : 0, number, unit);
}

static void time_cell(const json_t *row, const char *key, char text[CELL]) {
  if (json_is_true(json_object_get(row, "simulated")))
    snprintf(text, CELL, "simulated");
  else
    number_cell(row, key, text, "", 1);
}

static void plan_cell(const json_t *row, const char *key, char text[CELL]) {
  number_cell(row, key, text, "", 1);
}

static void percent_cell(const json_t *row, const char *key, char text[CELL]) {
  const double share = bench_row_number(row, key);
  if (!isnan(share))
    snprintf(text, CELL, "%.*f %%", share < 0.1 ? 1 : 0, 100 * share);
}

static void rate_cell(const json_t *row, const char *key, char text[CELL]) {
  char unit[32];
  snprintf(unit, sizeof unit, " %s", bench_row_text(row, "rate_unit"));
  number_cell(row, key, text, unit, 1);
}

static void error_cell(const json_t *row, const char *key, char text[CELL]) {
  const json_t *error = json_object_get(row, key);
  if (json_is_null(error))
    snprintf(text, CELL, "infinite");
  else if (error)
    snprintf(text, CELL, "%.1e", json_number_value(error));
}

static void status_cell(const json_t *row, const char *key, char text[CELL]) {
  const char *reason = bench_row_text(row, "reason");
  snprintf(text, CELL, "%s%s%.400s", bench_row_text(row, key), *reason ? ": " : "", reason);
  for (char *at = text; *at; at++)
    *at = strchr("|\r\n", *at) ? ' ' : *at;
}

static void baseline_cell(const json_t *row, const char *key, char text[CELL]) {
  const double ratio = bench_row_number(row, "baseline_ratio");
  const char *verdict = bench_row_text(row, key);
  if (strcmp(verdict, "slower") == 0)
    snprintf(text, CELL, "**SLOWER** %.3f", ratio);
  else if (!isnan(ratio))
    snprintf(text, CELL, "%s %.3f", verdict, ratio);
  else
    snprintf(text, CELL, "%s", verdict);
}

static const struct column {
  const char *title;
  const char *key;
  write_cell *write;
} columns[] = {
    {"layer", "layer", text_cell},
    {"spec", "spec", text_cell},
    {"heads", "heads", count_cell},
    {"batch", "batch", text_cell},
    {"by", "provider", text_cell},
    {"us", "us", time_cell},
    {"spread", "spread", percent_cell},
    {"rate", "rate", rate_cell},
    {"of ceiling", "share", percent_cell},
    {"plan us", "plan_us", plan_cell},
    {"error", "error", error_cell},
    {"result", "status", status_cell},
    {"baseline", "baseline_verdict", baseline_cell},
};

enum { COLUMNS = sizeof columns / sizeof *columns };

/* ------------------------------------------------------------------------------------------------ Markdown */

/* Layers of models and a baseline have a column where there are such. */
static bool is_shown(const struct column *column, const json_t *rows) {
  if (strcmp(column->key, "layer") != 0 && strcmp(column->key, "baseline_verdict") != 0)
    return true;
  for (size_t i = 0; i < json_array_size(rows); i++) {
    if (json_object_get(json_array_get(rows, i), column->key))
      return true;
  }
  return false;
}

static void cell_of(const struct column *column, const json_t *row, char text[CELL]) {
  text[0] = '\0';
  column->write(row, column->key, text);
  if (text[0] == '\0')
    snprintf(text, CELL, "-");
}

static size_t width_of(const struct column *column, const json_t *rows) {
  size_t width = strlen(column->title);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    char text[CELL];
    cell_of(column, json_array_get(rows, i), text);
    width = strlen(text) > width ? strlen(text) : width;
  }
  return width;
}

static bool is_left(const struct column *column) {
  return column->write == text_cell || column->write == status_cell || column->write == baseline_cell;
}

static void print_cell(FILE *file, const struct column *column, const char *text, size_t width) {
  const int aligned = (int)width;
  fprintf(file, " %*s |", is_left(column) ? -aligned : aligned, text);
}

/* "---:" aligns a column to the right. */
static void print_rule(FILE *file, const struct column *column, size_t width) {
  fputc(' ', file);
  for (size_t i = 0; i + 1 < width; i++)
    fputc('-', file);
  fputs(is_left(column) ? "- |" : ": |", file);
}

static void write_md_table(FILE *file, const json_t *rows) {
  size_t widths[COLUMNS] = {0};
  for (size_t c = 0; c < COLUMNS; c++)
    widths[c] = is_shown(&columns[c], rows) ? width_of(&columns[c], rows) : 0;
  fputc('|', file);
  for (size_t c = 0; c < COLUMNS; c++) {
    if (widths[c] > 0)
      print_cell(file, &columns[c], columns[c].title, widths[c]);
  }
  fputs("\n|", file);
  for (size_t c = 0; c < COLUMNS; c++) {
    if (widths[c] > 0)
      print_rule(file, &columns[c], widths[c]);
  }
  fputc('\n', file);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    fputc('|', file);
    for (size_t c = 0; c < COLUMNS; c++) {
      char text[CELL];
      cell_of(&columns[c], json_array_get(rows, i), text);
      if (widths[c] > 0)
        print_cell(file, &columns[c], text, widths[c]);
    }
    fputc('\n', file);
  }
}

static void write_md(FILE *file, const json_t *head, const json_t *rows) {
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
  write_md_table(file, rows);
}

/* ------------------------------------------------------------------------------------------------ CSV */

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
                                       "repro"};

static void write_quoted(FILE *file, const char *text) {
  fputc('"', file);
  for (; *text; text++) {
    if (*text == '"')
      fputc('"', file);
    fputc(*text, file);
  }
  fputc('"', file);
}

static void write_csv_value(FILE *file, const json_t *value) {
  if (json_is_string(value))
    write_quoted(file, json_string_value(value));
  else if (json_is_boolean(value))
    fputs(json_is_true(value) ? "true" : "false", file);
  else if (json_is_number(value))
    fprintf(file, "%.9g", json_number_value(value));
}

static void write_csv(FILE *file, const json_t *head, const json_t *rows) {
  fputs(DOCUMENT_VERSION ",device", file);
  for (size_t k = 0; k < sizeof csv_keys / sizeof *csv_keys; k++)
    fprintf(file, ",%s", csv_keys[k]);
  fputc('\n', file);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    write_csv_value(file, json_object_get(head, DOCUMENT_VERSION));
    fputc(',', file);
    write_csv_value(file, json_object_get(head, "device"));
    for (size_t k = 0; k < sizeof csv_keys / sizeof *csv_keys; k++) {
      fputc(',', file);
      write_csv_value(file, json_object_get(row, csv_keys[k]));
    }
    fputc('\n', file);
  }
}

/* ------------------------------------------------------------------------------------------------ JSON */

enum { DIGITS = JSON_REAL_PRECISION(9) };

static void write_json(FILE *file, const json_t *head, const json_t *rows) {
  json_t *whole = json_copy((json_t *)head);
  json_object_set(whole, "rows", (json_t *)rows);
  json_dumpf(whole, file, JSON_INDENT(2) | DIGITS);
  fputc('\n', file);
  json_decref(whole);
}

static void write_jsonl(FILE *file, const json_t *head, const json_t *rows) {
  json_dumpf(head, file, JSON_COMPACT | DIGITS);
  fputc('\n', file);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    json_dumpf(json_array_get(rows, i), file, JSON_COMPACT | DIGITS);
    fputc('\n', file);
  }
}

void bench_write(FILE *file, enum bench_format format, const json_t *head, const json_t *rows) {
  static void (*const writers[])(FILE *, const json_t *, const json_t *) = {
      [BENCH_MD] = write_md, [BENCH_CSV] = write_csv, [BENCH_JSON] = write_json, [BENCH_JSONL] = write_jsonl};
  writers[format](file, head, rows);
}
