/* A tool of the build: writes text files as the C source of a template set. Usage: embed OUTPUT FILE... */
#include <stdio.h>
#include <string.h>

static const char *base_name(const char *path) {
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

static int write_file(const char *path, FILE *to) {
  FILE *from = fopen(path, "r");
  if (!from) {
    perror(path);
    return 0;
  }
  fprintf(to, "    {\"%s\",", base_name(path));
  write_literals(from, to);
  fputs("},\n", to);
  const int read = !ferror(from);
  fclose(from);
  return read;
}

int main(int count, char **arguments) {
  if (count < 3) {
    fprintf(stderr, "usage: embed OUTPUT FILE...\n");
    return 2;
  }
  FILE *to = fopen(arguments[1], "w");
  if (!to) {
    perror(arguments[1]);
    return 1;
  }
  int good = 1;
  fputs("#include \"generator/templates.h\"\n\nstatic const struct template_file files[] = {\n", to);
  for (int i = 2; i < count; i++)
    good = write_file(arguments[i], to) && good;
  fputs("};\n\nconst struct template_set templates_embedded = {files, sizeof files / sizeof *files};\n", to);
  good = !ferror(to) && good;
  good = fclose(to) == 0 && good;
  return good ? 0 : 1;
}
