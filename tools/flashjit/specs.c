/* flashjit specs: lists specs, one canonical text a line. */
#include "tools/flashjit/cli.h"
#include "tools/flashjit/options.h"
#include "tools/flashjit/spec_list.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "usage: flashjit specs --model CONFIG.json [options]\n"
    "       flashjit specs --all [--op OP]\n"
    "\n"
    "Lists specs, one a line, in the form that 'show' and 'build --specs' read. What is said of the\n"
    "model's layers goes to stderr.\n"
    "\n"
    "  --model CONFIG.json the kernels of a model, from its Hugging Face config\n"
    "  --all               every spec that has a kernel\n"
    "  --op OP             with --all: only attention, append, merge or plan\n"
    "  --target TARGET     a target that must have the kernels, such as sm_90a; default: any\n";

enum { OPTION_MODEL = 1, OPTION_ALL, OPTION_OP, OPTION_TARGET, OPTION_KV_DTYPE, OPTION_PAGE_SIZE };

static const struct option options[] = {
    {"model", required_argument, NULL, OPTION_MODEL},
    {"all", no_argument, NULL, OPTION_ALL},
    {"op", required_argument, NULL, OPTION_OP},
    {"target", required_argument, NULL, OPTION_TARGET},
    {"kv-dtype", required_argument, NULL, OPTION_KV_DTYPE},
    {"page-size", required_argument, NULL, OPTION_PAGE_SIZE},
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
  const char *model;
  const char *op;
  const char *target;
  struct cache_choice cache;
  bool all;
};

static int list_specs(const struct choice *choice) {
  struct spec_list list = {0};
  uint32_t op = 0;
  int code;
  if (choice->op && !op_find(choice->op, &op))
    return usage_error("specs", "--op is \"%s\"; allowed are attention, append, merge, plan", choice->op);
  if (choice->model)
    code = spec_list_model(&list, choice->model, &choice->cache, choice->target);
  else if (choice->op)
    code = spec_list_op(&list, op);
  else
    code = spec_list_all(&list);
  if (code == CLI_OK)
    code = print_specs(&list);
  spec_list_free(&list);
  return code;
}

int command_specs(int argc, char **argv) {
  struct choice choice = {.cache = {.page_size = DEFAULT_PAGE_SIZE}};
  int code;
  while ((code = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
    bool valid = true;
    switch (code) {
    case OPTION_MODEL:
      choice.model = optarg;
      break;
    case OPTION_ALL:
      choice.all = true;
      break;
    case OPTION_OP:
      choice.op = optarg;
      break;
    case OPTION_TARGET:
      choice.target = optarg;
      valid = option_target("specs", optarg);
      break;
    case OPTION_KV_DTYPE:
      valid = option_kv_dtype("specs", optarg, &choice.cache.kv_dtype);
      break;
    case OPTION_PAGE_SIZE:
      valid = option_page_size("specs", optarg, &choice.cache.page_size);
      break;
    case 'h':
      printf("%s%s", help, cache_options_help);
      return CLI_OK;
    default:
      return unknown_option("specs", code, argv);
    }
    if (!valid)
      return CLI_USAGE;
  }
  if (optind < argc)
    return usage_error("specs", "unexpected argument \"%s\"", argv[optind]);
  if (choice.all == (choice.model != NULL))
    return usage_error("specs", "give either --model or --all");
  if (choice.op && choice.model)
    return usage_error("specs", "--op goes with --all");
  return list_specs(&choice);
}
