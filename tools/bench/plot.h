/*
 * A picture of a table: above a roofline, operations a byte against operations a second under the ceilings that were
 * measured; below bars, a group for each case with one bar for each provider. Points have the number of their case.
 */
#ifndef TOOLS_BENCH_PLOT_H
#define TOOLS_BENCH_PLOT_H

#include <jansson.h>
#include <stdbool.h>

/* As SVG. False, with a problem, when the file cannot be written. */
bool plot_write(const char *path, const json_t *head, const json_t *rows);

#endif
