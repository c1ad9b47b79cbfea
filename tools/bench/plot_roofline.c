/* Points under the roof, on logarithmic axes. */
#include "tools/bench/plot_rows.h"
#include "tools/bench/svg.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { BOTTOM = 60, TOP = 26, RIGHT = 30, DOT = 4, LABEL = 10 };

static const char grey[] = "#dddddd";
static const char dark[] = "#333333";

/* One axis: decades from low to high over pixels from begin to end. */
struct scale {
  double low;
  double high;
  double begin;
  double end;
};

static double place(const struct scale *scale, double value) {
  const double part = (log10(value) - log10(scale->low)) / (log10(scale->high) - log10(scale->low));
  return scale->begin + part * (scale->end - scale->begin);
}

static void widen(struct scale *scale, double value) {
  scale->low = fmin(scale->low, value);
  scale->high = fmax(scale->high, value);
}

/* To 1, 2 or 5 of a decade, with room. */
static double rounded(double value, bool up) {
  const double decade = pow(10, floor(log10(value)));
  const double steps[] = {1, 2, 5, 10};
  double result = up ? 10 * decade : decade;
  for (int i = 0; i < 4; i++) {
    const double step = steps[up ? 3 - i : i] * decade;
    if (up ? step >= value : step <= value)
      result = step;
  }
  return result;
}

struct axes {
  struct scale x;
  struct scale y;
};

static struct axes make_axes(const struct plot_rows *plot, double y, double height) {
  struct axes axes = {.x = {INFINITY, 0, PLOT_MARGIN, PLOT_WIDTH - RIGHT},
                      .y = {INFINITY, 0, y + height - BOTTOM, y + TOP}};
  for (size_t i = 0; i < plot->count; i++) {
    widen(&axes.x, plot->rows[i].intensity);
    widen(&axes.y, plot->rows[i].operations);
  }
  if (plot->products > 0 && plot->read > 0)
    widen(&axes.x, 2 * plot->products / plot->read);
  if (plot->products > 0)
    widen(&axes.y, plot->products);
  axes.x.low = rounded(axes.x.low * 0.8, false);
  axes.x.high = rounded(axes.x.high * 1.25, true);
  axes.y.low = rounded(axes.y.low * 0.7, false);
  axes.y.high = rounded(axes.y.high * 1.5, true);
  return axes;
}

/* Lines at 1, 2 and 5 of each decade; the numbers there. */
static void draw_grid(FILE *file, const struct axes *axes) {
  static const double steps[] = {1, 2, 5};
  for (double decade = 1e-6; decade < 1e9; decade *= 10) {
    for (int i = 0; i < 3; i++) {
      const double value = steps[i] * decade;
      char text[32];
      snprintf(text, sizeof text, "%g", value);
      if (value >= axes->x.low * 0.999 && value <= axes->x.high * 1.001) {
        const double x = place(&axes->x, value);
        svg_line(file, x, axes->y.begin, x, axes->y.end, grey, 1);
        svg_text(file, x, axes->y.begin + 16, 11, SVG_MIDDLE, dark, text);
      }
      if (value >= axes->y.low * 0.999 && value <= axes->y.high * 1.001) {
        const double y = place(&axes->y, value);
        svg_line(file, axes->x.begin, y, axes->x.end, y, grey, 1);
        svg_text(file, axes->x.begin - 8, y + 4, 11, SVG_RIGHT, dark, text);
      }
    }
  }
  svg_text(file, (axes->x.begin + axes->x.end) / 2, axes->y.begin + 36, 12, SVG_MIDDLE, dark,
           "operations for each byte of KV");
  svg_text(file, 12, axes->y.end - 12, 12, SVG_LEFT, dark, "TFLOP/s");
}

/* The slope of memory up to the ridge, then the level of arithmetic. */
static void draw_roof(FILE *file, const struct plot_rows *plot, const struct axes *axes) {
  char text[64];
  const double most = plot->products > 0 ? plot->products : axes->y.high;
  if (plot->read > 0) {
    const double left = fmax(axes->x.low, axes->y.low / plot->read);
    const double right = fmin(axes->x.high, most / plot->read);
    if (right > left)
      svg_line(file, place(&axes->x, left), place(&axes->y, left * plot->read), place(&axes->x, right),
               place(&axes->y, right * plot->read), dark, 2);
    snprintf(text, sizeof text, "reads %.2f TB/s", plot->read);
    svg_text(file, axes->x.begin + 10, axes->y.end + 18, 12, SVG_LEFT, dark, text);
  }
  if (plot->products > 0) {
    const double left = plot->read > 0 ? fmax(axes->x.low, plot->products / plot->read) : axes->x.low;
    const double y = place(&axes->y, plot->products);
    svg_line(file, place(&axes->x, left), y, axes->x.end, y, dark, 2);
    snprintf(text, sizeof text, "matrix products %.0f TFLOP/s", plot->products);
    svg_text(file, axes->x.end - 8, y - 6, 12, SVG_RIGHT, dark, text);
  }
}

/* ------------------------------------------------------------------------------------------------ labels */

struct box {
  double x1;
  double y1;
  double x2;
  double y2;
};

static bool overlap(const struct box *a, const struct box *b) {
  return a->x1 < b->x2 && b->x1 < a->x2 && a->y1 < b->y2 && b->y1 < a->y2;
}

static bool is_free(const struct box *boxes, size_t count, const struct box *box) {
  for (size_t i = 0; i < count; i++) {
    if (overlap(&boxes[i], box))
      return false;
  }
  return true;
}

/*
 * The number of a case goes to the first free place around its first point, nearer ones before; boxes has those of all
 * dots and of the numbers so far, *count of them. A number without a place is left out: the bars have it too.
 */
static void draw_number(FILE *file, double x, double y, int number, struct box *boxes, size_t *count) {
  char text[16];
  snprintf(text, sizeof text, "%d", number);
  const double width = svg_text_width(text, LABEL);
  for (int distance = 0; distance < 4; distance++) {
    for (int direction = 0; direction < 12; direction++) {
      const double angle = direction * 3.14159265 / 6;
      const double away = DOT + 8 + 9 * distance;
      const double middle = x + away * cos(angle);
      const double base = y + away * sin(angle) + LABEL * 0.36;
      const struct box box = {middle - width / 2 - 1, base - LABEL * 0.9, middle + width / 2 + 1, base + 2};
      if (!is_free(boxes, *count, &box))
        continue;
      svg_text(file, middle, base, LABEL, SVG_MIDDLE, dark, text);
      boxes[(*count)++] = box;
      return;
    }
  }
}

static void draw_points(FILE *file, const struct plot_rows *plot, const struct axes *axes) {
  struct box *boxes = calloc(2 * plot->count, sizeof *boxes);
  size_t count = 0;
  for (size_t i = 0; i < plot->count; i++) {
    const double x = place(&axes->x, plot->rows[i].intensity);
    const double y = place(&axes->y, plot->rows[i].operations);
    svg_dot(file, x, y, DOT, plot_colour(plot->rows[i].provider));
    if (boxes)
      boxes[count++] = (struct box){x - DOT, y - DOT, x + DOT, y + DOT};
  }
  for (size_t i = 0; i < plot->count && boxes; i++) {
    const struct plot_row *row = &plot->rows[i];
    if (i == 0 || plot->rows[i - 1].number != row->number)
      draw_number(file, place(&axes->x, row->intensity), place(&axes->y, row->operations), row->number, boxes, &count);
  }
  free(boxes);
}

void plot_roofline(FILE *file, const struct plot_rows *plot, double y, double height) {
  const struct axes axes = make_axes(plot, y, height);
  draw_grid(file, &axes);
  draw_roof(file, plot, &axes);
  draw_points(file, plot, &axes);
}
