/* Prints an array of JSON objects as an aligned text table. */
#ifndef TOOLS_FLASHJIT_TABLE_H
#define TOOLS_FLASHJIT_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct table_column {
  const char *title;
  const char *key; /* of a string, or a number that is printed without decimals */
  bool right;      /* aligned */
  void (*write)(const json_t *row, char *text, size_t size); /* the cell, when key does not say it */
};

void table_print(FILE *file, const json_t *rows, const struct table_column *columns, size_t count);

#endif
