/* The flashjit command: finds the subcommand. */
#include "tools/flashjit/cli.h"
#include "tools/flashjit/command_list.h"

#include <stdio.h>
#include <string.h>

static int print_help(void) {
  const char *verb;
  puts("usage: flashjit COMMAND [options]\n\nAttention kernels, generated and compiled at run time.\n");
  for (const struct cli_command *const *command = command_list; *command; command++) {
    command_has_word(*command, "", &verb);
    if (!verb)
      printf("  %-12s%s\n", (*command)->name, (*command)->summary);
  }
  for (const struct command_group *group = command_groups; group->name; group++)
    printf("  %-12s%s\n", group->name, group->summary);
  puts("\n'flashjit COMMAND --help' lists the options of one. 'flashjit --version' names the library, the\n"
       "compiler and the driver. FLASHJIT_DRIVER=sim runs kernels on the simulator, without a GPU.");
  return CLI_OK;
}

static bool is_help(const char *word) {
  return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int print_group_help(const char *name) {
  const char *verb;
  printf("usage: flashjit %s COMMAND [options]\n\n", name);
  for (const struct cli_command *const *command = command_list; *command; command++) {
    if (command_has_word(*command, name, &verb))
      printf("  %-12s%s\n", verb, (*command)->summary);
  }
  printf("\n'flashjit %s COMMAND --help' lists the options of one.\n", name);
  return CLI_OK;
}

static int run_in_group(const char *name, int argc, char **argv) {
  const char *verb;
  if (argc < 2)
    return usage_error(name, "a command is missing");
  if (is_help(argv[1]))
    return print_group_help(name);
  for (const struct cli_command *const *command = command_list; *command; command++) {
    if (command_has_word(*command, name, &verb) && strcmp(verb, argv[1]) == 0)
      return (*command)->run(*command, argc - 1, argv + 1);
  }
  return usage_error(name, "there is no command \"%s\"", argv[1]);
}

static int run(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : NULL;
  const char *verb;
  if (!name)
    return usage_error(NULL, "a command is missing");
  if (is_help(name) || strcmp(name, "help") == 0)
    return print_help();
  if (strcmp(name, "--version") == 0)
    return command_version();
  for (const struct cli_command *const *command = command_list; *command; command++) {
    if (command_has_word(*command, name, &verb))
      return verb ? run_in_group(name, argc - 1, argv + 1) : (*command)->run(*command, argc - 1, argv + 1);
  }
  return usage_error(NULL, "there is no command \"%s\"", name);
}

int main(int argc, char **argv) {
  return output_finish(run(argc, argv));
}
