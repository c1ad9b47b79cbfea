/* The flashjit command: finds the subcommand. */
#include "tools/flashjit/cli.h"

#include <stdio.h>
#include <string.h>

struct command {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *summary;
};

static const struct command commands[] = {
    {"run", command_run, "run a model's attention layers on a batch of requests, and verify the results"},
    {"build", command_build, "compile kernels into the cache"},
    {"specs", command_specs, "list the specs of a model, or all"},
    {"show", command_show, "print the generated source of a spec"},
    {"explain", command_explain, "what a spec becomes, and what the cache has of it"},
    {"doctor", command_doctor, "look for what is missing or wrong on this machine"},
    {"cache", command_cache, "list, check and clear the cache"},
    {"bundle", command_bundle, "make and use single files of kernels"},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static int print_help(void) {
  puts("usage: flashjit COMMAND [options]\n\nAttention kernels, generated and compiled at run time.\n");
  for (int i = 0; i < COMMANDS; i++)
    printf("  %-8s%s\n", commands[i].name, commands[i].summary);
  puts("\n'flashjit COMMAND --help' lists the options of one. 'flashjit --version' names the library, the\n"
       "compiler and the driver. FLASHJIT_DRIVER=sim runs kernels on the simulator, without a GPU.");
  return CLI_OK;
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : NULL;
  if (!name)
    return usage_error(NULL, "a command is missing");
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
    return print_help();
  if (strcmp(name, "--version") == 0)
    return command_version();
  for (int i = 0; i < COMMANDS; i++) {
    if (strcmp(commands[i].name, name) == 0)
      return commands[i].run(argc - 1, argv + 1);
  }
  return usage_error(NULL, "there is no command \"%s\"", name);
}
