/* flashjit build: compiles kernels into the cache, several at a time. */
#include "tools/flashjit/build_jobs.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"

enum { OPTION_SPECS = OPTIONS_OF_MODEL, OPTION_ALL, OPTION_TARGET, OPTION_JOBS };

static const struct cli_option options[] = {
    {"specs", 0, "FILE", "one spec a line; - for standard input. A snippet without a hash is that of\n--snippet",
     OPTION_SPECS},
    {"all", 0, NULL, "every spec that has a kernel", OPTION_ALL},
    {"target", 0, "T[,T...]", "such as sm_90a,sm_80; default: that of the GPU", OPTION_TARGET},
    {"jobs", 'j', "N", "worker processes; default: one per core", OPTION_JOBS},
    {0},
};

static bool take_option(void *user, int code, char *text) {
  struct build_choice *choice = user;
  switch (code) {
  case OPTION_SPECS:
    choice->specs = text;
    return true;
  case OPTION_ALL:
    choice->all = true;
    return true;
  case OPTION_TARGET:
    choice->targets = text;
    return true;
  case OPTION_JOBS:
    return option_number(choice->command, "--jobs", text, 1, MOST_WORKERS, &choice->workers);
  default:
    return model_option(choice->command, code, text, &choice->model);
  }
}

static int run(const struct cli_command *command, int argc, char **argv) {
  struct build_choice choice;
  int first;
  build_choice_init(&choice, command->name);
  int code = cli_parse(command, argc, argv, take_option, &choice, &first);
  if (code >= 0)
    return code;
  if (first < argc)
    return usage_error(command->name, "unexpected argument \"%s\"", argv[first]);
  code = build_choice_check(&choice);
  return code == CLI_OK ? build_kernels(&choice, stdout, NULL, NULL) : code;
}

const struct cli_command build_command = {
    .name = "build",
    .summary = "compile kernels into the cache",
    .arguments = "(--specs FILE | --model CONFIG.json | --all) [options]",
    .about = "Compiles kernels into the cache (FLASHJIT_CACHE_DIR). What is cached already is left alone, so that\n"
             "a build that was stopped goes on where it was. Needs no GPU when a target is given.",
    .options = options,
    .more_options = model_option_rows,
    .more_title = model_option_title,
    .run = run,
};
