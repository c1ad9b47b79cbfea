/*
 * A tool of the build: writes text files as the C source of a packed template set. A file in FOLDER is called by its
 * path from there, any other by its base name. Usage: embed OUTPUT FOLDER FILE...
 */
#include "cache/lz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The texts of all files, each with a zero after it. */
struct texts {
  char *bytes;
  size_t size;
};

static const char *name_of(const char *path, const char *folder) {
  const size_t size = strlen(folder);
  if (strncmp(path, folder, size) == 0 && path[size] == '/')
    return path + size + 1;
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static int add_text(struct texts *texts, const char *bytes, size_t size) {
  char *longer = realloc(texts->bytes, texts->size + size);
  if (!longer)
    return 0;
  memcpy(longer + texts->size, bytes, size);
  texts->bytes = longer;
  texts->size += size;
  return 1;
}

/* Of notes to maintainers, which nobody sees, the lines stay, so that others have their numbers. */
static int read_file(const char *path, struct texts *texts) {
  char line[4096];
  FILE *from = fopen(path, "r");
  int good = from != NULL;
  while (good && fgets(line, sizeof line, from)) {
    const char *text = strncmp(line, "//#", 3) == 0 ? "//#\n" : line;
    good = add_text(texts, text, strlen(text));
  }
  good = good && !ferror(from) && add_text(texts, "", 1);
  if (!good)
    perror(path);
  if (from)
    fclose(from);
  return good;
}

/* A row for each file, which says where its text will be. */
static void write_files(int count, char **paths, const char *folder, const struct texts *texts, FILE *to) {
  size_t at = 0;
  fprintf(to, "static char texts[%zu];\n\nstatic const struct template_file files[] = {\n", texts->size);
  for (int i = 0; i < count; i++) {
    fprintf(to, "    {\"%s\", texts + %zu},\n", name_of(paths[i], folder), at);
    at += strlen(texts->bytes + at) + 1;
  }
  fputs("};\n\n", to);
}

static int write_packed(const struct texts *texts, FILE *to) {
  unsigned char *packed = malloc(cache_lz_bound(texts->size));
  const size_t size = packed ? cache_lz_pack_small(texts->bytes, texts->size, packed) : 0;
  fputs("static const unsigned char packed[] = {", to);
  for (size_t i = 0; i < size; i++)
    fprintf(to, "%s%u,", i % 32 ? "" : "\n    ", (unsigned)packed[i]);
  fputs("\n};\n\n", to);
  free(packed);
  return size > 0;
}

static int write_set(int count, char **paths, const char *folder, FILE *to) {
  struct texts texts = {0};
  int good = 1;
  for (int i = 0; i < count && good; i++)
    good = read_file(paths[i], &texts);
  fputs("#include \"generator/templates.h\"\n\n", to);
  if (good)
    write_files(count, paths, folder, &texts, to);
  good = good && write_packed(&texts, to);
  fputs("const struct template_pack templates_packed = {\n"
        "    {files, sizeof files / sizeof *files}, packed, sizeof packed, texts, sizeof texts};\n",
        to);
  free(texts.bytes);
  return good;
}

int main(int count, char **arguments) {
  if (count < 4) {
    fprintf(stderr, "usage: embed OUTPUT FOLDER FILE...\n");
    return 2;
  }
  FILE *to = fopen(arguments[1], "w");
  if (!to) {
    perror(arguments[1]);
    return 1;
  }
  int good = write_set(count - 3, arguments + 3, arguments[2], to);
  good = !ferror(to) && good;
  good = fclose(to) == 0 && good;
  return good ? 0 : 1;
}
