/* flashjit show: the generated source of a spec. */
#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/source_text.h"
#include "tools/flashjit/spec_words.h"

#include "flashjit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int print_text(const fi_spec *spec, const char *target) {
  char *source = source_text(spec, target);
  if (source)
    fputs(source, stdout);
  free(source);
  return source ? CLI_OK : CLI_FAILED;
}

static json_t *source_json(const fi_spec *spec, const char *target) {
  char text[FI_SPEC_TEXT_SIZE];
  json_t *document = NULL;
  char *source = source_text(spec, target);
  if (source && fi_spec_print(spec, text, sizeof text) == FI_OK)
    document = json_pack("{s:s, s:s, s:s}", "spec", text, "target", target, "source", source);
  free(source);
  return document;
}

/* The sources of all kernels that the spec stands for. What has none says why in place of the first. */
static int print_texts(const fi_spec *spec, const char *target) {
  fi_spec member;
  int code = CLI_OK;
  uint32_t number = 0;
  for (; code == CLI_OK && fi_spec_member(spec, target, number, &member) == FI_OK; number++) {
    if (number > 0)
      putchar('\n');
    code = print_text(&member, target);
  }
  return number > 0 ? code : print_text(spec, target);
}

/* The document of the first has the others. */
static int print_json(const fi_spec *spec, const char *target) {
  fi_spec member = *spec;
  json_t *others = json_array();
  fi_spec_member(spec, target, 0, &member);
  json_t *document = source_json(&member, target);
  for (uint32_t i = 1; document && fi_spec_member(spec, target, i, &member) == FI_OK; i++) {
    json_t *other = source_json(&member, target);
    if (other)
      json_array_append_new(others, other);
  }
  if (document)
    json_object_set(document, "others", others);
  json_decref(others);
  if (document)
    document_print("flashjit.show", document);
  return document ? CLI_OK : CLI_FAILED;
}

static int run(const struct cli_command *command, int argc, char **argv) {
  struct spec_choice choice;
  int code;
  if (!spec_choose(command, argc, argv, &choice, &code))
    return code;
  return choice.json ? print_json(&choice.spec, choice.target) : print_texts(&choice.spec, choice.target);
}

const struct cli_command show_command = {
    .name = "show",
    .summary = "print the generated source of a spec",
    .arguments = "SPEC [options]",
    .about = "Prints the CUDA C++ text of a spec, for example of 'attention group=4 kv=e4m3 page=16'. The spec\n"
             "may be one argument or several. One that leaves rows open has several kernels, whose texts follow\n"
             "each other.",
    .options = spec_options,
    .run = run,
};
