/* The whole picture. */
#include "tools/bench/plot.h"

#include "tools/bench/bench_row.h"
#include "tools/bench/plot_rows.h"
#include "tools/bench/svg.h"
#include "tools/flashjit/problem.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TITLE_HEIGHT = 46, ROOFLINE_HEIGHT = 430, FOOT = 20 };

const char *plot_colour(int provider) {
  static const char *const colours[PLOT_PROVIDERS] = {"#1f6fb4", "#e07b1a", "#2f9d4f", "#c23b3b", "#8660b5", "#7d5247",
                                                      "#d567b5", "#6f6f6f", "#a8a51c", "#1ba5b8", "#304a8c", "#8c7a30"};
  return colours[provider % PLOT_PROVIDERS];
}

/* ------------------------------------------------------------------------------------------------ rows */

static int find_provider(struct plot_rows *plot, const char *name) {
  for (int i = 0; i < plot->provider_count; i++) {
    if (strcmp(plot->providers[i], name) == 0)
      return i;
  }
  if (plot->provider_count == PLOT_PROVIDERS)
    return PLOT_PROVIDERS - 1;
  plot->providers[plot->provider_count] = name;
  return plot->provider_count++;
}

static int find_case(struct plot_rows *plot, const char *text) {
  for (size_t i = 0; i < plot->count; i++) {
    if (strcmp(plot->rows[i].text, text) == 0)
      return plot->rows[i].number;
  }
  return ++plot->cases;
}

static void add_row(struct plot_rows *plot, const json_t *row) {
  const double bytes = bench_row_number(row, "bytes");
  const double operations = bench_row_number(row, "operations");
  const double us = bench_row_number(row, "us");
  const char *text = bench_row_text(row, "case");
  const int number = find_case(plot, text);
  plot->rows[plot->count++] = (struct plot_row){.row = row,
                                                .text = text,
                                                .number = number,
                                                .provider = find_provider(plot, bench_row_text(row, "provider")),
                                                .us = us,
                                                .intensity = operations / bytes,
                                                .operations = operations / us / 1e6,
                                                .share = bench_row_number(row, "share")};
}

/* What has no measured ceiling is held against the fastest of its kind. */
static void fill_shares(struct plot_rows *plot) {
  for (size_t i = 0; i < plot->count; i++) {
    struct plot_row *row = &plot->rows[i];
    const char *unit = bench_row_text(row->row, "rate_unit");
    double best = 0;
    for (size_t j = 0; j < plot->count && isnan(row->share); j++) {
      if (strcmp(bench_row_text(plot->rows[j].row, "rate_unit"), unit) == 0)
        best = fmax(best, bench_row_number(plot->rows[j].row, "rate"));
    }
    if (isnan(row->share))
      row->share = bench_row_number(row->row, "rate") / best;
  }
}

static int compare(const void *a, const void *b) {
  const struct plot_row *one = a;
  const struct plot_row *other = b;
  return one->number != other->number ? one->number - other->number : one->provider - other->provider;
}

static bool read_rows(struct plot_rows *plot, const json_t *head, const json_t *rows) {
  const double read = bench_row_number(head, "read_tb_s");
  const double products = bench_row_number(head, "products_tflop_s");
  *plot = (struct plot_rows){.read = isnan(read) ? 0 : read, .products = isnan(products) ? 0 : products};
  plot->rows = calloc(json_array_size(rows) + 1, sizeof *plot->rows);
  if (!plot->rows)
    return problem_set("out of memory");
  for (size_t i = 0; i < json_array_size(rows); i++) {
    if (bench_row_is_timed(json_array_get(rows, i)))
      add_row(plot, json_array_get(rows, i));
  }
  qsort(plot->rows, plot->count, sizeof *plot->rows, compare);
  fill_shares(plot);
  return true;
}

/* ------------------------------------------------------------------------------------------------ picture */

static void draw(FILE *file, const struct plot_rows *plot, const json_t *head) {
  char title[256];
  const double height = TITLE_HEIGHT + ROOFLINE_HEIGHT + plot_bars_height(plot) + FOOT;
  snprintf(title, sizeof title, "flashjit bench %.40s on %.120s", bench_row_text(head, "version"),
           bench_row_text(head, "device"));
  svg_begin(file, PLOT_WIDTH, plot->count > 0 ? height : 2 * TITLE_HEIGHT);
  svg_text(file, PLOT_MARGIN, 30, 17, SVG_LEFT, "#111111", title);
  if (plot->count > 0) {
    plot_roofline(file, plot, TITLE_HEIGHT, ROOFLINE_HEIGHT);
    plot_bars(file, plot, TITLE_HEIGHT + ROOFLINE_HEIGHT);
  } else {
    svg_text(file, PLOT_MARGIN, 60, 13, SVG_LEFT, "#555555", "No row has a time: a simulated device has none.");
  }
  svg_end(file);
}

bool plot_write(const char *path, const json_t *head, const json_t *rows) {
  struct plot_rows plot;
  if (!read_rows(&plot, head, rows))
    return false;
  FILE *file = fopen(path, "w");
  bool written = file;
  if (file) {
    draw(file, &plot, head);
    written = fflush(file) == 0 && !ferror(file);
    fclose(file);
  }
  free(plot.rows);
  return written || problem_set("%s: %s", path, strerror(errno));
}
