/* flashjit build: compiles kernels into the cache, several at a time. */
#include "tools/flashjit/build_jobs.h"
#include "tools/flashjit/cli.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "usage: flashjit build (--specs FILE | --model CONFIG.json | --all) [options]\n"
    "\n"
    "Compiles kernels into the cache (FLASHJIT_CACHE_DIR). What is cached already is left alone, so that\n"
    "a build that was stopped goes on where it was. Needs no GPU when a target is given.\n"
    "\n"
    "  --specs FILE        one spec a line; - for standard input. A snippet without a hash is that of --snippet\n"
    "  --model CONFIG.json the kernels of a model\n"
    "  --all               every spec that has a kernel\n"
    "  --target T[,T...]   such as sm_90a,sm_80; default: that of the GPU\n"
    "  -j, --jobs N        worker processes; default: one per core\n";

enum { OPTION_SPECS = OPTIONS_OF_MODEL, OPTION_ALL, OPTION_TARGET };

static const struct option options[] = {
    {"specs", required_argument, NULL, OPTION_SPECS},
    MODEL_OPTION_ROWS,
    {"all", no_argument, NULL, OPTION_ALL},
    {"target", required_argument, NULL, OPTION_TARGET},
    {"jobs", required_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

/* Takes one option; false when its value is wrong. */
static bool take_option(struct build_choice *choice, int code) {
  switch (code) {
  case OPTION_SPECS:
    choice->specs = optarg;
    return true;
  case OPTION_ALL:
    choice->all = true;
    return true;
  case OPTION_TARGET:
    choice->targets = optarg;
    return true;
  case 'j':
    return option_number("build", "--jobs", optarg, 1, MOST_WORKERS, &choice->workers);
  default:
    return model_option("build", code, optarg, &choice->model);
  }
}

int command_build(int argc, char **argv) {
  struct build_choice choice;
  int code;
  build_choice_init(&choice, "build");
  while ((code = getopt_long(argc, argv, ":hj:", options, NULL)) != -1) {
    if (code == 'h') {
      printf("%s%s", help, model_options_help);
      return CLI_OK;
    }
    if (code == '?' || code == ':')
      return unknown_option("build", code, argv);
    if (!take_option(&choice, code))
      return CLI_USAGE;
  }
  if (optind < argc)
    return usage_error("build", "unexpected argument \"%s\"", argv[optind]);
  code = build_choice_check(&choice);
  return code == CLI_OK ? build_kernels(&choice, stdout, NULL, NULL) : code;
}
