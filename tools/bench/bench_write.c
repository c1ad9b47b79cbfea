/* Four forms of one table. */
#include "tools/bench/bench_write.h"

#include "tools/flashjit/document.h"

#include <string.h>

enum { MOST_COLUMNS = 16 };

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

/* ------------------------------------------------------------------------------------------------ Markdown */

static bool is_shown(const struct bench_column *column, const json_t *rows) {
  bool shown = !column->is_optional;
  for (size_t i = 0; i < json_array_size(rows) && !shown; i++)
    shown = json_object_get(json_array_get(rows, i), column->key);
  return shown;
}

static void cell_of(const struct bench_column *column, const json_t *row, char text[BENCH_CELL]) {
  text[0] = '\0';
  column->write(row, column->key, text);
  if (text[0] == '\0')
    snprintf(text, BENCH_CELL, "-");
}

static size_t width_of(const struct bench_column *column, const json_t *rows) {
  size_t width = strlen(column->title);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    char text[BENCH_CELL];
    cell_of(column, json_array_get(rows, i), text);
    width = strlen(text) > width ? strlen(text) : width;
  }
  return width;
}

static void print_cell(FILE *file, const struct bench_column *column, const char *text, size_t width) {
  const int aligned = (int)width;
  fprintf(file, " %*s |", column->is_left ? -aligned : aligned, text);
}

/* "---:" aligns a column to the right. */
static void print_rule(FILE *file, const struct bench_column *column, size_t width) {
  fputc(' ', file);
  for (size_t i = 0; i + 1 < width; i++)
    fputc('-', file);
  fputs(column->is_left ? "- |" : ": |", file);
}

static void write_md_line(FILE *file, const struct bench_layout *layout, const size_t *widths, const json_t *row) {
  fputc('|', file);
  for (size_t c = 0; c < layout->count; c++) {
    char text[BENCH_CELL];
    if (row)
      cell_of(&layout->columns[c], row, text);
    else
      snprintf(text, sizeof text, "%s", layout->columns[c].title);
    if (widths[c] > 0)
      print_cell(file, &layout->columns[c], text, widths[c]);
  }
  fputc('\n', file);
}

static void write_md(FILE *file, const struct bench_layout *layout, const json_t *head, const json_t *rows) {
  size_t widths[MOST_COLUMNS] = {0};
  layout->print_title(file, head);
  for (size_t c = 0; c < layout->count; c++)
    widths[c] = is_shown(&layout->columns[c], rows) ? width_of(&layout->columns[c], rows) : 0;
  write_md_line(file, layout, widths, NULL);
  fputc('|', file);
  for (size_t c = 0; c < layout->count; c++) {
    if (widths[c] > 0)
      print_rule(file, &layout->columns[c], widths[c]);
  }
  fputc('\n', file);
  for (size_t i = 0; i < json_array_size(rows); i++)
    write_md_line(file, layout, widths, json_array_get(rows, i));
}

/* ------------------------------------------------------------------------------------------------ CSV */

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

static void write_csv(FILE *file, const struct bench_layout *layout, const json_t *head, const json_t *rows) {
  fputs(DOCUMENT_VERSION ",device", file);
  for (const char *const *key = layout->csv_keys; *key; key++)
    fprintf(file, ",%s", *key);
  fputc('\n', file);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    const json_t *row = json_array_get(rows, i);
    write_csv_value(file, json_object_get(head, DOCUMENT_VERSION));
    fputc(',', file);
    write_csv_value(file, json_object_get(head, "device"));
    for (const char *const *key = layout->csv_keys; *key; key++) {
      fputc(',', file);
      write_csv_value(file, json_object_get(row, *key));
    }
    fputc('\n', file);
  }
}

/* ------------------------------------------------------------------------------------------------ JSON */

enum { DIGITS = JSON_REAL_PRECISION(9) };

static void write_json(FILE *file, const struct bench_layout *layout, const json_t *head, const json_t *rows) {
  (void)layout; /* all members are written */
  json_t *whole = json_copy((json_t *)head);
  json_object_set(whole, "rows", (json_t *)rows);
  json_dumpf(whole, file, JSON_INDENT(2) | DIGITS);
  fputc('\n', file);
  json_decref(whole);
}

static void write_jsonl(FILE *file, const struct bench_layout *layout, const json_t *head, const json_t *rows) {
  (void)layout;
  json_dumpf(head, file, JSON_COMPACT | DIGITS);
  fputc('\n', file);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    json_dumpf(json_array_get(rows, i), file, JSON_COMPACT | DIGITS);
    fputc('\n', file);
  }
}

void bench_write(FILE *file, enum bench_format format, const struct bench_layout *layout, const json_t *head,
                 const json_t *rows) {
  static void (*const writers[])(FILE *, const struct bench_layout *, const json_t *, const json_t *) = {
      [BENCH_MD] = write_md, [BENCH_CSV] = write_csv, [BENCH_JSON] = write_json, [BENCH_JSONL] = write_jsonl};
  writers[format](file, layout, head, rows);
}
