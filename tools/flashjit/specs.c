/* flashjit specs: lists specs, one canonical text a line. */
#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/describe.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/options.h"
#include "tools/flashjit/spec_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_ALL = OPTIONS_OF_MODEL, OPTION_OP, OPTION_TARGET, OPTION_JSON };

static const struct cli_option options[] = {
    {"json", 0, NULL,
     "with --model: what attention computes in each kind of layer, with what is\nmissing, in place of the specs",
     OPTION_JSON},
    {"all", 0, NULL,
     "every spec that has a kernel, of open ranges some; of attention and append there are\nmore than anybody waits "
     "for, so read as many as needed (head)",
     OPTION_ALL},
    {"op", 0, "OP", "with --all: only attention, append, merge, plan or indexer", OPTION_OP},
    {"target", 0, "TARGET", "a target that must have the kernels, such as sm_90a; default: any", OPTION_TARGET},
    {0},
};

struct choice {
  struct model_options model;
  const char *op;
  const char *target;
  bool all;
  bool json;
};

static int print_json(const struct choice *choice) {
  struct model *model = model_load(&choice->model);
  if (!model)
    return CLI_FAILED;
  document_print("flashjit.specs", json_pack("{s:s, s:o}", "model", model->name, "kinds", model_json(model)));
  free(model);
  return CLI_OK;
}

static int print_spec(const fi_spec *spec) {
  char text[FI_SPEC_TEXT_SIZE];
  if (fi_spec_print(spec, text, sizeof text)) {
    complain("%s", fi_last_error());
    return CLI_FAILED;
  }
  return puts(text) == EOF ? output_failed() : CLI_OK;
}

static int print_model(const struct choice *choice) {
  struct spec_list list = {0};
  int code = spec_list_model(&list, &choice->model, choice->target);
  for (size_t i = 0; code == CLI_OK && i < list.count; i++)
    code = print_spec(&list.specs[i]);
  spec_list_free(&list);
  return code;
}

/* The axis "op" lists the ops. */
static bool op_axis(fi_axis *axis) {
  *axis = (fi_axis){.struct_size = sizeof *axis};
  for (uint32_t i = 0; fi_axis_describe(i, axis) == FI_OK; i++) {
    if (strcmp(axis->key, "op") == 0)
      return true;
  }
  return false;
}

/* One by one as they are found: there are more than any memory holds, so that who reads them says when to end. */
static int print_op(const struct choice *choice, uint32_t op) {
  fi_spec spec;
  int code = CLI_OK;
  fi_spec_init(&spec);
  spec.op = op;
  while (code == CLI_OK && fi_spec_next(&spec)) {
    if (!choice->target || fi_spec_supported(&spec, choice->target) == FI_OK)
      code = print_spec(&spec);
  }
  return code;
}

static int print_all(const struct choice *choice) {
  fi_axis axis;
  int code = CLI_OK;
  bool is_op = false;
  for (uint32_t i = 0; code == CLI_OK && op_axis(&axis) && i < axis.value_count; i++) {
    if (choice->op && strcmp(axis.value_names[i], choice->op) != 0)
      continue;
    is_op = true;
    code = print_op(choice, axis.values[i]);
  }
  if (is_op)
    return code;
  return usage_error("specs", "--op is \"%s\"; allowed are attention, append, merge, plan, indexer", choice->op);
}

static bool take_option(void *user, int code, char *text) {
  struct choice *choice = user;
  switch (code) {
  case OPTION_ALL:
    choice->all = true;
    return true;
  case OPTION_OP:
    choice->op = text;
    return true;
  case OPTION_JSON:
    choice->json = true;
    return true;
  case OPTION_TARGET:
    choice->target = text;
    return option_target("specs", text);
  default:
    return model_option("specs", code, text, &choice->model);
  }
}

static int run(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {0};
  int first;
  model_options_init(&choice.model);
  const int code = cli_parse(command, argc, argv, take_option, &choice, &first);
  if (code >= 0)
    return code;
  const bool has_model = choice.model.model.path;
  if (first < argc)
    return usage_error("specs", "unexpected argument \"%s\"", argv[first]);
  if (choice.all == has_model)
    return usage_error("specs", "give either --model or --all");
  if (choice.op && has_model)
    return usage_error("specs", "--op goes with --all");
  if (choice.json && !has_model)
    return usage_error("specs", "--json goes with --model");
  if (choice.all)
    return print_all(&choice);
  return choice.json ? print_json(&choice) : print_model(&choice);
}

const struct cli_command specs_command = {
    .name = "specs",
    .summary = "list the specs of a model, or all",
    .arguments = "--model CONFIG.json [options]\n--all [--op OP]",
    .about = "Lists specs, one a line, in the form that 'show' and 'build --specs' read. What is said of the\n"
             "model's layers goes to stderr.",
    .options = options,
    .more_options = model_option_rows,
    .more_title = model_option_title,
    .run = run,
};
