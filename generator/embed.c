/*
 * A tool of the build: writes text files as the C source of a template set. A file in FOLDER is called by its path
 * from there, any other by its base name. Usage: embed OUTPUT FOLDER FILE...
 */
#include <stdio.h>
#include <string.h>

static const char *name_of(const char *path, const char *folder) {
  const size_t size = strlen(folder);
  if (strncmp(path, folder, size) == 0 && path[size] == '/')
    return path + size + 1;
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* One string literal a line. Question marks are escaped because two of them may begin a trigraph. */
static void write_literals(FILE *from, FILE *to) {
  int c;
  int line_open = 0;
  while ((c = getc(from)) != EOF) {
    if (!line_open)
      fputs("\n    \"", to);
    line_open = c != '\n';
    if (c == '\n')
      fputs("\\n\"", to);
    else if (c == '"' || c == '\\' || c == '?')
      fprintf(to, "\\%c", c);
    else if (c < ' ' || c > '~')
      fprintf(to, "\\%03o", (unsigned)c);
    else
      putc(c, to);
  }
  fputs(line_open ? "\"" : "\n    \"\"", to);
}

static int write_file(const char *path, const char *name, FILE *to) {
  FILE *from = fopen(path, "r");
  if (!from) {
    perror(path);
    return 0;
  }
  fprintf(to, "    {\"%s\",", name);
  write_literals(from, to);
  fputs("},\n", to);
  const int read = !ferror(from);
  fclose(from);
  return read;
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
  int good = 1;
  fputs("#include \"generator/templates.h\"\n\nstatic const struct template_file files[] = {\n", to);
  for (int i = 3; i < count; i++)
    good = write_file(arguments[i], name_of(arguments[i], arguments[2]), to) && good;
  fputs("};\n\nconst struct template_set templates_embedded = {files, sizeof files / sizeof *files};\n", to);
  good = !ferror(to) && good;
  good = fclose(to) == 0 && good;
  return good ? 0 : 1;
}
