/*
 * Rendered sources against files that are kept: a change of template or generator shows in the diff of a
 * commit. Each line of data/list.txt is the name of a file, a target and a spec. FLASHJIT_UPDATE_GOLDEN=1
 * writes the files anew.
 */
#include "generator/error.h"
#include "generator/render.h"
#include "generator/spec.h"
#include "generator/text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_text(const char *path) {
  FILE *file = fopen(path, "r");
  struct text text = {0};
  char buffer[4096];
  size_t size;
  while (file && (size = fread(buffer, 1, sizeof buffer, file)) > 0)
    text_add(&text, buffer, size);
  if (file)
    fclose(file);
  return text_take(&text);
}

static void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  cr_assert_not_null(file, "%s", path);
  cr_assert_geq(fputs(text, file), 0, "%s", path);
  cr_assert_eq(fclose(file), 0, "%s", path);
}

static void check_source(const char *name, const char *target, const char *spec_text) {
  fi_spec spec;
  fi_spec canonical;
  struct source source;
  cr_assert_eq(fi_spec_parse(spec_text, &spec), FI_OK, "%s", fi_last_error());
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK, "%s", fi_last_error());
  cr_assert_eq(render_source(&canonical, target_find(target), 0, &source), FI_OK, "%s", fi_last_error());
  char path[1024];
  snprintf(path, sizeof path, "%s/%s.cu", TEST_DATA, name);
  if (getenv("FLASHJIT_UPDATE_GOLDEN"))
    write_text(path, source.text);
  char *kept = read_text(path);
  cr_expect(strcmp(kept, source.text) == 0,
            "the source of \"%s\" for %s is no longer %s; if that is wanted, run with FLASHJIT_UPDATE_GOLDEN=1",
            spec_text, target, path);
  free(kept);
  source_free(&source);
}

Test(golden, sources_are_as_kept) {
  FILE *list = fopen(TEST_DATA "/list.txt", "r");
  cr_assert_not_null(list);
  char line[FI_SPEC_TEXT_SIZE + 128];
  int checked = 0;
  while (fgets(line, sizeof line, list)) {
    char name[64];
    char target[32];
    int after = 0;
    line[strcspn(line, "\n")] = '\0';
    cr_assert_eq(sscanf(line, "%63s %31s %n", name, target, &after), 2, "%s", line);
    check_source(name, target, line + after);
    checked++;
  }
  fclose(list);
  cr_assert_gt(checked, 0);
}
