/* flashjit build: compiles kernels into the cache, several at a time. */
#include "tools/flashjit/build_jobs.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/report.h"

enum { OPTION_SPECS = OPTIONS_OF_MODEL, OPTION_TARGET, OPTION_JOBS, OPTION_JSON };

static const struct cli_option options[] = {
    {"specs", 0, "FILE", "one spec a line; - for standard input. A snippet without a hash is that of\n--snippet",
     OPTION_SPECS},
    {"target", 0, "T[,T...]", "such as sm_90a,sm_80; default: that of the GPU", OPTION_TARGET},
    {"jobs", 'j', "N", "worker processes; default: one per core", OPTION_JOBS},
    {"json", 0, NULL, "print JSON, a member a kernel", OPTION_JSON},
    {0},
};

struct choice {
  struct build_choice build;
  bool json;
};

/* A kernel of the document, in the order in which they are done. */
static void add_kernel(void *kernels, const struct job *job, const struct job_result *result) {
  char text[FI_SPEC_TEXT_SIZE] = "";
  const fi_facts *facts = &result->facts;
  fi_spec_print(&job->spec, text, sizeof text);
  json_t *kernel =
      json_pack("{s:s, s:s, s:s}", "spec", text, "target", job->target, "status", fi_status_name(result->status));
  if (result->status)
    json_object_set_new(kernel, "why", json_string(result->message));
  else
    json_object_update_new(kernel, json_pack("{s:s, s:s, s:s, s:f}", "key", facts->key, "toolchain", facts->toolchain,
                                             "from", layer_name(facts->layer), "compile_ms", facts->compile_ms));
  json_array_append_new(kernels, kernel);
}

static int build_to_json(struct build_choice *choice) {
  json_t *kernels = json_array();
  const int code = build_kernels(choice, stderr, add_kernel, kernels);
  document_print("flashjit.build", json_pack("{s:o}", "kernels", kernels));
  return code;
}

static bool take_option(void *user, int code, char *text) {
  struct build_choice *choice = &((struct choice *)user)->build;
  switch (code) {
  case OPTION_JSON:
    ((struct choice *)user)->json = true;
    return true;
  case OPTION_SPECS:
    choice->specs = text;
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
  struct choice choice = {.json = false};
  int first;
  build_choice_init(&choice.build, command->name);
  int code = cli_parse(command, argc, argv, take_option, &choice, &first);
  if (code >= 0)
    return code;
  if (first < argc)
    return usage_error(command->name, "unexpected argument \"%s\"", argv[first]);
  code = build_choice_check(&choice.build);
  if (code != CLI_OK)
    return code;
  return choice.json ? build_to_json(&choice.build) : build_kernels(&choice.build, stdout, NULL, NULL);
}

const struct cli_command build_command = {
    .name = "build",
    .summary = "compile kernels into the cache",
    .arguments = "(--specs FILE | --model CONFIG.json) [options]",
    .about = "Compiles kernels into the cache (FLASHJIT_CACHE_DIR). What is cached already is left alone, so that\n"
             "a build that was stopped goes on where it was. Needs no GPU when a target is given.",
    .options = options,
    .more_options = model_option_rows,
    .more_title = model_option_title,
    .run = run,
};
