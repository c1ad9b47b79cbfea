/* Elements, one a line. */
#include "tools/bench/svg.h"

#include <string.h>

void svg_begin(FILE *file, double width, double height) {
  fprintf(file,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
          "font-family=\"DejaVu Sans, Helvetica, Arial, sans-serif\">\n",
          width, height, width, height);
  svg_box(file, 0, 0, width, height, "#ffffff");
}

void svg_end(FILE *file) {
  fputs("</svg>\n", file);
}

void svg_line(FILE *file, double x1, double y1, double x2, double y2, const char *colour, double width) {
  fprintf(file, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"%.1f\"/>\n", x1, y1,
          x2, y2, colour, width);
}

void svg_box(FILE *file, double x, double y, double width, double height, const char *colour) {
  fprintf(file, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x, y, width, height,
          colour);
}

void svg_dot(FILE *file, double x, double y, double radius, const char *colour) {
  fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" fill-opacity=\"0.8\"/>\n", x, y, radius,
          colour);
}

static void write_escaped(FILE *file, const char *text) {
  for (; *text; text++) {
    if (*text == '&')
      fputs("&amp;", file);
    else if (*text == '<')
      fputs("&lt;", file);
    else if (*text == '>')
      fputs("&gt;", file);
    else
      fputc(*text, file);
  }
}

void svg_text(FILE *file, double x, double y, double size, enum svg_anchor anchor, const char *colour,
              const char *text) {
  static const char *const anchors[] = {"start", "middle", "end"};
  fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">", x, y, size,
          anchors[anchor], colour);
  write_escaped(file, text);
  fputs("</text>\n", file);
}

double svg_text_width(const char *text, double size) {
  return 0.62 * size * (double)strlen(text);
}
