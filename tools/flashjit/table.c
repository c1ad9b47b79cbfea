/* Text tables: every column is as wide as its widest cell. */
#include "tools/flashjit/table.h"

#include <string.h>

enum { CELL = 512, MOST_COLUMNS = 16 };

static void write_cell(const struct table_column *column, const json_t *row, char *text) {
  if (column->write) {
    column->write(row, text, CELL);
    return;
  }
  const json_t *value = json_object_get(row, column->key);
  if (json_is_string(value))
    snprintf(text, CELL, "%s", json_string_value(value));
  else
    snprintf(text, CELL, "%.0f", json_number_value(value));
}

static int column_width(const struct table_column *column, const json_t *rows) {
  size_t width = strlen(column->title);
  for (size_t i = 0; i < json_array_size(rows); i++) {
    char text[CELL];
    write_cell(column, json_array_get(rows, i), text);
    width = strlen(text) > width ? strlen(text) : width;
  }
  return (int)width;
}

static void print_cell(FILE *file, const char *text, int width, bool right, bool last) {
  if (last && !right)
    fprintf(file, "%s\n", text);
  else
    fprintf(file, "%*s%s", right ? width : -width, text, last ? "\n" : "  ");
}

void table_print(FILE *file, const json_t *rows, const struct table_column *columns, size_t count) {
  int widths[MOST_COLUMNS];
  for (size_t c = 0; c < count; c++) {
    widths[c] = column_width(&columns[c], rows);
    print_cell(file, columns[c].title, widths[c], columns[c].right, c + 1 == count);
  }
  for (size_t i = 0; i < json_array_size(rows); i++) {
    for (size_t c = 0; c < count; c++) {
      char text[CELL];
      write_cell(&columns[c], json_array_get(rows, i), text);
      print_cell(file, text, widths[c], columns[c].right, c + 1 == count);
    }
  }
}
