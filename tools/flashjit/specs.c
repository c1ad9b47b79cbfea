/* flashjit specs: lists specs, one canonical text a line. */
#include "tools/flashjit/cli.h"
#include "tools/flashjit/describe.h"
#include "tools/flashjit/options.h"
#include "tools/flashjit/spec_list.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: flashjit specs --model CONFIG.json [options]\n"
    "       flashjit specs --all [--op OP]\n"
    "\n"
    "Lists specs, one a line, in the form that 'show' and 'build --specs' read. What is said of the\n"
    "model's layers goes to stderr.\n"
    "\n"
    "  --model CONFIG.json the kernels of a model\n"
    "  --json              with --model: what attention computes in each kind of layer, with what is\n"
    "                      missing, in place of the specs\n"
    "  --all               every spec that has a kernel\n"
    "  --op OP             with --all: only attention, append, merge or plan\n"
    "  --target TARGET     a target that must have the kernels, such as sm_90a; default: any\n";

enum { OPTION_ALL = OPTIONS_OF_MODEL, OPTION_OP, OPTION_TARGET, OPTION_JSON };

static const struct option options[] = {
    MODEL_OPTION_ROWS,
    {"all", no_argument, NULL, OPTION_ALL},
    {"op", required_argument, NULL, OPTION_OP},
    {"target", required_argument, NULL, OPTION_TARGET},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int print_specs(const struct spec_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    char text[FI_SPEC_TEXT_SIZE];
    if (fi_spec_print(&list->specs[i], text, sizeof text)) {
      complain("%s", fi_last_error());
      return CLI_FAILED;
    }
    puts(text);
  }
  return CLI_OK;
}

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
  json_t *kinds = model_json(model);
  json_dumpf(kinds, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
  putchar('\n');
  json_decref(kinds);
  free(model);
  return CLI_OK;
}

static int list_specs(const struct choice *choice) {
  struct spec_list list = {0};
  uint32_t op = 0;
  int code;
  if (choice->op && !op_find(choice->op, &op))
    return usage_error("specs", "--op is \"%s\"; allowed are attention, append, merge, plan", choice->op);
  if (choice->model.model.path)
    code = spec_list_model(&list, &choice->model, choice->target);
  else if (choice->op)
    code = spec_list_op(&list, op);
  else
    code = spec_list_all(&list);
  if (code == CLI_OK)
    code = print_specs(&list);
  spec_list_free(&list);
  return code;
}

/* False when its value is wrong. */
static bool take_option(struct choice *choice, int code) {
  switch (code) {
  case OPTION_ALL:
    choice->all = true;
    return true;
  case OPTION_OP:
    choice->op = optarg;
    return true;
  case OPTION_JSON:
    choice->json = true;
    return true;
  case OPTION_TARGET:
    choice->target = optarg;
    return option_target("specs", optarg);
  default:
    return model_option("specs", code, optarg, &choice->model);
  }
}

int command_specs(int argc, char **argv) {
  struct choice choice = {0};
  int code;
  model_options_init(&choice.model);
  while ((code = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
    if (code == 'h') {
      printf("%s%s", help, model_options_help);
      return CLI_OK;
    }
    if (code == '?' || code == ':')
      return unknown_option("specs", code, argv);
    if (!take_option(&choice, code))
      return CLI_USAGE;
  }
  const bool has_model = choice.model.model.path;
  if (optind < argc)
    return usage_error("specs", "unexpected argument \"%s\"", argv[optind]);
  if (choice.all == has_model)
    return usage_error("specs", "give either --model or --all");
  if (choice.op && has_model)
    return usage_error("specs", "--op goes with --all");
  if (choice.json && !has_model)
    return usage_error("specs", "--json goes with --model");
  return choice.json ? print_json(&choice) : list_specs(&choice);
}
