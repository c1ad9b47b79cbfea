/* The table as text: to read and paste, or for programs. */
#ifndef TOOLS_BENCH_BENCH_WRITE_H
#define TOOLS_BENCH_BENCH_WRITE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum bench_format { BENCH_MD, BENCH_CSV, BENCH_JSON, BENCH_JSONL };

/* False when there is no format of the name. */
bool bench_format_find(const char *name, enum bench_format *format);

enum { BENCH_CELL = 512 };

/* A column of Markdown. What is written is a member of the row or made of several; an empty cell becomes "-". */
struct bench_column {
  const char *title;
  const char *key;
  void (*write)(const json_t *row, const char *key, char text[BENCH_CELL]);
  bool is_left;     /* aligned */
  bool is_optional; /* shown when a row has the member */
};

/* What a kind of table looks like. */
struct bench_layout {
  const struct bench_column *columns;
  size_t count;
  const char *const *csv_keys; /* members, in order; NULL at the end */
  void (*print_title)(FILE *file, const json_t *head);
};

/* Of times: bench_row.h has the members. */
extern const struct bench_layout bench_times;

/*
 * The head is what holds for all rows: schema, device, versions, ceilings. JSON is the head with the member "rows";
 * JSON lines are the head and then a row each; CSV has every row with the device and the schema's version.
 */
void bench_write(FILE *file, enum bench_format format, const struct bench_layout *layout, const json_t *head,
                 const json_t *rows);

#endif
