/* flashjit show: the generated source of a spec. */
#include "tools/flashjit/cli.h"
#include "tools/flashjit/snippet.h"

#include "flashjit.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: flashjit show SPEC [--target TARGET] [--snippet FILE]\n"
    "\n"
    "Prints the CUDA C++ text of a spec, for example of 'attention group=4 kv=e4m3 page=16'. The spec\n"
    "may be one argument or several.\n"
    "\n"
    "  --target TARGET     default: sm_90a\n"
    "  --snippet FILE      the text of a spec with snippet=logit or snippet=weight\n";

static const struct option options[] = {
    {"target", required_argument, NULL, 't'},
    {"snippet", required_argument, NULL, 's'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int print_source(const fi_spec *spec, const char *target) {
  size_t size = 0;
  char *source = NULL;
  fi_status status = fi_kernel_source(spec, target, NULL, &size);
  if (status == FI_OK)
    source = malloc(size);
  if (source)
    status = fi_kernel_source(spec, target, source, &size);
  if (source && status == FI_OK)
    fputs(source, stdout);
  else
    complain("%s", status == FI_OK ? "out of memory" : fi_last_error());
  free(source);
  return source && status == FI_OK ? CLI_OK : CLI_FAILED;
}

int command_show(int argc, char **argv) {
  const char *target = NULL;
  struct snippet_option snippet = {0};
  char text[FI_SPEC_TEXT_SIZE];
  fi_spec spec;
  int code;
  while ((code = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
    switch (code) {
    case 't':
      target = optarg;
      break;
    case 's':
      if (!snippet_option("show", optarg, &snippet))
        return CLI_USAGE;
      break;
    case 'h':
      fputs(help, stdout);
      return CLI_OK;
    default:
      return unknown_option("show", code, argv);
    }
  }
  if (optind == argc)
    return usage_error("show", "the spec is missing");
  if (!join_words(argc - optind, argv + optind, text, sizeof text))
    return usage_error("show", "the spec is longer than %d characters", FI_SPEC_TEXT_SIZE - 1);
  if (fi_spec_parse(text, &spec))
    return usage_error("show", "%s", fi_last_error());
  snippet_fill(&snippet, &spec);
  return print_source(&spec, target);
}
