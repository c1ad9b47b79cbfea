/* Scratch files. */
#include "files.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *place) {
  (void)facts;
  (void)kind;
  (void)place;
  return remove(path);
}

static void remove_folder(void) {
  nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_folder(void) {
  if (folder[0] == '\0') {
    snprintf(folder, sizeof folder, "/tmp/flashjit-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    atexit(remove_folder);
  }
  return folder;
}

const char *scratch_file(const char *name, const char *content) {
  static char paths[16][128];
  static int calls;
  char *path = paths[calls++ % 16];
  snprintf(path, sizeof *paths, "%s/%s", scratch_folder(), name);
  FILE *file = fopen(path, "w");
  cr_assert_not_null(file, "%s", path);
  fputs(content, file);
  fclose(file);
  return path;
}
