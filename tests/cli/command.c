/* Running the command through the shell, output to scratch files. */
#include "command.h"

#include "files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static void read_back(const char *path, char *text) {
  FILE *file = fopen(path, "r");
  cr_assert_not_null(file, "%s", path);
  size_t size = fread(text, 1, OUTPUT_SIZE - 1, file);
  text[size] = '\0';
  fclose(file);
}

void command(struct output *output, const char *arguments) {
  command_in(output, "", arguments);
}

void command_in(struct output *output, const char *environment, const char *arguments) {
  char *line = NULL;
  char cache[128];
  const char *out = scratch_file("stdout", "");
  const char *err = scratch_file("stderr", "");
  snprintf(cache, sizeof cache, "%s/cache", scratch_folder());
  setenv("FLASHJIT_CACHE_DIR", cache, 1);
  cr_assert_geq(asprintf(&line, "env %s %s %s >%s 2>%s", environment, FLASHJIT_COMMAND, arguments, out, err), 0);
  int status = system(line);
  output->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  read_back(out, output->out);
  read_back(err, output->err);
  free(line);
}

void use_simulator(void) {
  setenv("FLASHJIT_DRIVER", "sim", 1);
}

void expect_code(const struct output *output, int code) {
  cr_expect_eq(output->code, code, "exit code %d, not %d\n%s%s", output->code, code, output->out, output->err);
}

void expect_text(const char *output, const char *part) {
  cr_expect_not_null(strstr(output, part), "\"%s\" is not in:\n%s", part, output);
}
