/* The few shapes of SVG that a plot is made of. Lengths are pixels, with the origin at the upper left. */
#ifndef TOOLS_BENCH_SVG_H
#define TOOLS_BENCH_SVG_H

#include <stdio.h>

enum svg_anchor { SVG_LEFT, SVG_MIDDLE, SVG_RIGHT }; /* where the text's x is */

void svg_begin(FILE *file, double width, double height);
void svg_end(FILE *file);

void svg_line(FILE *file, double x1, double y1, double x2, double y2, const char *colour, double width);
void svg_box(FILE *file, double x, double y, double width, double height, const char *colour);
void svg_dot(FILE *file, double x, double y, double radius, const char *colour);

/* On the baseline y. Text is escaped. */
void svg_text(FILE *file, double x, double y, double size, enum svg_anchor anchor, const char *colour,
              const char *text);

/* About as wide as the text is. */
double svg_text_width(const char *text, double size);

#endif
