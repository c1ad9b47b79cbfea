/* The picture: well-formed, within its bounds, and no text over another. */
#include "tools/bench/bench_row.h"
#include "tools/bench/plot.h"
#include "tools/bench/svg.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/whole_file.h"

#include "tests/cli/files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The thirty cases by some providers, at shares of the ceilings that differ. */
static json_t *all_rows(int providers) {
  static const char *const names[] = {"flashjit", "fa3", "flashinfer", "paged_attention_v2", "triton"};
  const struct ceilings ceilings = {.bytes = 4.56e12, .operations = 700e12};
  struct case_list list = {0};
  json_t *rows = json_array();
  cr_assert(case_list_default(&list), "%s", problem_last());
  for (size_t i = 0; i < list.count; i++) {
    for (int p = 0; p < providers; p++) {
      const double least = 1e6 * (bench_case_bytes(&list.cases[i]) / ceilings.bytes +
                                  bench_case_operations(&list.cases[i]) / ceilings.operations);
      const double us = 3 + least * (1.05 + 0.2 * p + 0.01 * (double)i);
      json_array_append_new(rows, bench_row(&list.cases[i],
                                            json_pack("{s:s, s:s, s:s, s:[f,f]}", "provider", names[p], "version", "1",
                                                      "status", "ok", "samples", us, us),
                                            &ceilings));
    }
  }
  case_list_free(&list);
  return rows;
}

static char *draw(const json_t *rows, bool has_ceilings) {
  char path[512];
  size_t size;
  json_t *head = document_new("flashjit.bench");
  json_object_set_new(head, "device", json_string("NVIDIA H200 <&>"));
  if (has_ceilings) {
    json_object_set_new(head, "read_tb_s", json_real(4.56));
    json_object_set_new(head, "products_tflop_s", json_real(700));
  }
  snprintf(path, sizeof path, "%s", scratch_file("plot.svg", ""));
  cr_assert(plot_write(path, head, rows), "%s", problem_last());
  json_decref(head);
  return (char *)whole_file_read(path, &size);
}

struct label {
  double x1;
  double y1;
  double x2;
  double y2;
  char text[256];
};

static double value_of(const char *element, const char *key) {
  char name[32];
  snprintf(name, sizeof name, " %s=\"", key);
  const char *at = strstr(element, name);
  cr_assert(at, "%s in %.80s", key, element);
  return atof(at + strlen(name));
}

/* The text of an element and about where it is. */
static struct label label_at(const char *element) {
  struct label label;
  const char *begin = strchr(element, '>') + 1;
  snprintf(label.text, sizeof label.text, "%.*s", (int)(strstr(begin, "</text>") - begin), begin);
  const double size = value_of(element, "font-size");
  const double width = 0.9 * svg_text_width(label.text, size);
  const double x = value_of(element, "x");
  const char *anchor = strstr(element, "text-anchor=\"") + 13;
  label.x1 = x - (*anchor == 'e' ? width : *anchor == 'm' ? width / 2 : 0);
  label.x2 = label.x1 + width;
  label.y2 = value_of(element, "y");
  label.y1 = label.y2 - 0.8 * size;
  return label;
}

static void expect_apart(const char *svg) {
  enum { MOST = 1024 };
  static struct label labels[MOST];
  size_t count = 0;
  for (const char *at = strstr(svg, "<text"); at && count < MOST; at = strstr(at + 1, "<text"))
    labels[count++] = label_at(at);
  const double height = value_of(svg, "height");
  const double width = value_of(svg, "width");
  for (size_t i = 0; i < count; i++) {
    const struct label *a = &labels[i];
    cr_expect(a->x1 >= 0 && a->x2 <= width && a->y1 >= 0 && a->y2 <= height, "\"%s\" is cut off", a->text);
    for (size_t j = 0; j < i; j++) {
      const struct label *b = &labels[j];
      cr_expect_not(a->x1 < b->x2 && b->x1 < a->x2 && a->y1 < b->y2 && b->y1 < a->y2, "\"%s\" lies over \"%s\"",
                    a->text, b->text);
    }
  }
}

static size_t count(const char *svg, const char *part) {
  size_t found = 0;
  for (const char *at = strstr(svg, part); at; at = strstr(at + 1, part))
    found++;
  return found;
}

Test(plot, thirty_cases_against_peers) {
  for (int providers = 1; providers <= 5; providers += 2) {
    json_t *rows = all_rows(providers);
    char *svg = draw(rows, true);
    cr_expect_eq(count(svg, "<circle"), 30 * (size_t)providers);
    cr_expect_eq(count(svg, " us, "), 30 * (size_t)providers);
    cr_expect(strstr(svg, "reads 4.56 TB/s"));
    cr_expect(strstr(svg, "matrix products 700 TFLOP/s"));
    cr_expect(strstr(svg, "NVIDIA H200 &lt;&amp;&gt;"));
    cr_expect(strstr(svg, "</svg>\n"));
    expect_apart(svg);
    free(svg);
    json_decref(rows);
  }
}

/* Of one row, and where no ceiling is known. */
Test(plot, one_row) {
  json_t *rows = all_rows(1);
  while (json_array_size(rows) > 1)
    json_array_remove(rows, 0);
  json_object_del(json_array_get(rows, 0), "share");
  char *svg = draw(rows, false);
  cr_expect_eq(count(svg, "<circle"), 1);
  cr_expect_null(strstr(svg, "nan"));
  cr_expect_null(strstr(svg, "inf"));
  cr_expect(strstr(svg, "us, 100 %"));
  expect_apart(svg);
  free(svg);
  json_decref(rows);
}

Test(plot, nothing_timed) {
  json_t *rows = json_array();
  char *svg = draw(rows, false);
  cr_expect(strstr(svg, "No row has a time"));
  cr_expect_null(strstr(svg, "nan"));
  expect_apart(svg);
  free(svg);
  json_decref(rows);
}

Test(plot, cannot_be_written) {
  json_t *nothing = json_array();
  cr_expect_not(plot_write("/nowhere/at/all.svg", nothing, nothing));
  cr_expect(strstr(problem_last(), "/nowhere/at/all.svg: No such file"));
  json_decref(nothing);
}
