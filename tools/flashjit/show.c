/* flashjit show: the generated source of a spec. */
#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/snippet.h"
#include "tools/flashjit/source_text.h"
#include "tools/flashjit/spec_words.h"

#include "flashjit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int print_source(const fi_spec *spec, const char *target, bool is_json) {
  char text[FI_SPEC_TEXT_SIZE];
  char *source = source_text(spec, target);
  if (source && is_json && fi_spec_print(spec, text, sizeof text) == FI_OK)
    document_print("flashjit.show", json_pack("{s:s, s:s, s:s}", "spec", text, "target", target, "source", source));
  else if (source)
    fputs(source, stdout);
  free(source);
  return source ? CLI_OK : CLI_FAILED;
}

enum { OPTION_TARGET = 1, OPTION_SNIPPET_FILE, OPTION_JSON };

struct choice {
  const char *target;
  struct snippet_option snippet;
  bool json;
};

static bool take_option(void *user, int code, char *text) {
  struct choice *choice = user;
  if (code == OPTION_SNIPPET_FILE)
    return snippet_option("show", text, &choice->snippet);
  if (code == OPTION_TARGET)
    choice->target = text;
  choice->json |= code == OPTION_JSON;
  return true;
}

static int run(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.target = "sm_90a"};
  char text[FI_SPEC_TEXT_SIZE];
  fi_spec spec;
  int first;
  int code = cli_parse(command, argc, argv, take_option, &choice, &first);
  if (code >= 0)
    return code;
  code = spec_words(command->name, argc - first, argv + first, text, &spec);
  if (code != CLI_OK)
    return code;
  snippet_fill(&choice.snippet, &spec);
  return print_source(&spec, choice.target, choice.json);
}

static const struct cli_option options[] = {
    {"target", 0, "TARGET", "default: sm_90a", OPTION_TARGET},
    {"snippet", 0, "FILE", "the text of a spec with snippet=logit or snippet=weight", OPTION_SNIPPET_FILE},
    {"json", 0, NULL, "print JSON", OPTION_JSON},
    {0},
};

const struct cli_command show_command = {
    .name = "show",
    .summary = "print the generated source of a spec",
    .arguments = "SPEC [options]",
    .about = "Prints the CUDA C++ text of a spec, for example of 'attention group=4 kv=e4m3 page=16'. The spec\n"
             "may be one argument or several.",
    .options = options,
    .run = run,
};
