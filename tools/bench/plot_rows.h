/* What both halves of a plot know of the rows. */
#ifndef TOOLS_BENCH_PLOT_ROWS_H
#define TOOLS_BENCH_PLOT_ROWS_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

enum { PLOT_WIDTH = 1000, PLOT_MARGIN = 70, PLOT_PROVIDERS = 12 };

struct plot_row {
  const json_t *row;
  const char *text; /* of its case */
  int number;       /* of its case, from 1 */
  int provider;
  double us;
  double intensity;  /* operations a byte */
  double operations; /* a second, in units of 10^12 */
  double share;      /* of the ceiling, or of the best row of its kind where that is not known */
};

struct plot_rows {
  struct plot_row *rows; /* that have times, rows of a case together */
  size_t count;
  int cases;
  const char *providers[PLOT_PROVIDERS];
  int provider_count;
  double read;     /* ceilings, 10^12 a second; 0: not known */
  double products; /* likewise */
};

/* The colour of a provider. */
const char *plot_colour(int provider);

/* Draws from y on. */
void plot_roofline(FILE *file, const struct plot_rows *plot, double y, double height);
double plot_bars_height(const struct plot_rows *plot);
void plot_bars(FILE *file, const struct plot_rows *plot, double y);

#endif
