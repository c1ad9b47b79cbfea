/* The embedded templates: packed when the library was built, unpacked when the first kernel is rendered.
 * That many threads may be the first at once is for tests/runtime/stress.c under ThreadSanitizer. */
#include "generator/error.h"
#include "generator/render.h"
#include "generator/templates.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 1 << 18 };

static FILE *open_source(const char *name) {
  static const char *const folders[] = {"templates", "include", "generator"};
  FILE *file = NULL;
  for (size_t i = 0; i < sizeof folders / sizeof *folders && !file; i++) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s/%s", TEST_SOURCES, folders[i], name);
    file = fopen(path, "r");
  }
  return file;
}

/* Of notes to maintainers only the lines are there. */
static void expect_its_source(const struct template_file *template) {
  static char text[LONGEST];
  size_t size = 0;
  FILE *file = open_source(template->name);
  cr_assert(file, "%s is no file", template->name);
  while (fgets(text + size, (int)(sizeof text - size), file)) {
    if (strncmp(text + size, "//#", 3) == 0)
      strcpy(text + size, "//#\n");
    size += strlen(text + size);
  }
  fclose(file);
  cr_expect_str_eq(template->text, text, "%s is another text than its file", template->name);
}

Test(templates, are_their_sources) {
  const struct template_set *set = templates_embedded();
  cr_assert(set);
  cr_assert_geq(set->count, 50);
  for (size_t i = 0; i < set->count; i++)
    expect_its_source(&set->files[i]);
}

/* The texts lie one after the other without a gap, so none is unpacked that no file has. */
Test(templates, fill_their_room) {
  const struct template_set *set = templates_embedded();
  const char *at = templates_packed.texts;
  for (size_t i = 0; i < set->count; i++) {
    cr_expect_eq(set->files[i].text, at, "%s", set->files[i].name);
    at += strlen(set->files[i].text) + 1;
  }
  cr_expect_eq(at, templates_packed.texts + templates_packed.size);
}

/* -------------------------------------------------------------------------------- damage */

/* A block of the library's texts, or a part of one, for a room of any size. Both are exact copies, so that ASan sees
 * what goes beyond them. */
static bool unpacks(size_t packed_size, size_t size) {
  unsigned char *packed = malloc(packed_size ? packed_size : 1);
  char *texts = malloc(size);
  cr_assert(packed && texts);
  memcpy(packed, templates_packed.packed, packed_size);
  const struct template_pack pack = {{0}, packed, packed_size, texts, size};
  const bool is_whole = templates_unpack(&pack);
  cr_expect(!is_whole || texts[size - 1] == '\0');
  free(texts);
  free(packed);
  return is_whole;
}

Test(templates, damaged_are_refused) {
  const size_t packed_size = templates_packed.packed_size;
  const size_t size = templates_packed.size;
  cr_expect(unpacks(packed_size, size));
  cr_expect_not(unpacks(packed_size, size - 1));
  cr_expect_not(unpacks(packed_size, size + 1));
  for (size_t cut = 0; cut < packed_size; cut += 509)
    cr_expect_not(unpacks(cut, size), "%zu of %zu bytes", cut, packed_size);
  cr_expect_not(unpacks(packed_size - 1, size));
}

Test(templates, damaged_are_told) {
  fi_spec spec;
  struct source source;
  fi_spec_init(&spec);
  cr_expect_eq(render_templates(NULL, &spec, target_find("sm_90a"), 0, &source), FI_ERROR_COMPILE);
  cr_expect_str_eq(fi_last_error(), "the templates in the library are damaged");
  cr_expect_null(source.text);
}
