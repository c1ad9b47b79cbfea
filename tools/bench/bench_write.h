/* The table as text: to read and paste, or for programs. */
#ifndef TOOLS_BENCH_BENCH_WRITE_H
#define TOOLS_BENCH_BENCH_WRITE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum bench_format { BENCH_MD, BENCH_CSV, BENCH_JSON, BENCH_JSONL };

/* False when there is no format of the name. */
bool bench_format_find(const char *name, enum bench_format *format);

/*
 * The head is what holds for all rows: schema, device, versions, ceilings. JSON is the head with the member "rows";
 * JSON lines are the head and then a row each; CSV has every row with the device and the schema's version.
 */
void bench_write(FILE *file, enum bench_format format, const json_t *head, const json_t *rows);

#endif
