/* Prints, of every status, a row of the README's table and the line of the header's enum, both without line breaks. */
#include "flashjit.h"

#include <stdio.h>
#include <string.h>

static void print_header_line(fi_status status, int last) {
  printf("%s = %d%s /* %s */\n", fi_status_name(status), status, last ? "" : ",", fi_status_meaning(status));
}

static void print_row(fi_status status) {
  if (status != FI_OK)
    printf("| `%s` | %s |\n", fi_status_name(status), fi_status_meaning(status));
}

static int exists(fi_status status) {
  return strcmp(fi_status_name(status), "unknown status") != 0;
}

/* usage: status_table header|readme */
int main(int argc, char **argv) {
  const int header = argc == 2 && !strcmp(argv[1], "header");
  for (fi_status status = FI_OK; exists(status); status++) {
    if (header)
      print_header_line(status, !exists(status + 1));
    else
      print_row(status);
  }
  return 0;
}
