/* A group of bars for each case, the longer the faster. */
#include "tools/bench/plot_rows.h"
#include "tools/bench/svg.h"

#include <math.h>
#include <string.h>

enum { LEGEND_HEIGHT = 58, TITLE = 17, BAR = 13, GAP = 7, LEFT = 70, RIGHT = 150, SIZE = 11 };

static const char dark[] = "#333333";

double plot_bars_height(const struct plot_rows *plot) {
  return LEGEND_HEIGHT + plot->cases * (TITLE + GAP) + (double)plot->count * BAR;
}

/* Names of providers with their colours, in as many lines as they take. */
static void draw_legend(FILE *file, const struct plot_rows *plot, double y) {
  double x = LEFT;
  for (int i = 0; i < plot->provider_count; i++) {
    svg_box(file, x, y - 10, 11, 11, plot_colour(i));
    svg_text(file, x + 16, y, 12, SVG_LEFT, dark, plot->providers[i]);
    x += 16 + svg_text_width(plot->providers[i], 12) + 18;
    if (x > PLOT_WIDTH - RIGHT && i + 1 < plot->provider_count) {
      x = LEFT;
      y += 17;
    }
  }
}

/* A case's line, shortened in its middle where it is too long for the picture. */
static void draw_title(FILE *file, const struct plot_row *row, double y) {
  enum { MOST = 130, HEAD = 70 };
  char text[256];
  const size_t length = strlen(row->text);
  if (length <= MOST)
    snprintf(text, sizeof text, "%s", row->text);
  else
    snprintf(text, sizeof text, "%.*s ... %s", HEAD, row->text, row->text + length - (MOST - HEAD - 5));
  char number[16];
  snprintf(number, sizeof number, "%d", row->number);
  svg_text(file, LEFT - 10, y, SIZE, SVG_RIGHT, dark, number);
  svg_text(file, LEFT, y, SIZE, SVG_LEFT, dark, text);
}

static void draw_bar(FILE *file, const struct plot_row *row, double y) {
  const double share = fmin(row->share, 1.05);
  const double width = share * (PLOT_WIDTH - LEFT - RIGHT) / 1.05;
  char text[96];
  const int digits = row->us < 100 ? 2 : row->us < 1000 ? 1 : 0;
  snprintf(text, sizeof text, "%.*f us, %.0f %%", digits, row->us, 100 * row->share);
  svg_box(file, LEFT, y, fmax(width, 1), BAR - 2, plot_colour(row->provider));
  svg_text(file, LEFT + width + 6, y + BAR - 3, SIZE, SVG_LEFT, dark, text);
}

void plot_bars(FILE *file, const struct plot_rows *plot, double y) {
  draw_legend(file, plot, y + 14);
  svg_text(file, PLOT_WIDTH - 30, y + 14, SIZE, SVG_RIGHT, dark,
           "of the ceiling; where none is known, of the best row");
  y += LEGEND_HEIGHT - 10;
  for (size_t i = 0; i < plot->count; i++) {
    const struct plot_row *row = &plot->rows[i];
    if (i == 0 || plot->rows[i - 1].number != row->number) {
      y += i > 0 ? GAP : 0;
      draw_title(file, row, y + TITLE - 5);
      y += TITLE;
    }
    draw_bar(file, row, y);
    y += BAR;
  }
}
