/* flashjit run: a model's attention layers on a batch of requests. */
#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/context_run.h"
#include "tools/flashjit/describe.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/layer_run.h"
#include "tools/flashjit/options.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/source_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  OPTION_TRACE = OPTIONS_OF_MODEL,
  OPTION_LENGTHS,
  OPTION_REQUESTS,
  OPTION_SCALE,
  OPTION_LIMIT,
  OPTION_MAX_TOKENS,
  OPTION_MAX_REQUESTS,
  OPTION_DEVICES,
  OPTION_CONTEXT_PARALLEL,
  OPTION_LAYERS,
  OPTION_VERIFY,
  OPTION_REPEAT,
  OPTION_SEED,
  OPTION_SOURCE,
  OPTION_TARGET,
  OPTION_JSON
};

static const struct cli_option options[] = {
    {"trace", 0, "FILE", "lengths of requests: Azure's CSV or Mooncake's JSON lines; - for standard\ninput",
     OPTION_TRACE},
    {"lengths", 0, "P:G,...", "lengths of requests: prompt and generated tokens; default: a built-in mix",
     OPTION_LENGTHS},
    {"requests", 0, "N", "how many requests; default: 8", OPTION_REQUESTS},
    {"scale", 0, "N", "divides all lengths; default: 1, on the simulator so that none is over 256", OPTION_SCALE},
    {"kv-len-limit", 0, "N", "cuts prompts so that no request is longer", OPTION_LIMIT},
    {"max-tokens", 0, "N", "query tokens of a step: longer prompts are taken in chunks; default: 16384",
     OPTION_MAX_TOKENS},
    {"max-requests", 0, "N", "requests that run at once, for which the cache has room; default: 64",
     OPTION_MAX_REQUESTS},
    {"devices", 0, "N", "each has its share of the heads, as --tp N says; default: 1", OPTION_DEVICES},
    {"context-parallel", 0, NULL, "each of --devices has its share of the tokens of each request instead, by pages",
     OPTION_CONTEXT_PARALLEL},
    {"layers", 0, "KIND,...", "only these kinds, such as full_attention", OPTION_LAYERS},
    {"verify", 0, NULL, "hold every output against a double-precision reference", OPTION_VERIFY},
    {"repeat", 0, "N", "timed replays of each kernel; default: 5", OPTION_REPEAT},
    {"seed", 0, "N", "of all random data; default: 1", OPTION_SEED},
    {"source", 0, "FILE", SOURCE_FILE_HELP, OPTION_SOURCE},
    {"target", 0, "TARGET", "such as sm_80; default: that of the device", OPTION_TARGET},
    {"json", 0, NULL, "print JSON", OPTION_JSON},
    {0},
};

struct choice {
  struct model_options model;
  const char *trace;
  const char *lengths;
  const char *layers;
  const char *target;
  const char *source;
  uint64_t requests;
  uint64_t scale; /* 0: as the device asks for */
  uint64_t limit; /* 0: none */
  uint64_t max_tokens;
  uint64_t max_requests;
  uint64_t devices;
  uint64_t repeat;
  uint64_t seed;
  bool by_tokens; /* what devices have shares of; else heads */
  bool verify;
  bool json;
};

/* ------------------------------------------------------------------------------------------------ lengths */

enum { SIMULATED_LENGTH = 256, MOST_LENGTH = 1 << 24, MOST_DEVICES = 64 };

static int read_lengths(const struct choice *choice, struct trace *trace) {
  const size_t requests = (size_t)choice->requests;
  bool found;
  if (choice->lengths)
    found = trace_parse(trace, choice->lengths);
  else if (choice->trace)
    found = trace_read(trace, choice->trace, requests);
  else
    found = trace_default(trace, requests);
  if (found)
    return CLI_OK;
  if (choice->lengths)
    return usage_error("run", "--lengths: %s", problem_last());
  complain("%s", problem_last());
  return CLI_FAILED;
}

/* Makes the requests as short as asked for, or as the simulator can bear: by a factor, which is returned. */
static uint32_t shorten(const struct choice *choice, bool simulated, struct trace *trace) {
  uint64_t scale = choice->scale;
  if (choice->limit > 0) {
    size_t cut = trace_limit(trace, (uint32_t)choice->limit);
    if (cut > 0)
      fprintf(stderr, "# %zu of %zu requests cut to %u tokens\n", cut, trace->count, (uint32_t)choice->limit);
  }
  if (scale == 0)
    scale = simulated ? (trace_longest(trace) + SIMULATED_LENGTH - 1) / SIMULATED_LENGTH : 1;
  if (scale <= 1)
    return 1;
  trace_scale(trace, (uint32_t)scale);
  fprintf(stderr, "# lengths divided by %u%s\n", (uint32_t)scale,
          choice->scale == 0 ? ", because the device is simulated (--scale 1 keeps them)" : "");
  return (uint32_t)scale;
}

/* ------------------------------------------------------------------------------------------------ models */

/* A device's share of each kind of layer, and the whole that all devices have together; the same of one device. */
struct models {
  struct model *part;
  struct model *whole;
};

static void free_models(struct models *models) {
  if (models->whole != models->part)
    free(models->whole);
  free(models->part);
}

/* Kinds of the whole may be one kind to a device. */
static bool load_models(const struct choice *choice, struct models *models) {
  struct model_choice whole = choice->model.model;
  *models = (struct models){.part = model_load(&choice->model)};
  models->whole = models->part;
  if (choice->devices == 1 || choice->by_tokens || !models->part)
    return models->part != NULL;
  whole.devices = 1;
  models->whole = malloc(sizeof *models->whole);
  if (!models->whole || !model_read(&whole, models->whole)) {
    complain("%s", models->whole ? problem_last() : "out of memory");
    return false;
  }
  if (models->whole->kinds == models->part->kinds)
    return true;
  complain("%s: %u kinds of layers, of which %u devices have the same share", models->part->name, models->whole->kinds,
           (uint32_t)choice->devices);
  return false;
}

/* ------------------------------------------------------------------------------------------------ layers */

/* Whether a comma-separated list has the name; no list has them all. */
static bool is_chosen(const char *list, const char *name) {
  size_t length = strlen(name);
  for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    if (strncmp(at, name, length) == 0 && strchr(",", at[length]))
      return true;
  }
  return !list;
}

/* The names of a model's kinds of layers, each once, as a list of --layers. */
static void list_kinds(const struct model *model, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (uint32_t i = 0; i < model->kinds && used < size; i++) {
    const char *kind = model->layers[i].kind;
    if (used == 0 || !is_chosen(text, kind))
      used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? "," : "", kind);
  }
}

/* Whether a list has names of kinds of layers and no others. */
static int check_layers(const char *list, const struct model *model) {
  char kinds[1024];
  list_kinds(model, kinds, sizeof kinds);
  for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ","), at);
    if (!is_chosen(kinds, name))
      return usage_error("run", "--layers has \"%s\"; %s has %s", name, model->name, kinds);
  }
  return CLI_OK;
}

static bool has_failed(const struct run_settings *settings) {
  bool failed = false;
  for (uint32_t i = 0; i < settings->device_count; i++)
    failed |= device_failed(&settings->devices[i]);
  return failed;
}

static int run_layers(fi_ctx *ctx, const struct choice *choice, const struct models *models,
                      const struct run_settings *settings, json_t *reports) {
  const struct model *model = models->part;
  int code = CLI_OK;
  uint32_t ran = 0;
  for (uint32_t i = 0; i < model->kinds && !has_failed(settings); i++) {
    const struct model_layer *layer = &model->layers[i];
    if (!is_chosen(choice->layers, layer->kind))
      continue;
    if (!describe_layer(model, layer, settings->page_size, settings->target))
      continue;
    ran++;
    if (choice->by_tokens ? context_run(ctx, layer, settings, reports)
                          : layer_run(ctx, layer, &models->whole->layers[i], settings, reports))
      code = CLI_FAILED;
  }
  if (ran > 0)
    return code;
  complain("%s: no kind of layer can be run", choice->model.model.path);
  return CLI_FAILED;
}

/* The source of a kernel that does not run would be forgotten. */
static int find_edited(const char *path, const json_t *reports) {
  for (size_t i = 0; i < json_array_size(reports); i++) {
    if (json_is_true(json_object_get(json_array_get(reports, i), "edited")))
      return CLI_OK;
  }
  complain("--source %s: none of these kernels has the spec that its first line names", path);
  return CLI_FAILED;
}

static void print_reports(const struct choice *choice, const struct device *device, const struct model *model,
                          json_t *reports) {
  char devices[64] = "";
  if (choice->json) {
    document_print("flashjit.run", json_pack("{s:s, s:s, s:b, s:i, s:I, s:O}", "model", model->name, "device",
                                             device->name, "simulated", device->simulated, "devices",
                                             (int)choice->devices, "seed", (json_int_t)choice->seed, "rows", reports));
    return;
  }
  if (json_array_size(reports) == 0)
    return;
  if (choice->devices > 1)
    snprintf(devices, sizeof devices, "%u devices, each with its share of the %s: ", (uint32_t)choice->devices,
             choice->by_tokens ? "tokens" : "heads");
  printf("%s on %s%s\n", model->name, devices, device->name);
  report_print(reports);
  if (!device->simulated)
    fprintf(stderr,
            "# each kernel was launched again and again on the same data: what fits the L2 cache (%zu MiB) "
            "is read "
            "from there\n",
            device->l2_bytes >> 20);
}

/* ------------------------------------------------------------------------------------- device and context */

/* The target of the context's kernels, from the plan kernel, which is needed in any case. */
static bool find_target(fi_ctx *ctx, char *target, size_t size) {
  const fi_spec plan = plan_spec();
  fi_facts facts = {.struct_size = sizeof facts};
  /* A cache that cannot be written, or none, costs compiles and nothing else: the facts are there. */
  if (fi_precompile(ctx, &plan, &facts) && !*facts.toolchain) {
    complain("%s", fi_last_error());
    return false;
  }
  snprintf(target, size, "%s", facts.target);
  return true;
}

static int run_on(struct device *devices, fi_ctx *ctx, const struct choice *choice, const struct models *models,
                  struct trace *trace) {
  char target[sizeof((fi_facts *)NULL)->target];
  if (!find_target(ctx, target, sizeof target))
    return CLI_FAILED;
  const uint32_t scale = shorten(choice, devices->simulated, trace);
  struct schedule schedule;
  if (!schedule_make(&schedule, trace, (uint32_t)choice->max_tokens, (uint32_t)choice->max_requests)) {
    complain("%s", problem_last());
    return CLI_FAILED;
  }
  struct run_settings settings = {.devices = devices,
                                  .device_count = (uint32_t)choice->devices,
                                  .schedule = &schedule,
                                  .scale = scale,
                                  .page_size = choice->model.page_size,
                                  .target = target,
                                  .seed = choice->seed,
                                  .repeat = (uint32_t)choice->repeat,
                                  .verify = choice->verify};
  json_t *reports = json_array();
  int code = run_layers(ctx, choice, models, &settings, reports);
  if (choice->source && code == CLI_OK)
    code = find_edited(choice->source, reports);
  print_reports(choice, devices, models->part, reports);
  json_decref(reports);
  schedule_free(&schedule);
  return code;
}

/* The first says why; more of the same may follow. */
static void tell_cache_problem(void *told, const fi_event *event) {
  bool *once = told;
  if (event->kind != FI_EVENT_CACHE_PROBLEM || *once)
    return;
  *once = true;
  complain("the cache: %s", event->message);
}

/* The first is current when all are open. */
static bool open_devices(const struct choice *choice, struct device *devices) {
  for (uint32_t i = (uint32_t)choice->devices; i-- > 0;) {
    if (device_open_number(&devices[i], NULL, (int)i))
      continue;
    complain("%s", devices[i].error);
    return false;
  }
  return true;
}

static int run_model(const struct choice *choice, const struct models *models, struct trace *trace) {
  struct device devices[MOST_DEVICES] = {0};
  fi_ctx *ctx = NULL;
  bool told = false;
  fi_options context_options = {
      .struct_size = sizeof context_options, .target = choice->target, .on_event = tell_cache_problem, .user = &told};
  int code = CLI_FAILED;
  const bool opened = open_devices(choice, devices);
  if (opened && fi_ctx_create(&context_options, &ctx))
    complain("%s", fi_last_error());
  else if (opened)
    code = run_on(devices, ctx, choice, models, trace);
  fi_ctx_destroy(ctx);
  for (uint32_t i = 0; i < MOST_DEVICES; i++)
    device_close(&devices[i]);
  return code;
}

static int run_requests(const struct choice *choice) {
  struct trace trace;
  int code = read_lengths(choice, &trace);
  if (code != CLI_OK)
    return code;
  struct models models;
  code = load_models(choice, &models) ? check_layers(choice->layers, models.part) : CLI_FAILED;
  if (code == CLI_OK)
    code = run_model(choice, &models, &trace);
  free_models(&models);
  trace_free(&trace);
  return code;
}

/* ------------------------------------------------------------------------------------------------ options */

/* An option with a plain value; false when code is none of these. */
static bool take_text(struct choice *choice, int code, const char *text) {
  const struct {
    int code;
    const char **text;
  } texts[] = {
      {OPTION_TRACE, &choice->trace},
      {OPTION_LENGTHS, &choice->lengths},
      {OPTION_LAYERS, &choice->layers},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    if (texts[i].code == code) {
      *texts[i].text = text;
      return true;
    }
  }
  return false;
}

/* "--requests" and so on. */
static const char *option_name(int code) {
  static char name[32];
  for (const struct cli_option *row = options; row->name; row++) {
    if (row->code == code)
      snprintf(name, sizeof name, "--%s", row->name);
  }
  return name;
}

/* An option with a number; false after a complaint. */
static bool take_number(struct choice *choice, int code, const char *text) {
  const struct {
    int code;
    uint64_t minimum;
    uint64_t maximum;
    uint64_t *number;
  } numbers[] = {
      {OPTION_REQUESTS, 1, 65536, &choice->requests},
      {OPTION_SCALE, 1, MOST_LENGTH, &choice->scale},
      {OPTION_LIMIT, 1, MOST_LENGTH, &choice->limit},
      {OPTION_DEVICES, 1, MOST_DEVICES, &choice->devices},
      {OPTION_REPEAT, 1, 10000, &choice->repeat},
      {OPTION_MAX_TOKENS, EXTEND_TOKENS, MOST_LENGTH, &choice->max_tokens},
      {OPTION_MAX_REQUESTS, 1, 65536, &choice->max_requests},
      {OPTION_SEED, 0, UINT64_MAX, &choice->seed},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (numbers[i].code == code)
      return option_number("run", option_name(code), text, numbers[i].minimum, numbers[i].maximum, numbers[i].number);
  }
  return false;
}

static bool take_option(void *user, int code, char *text) {
  struct choice *choice = user;
  switch (code) {
  case OPTION_CONTEXT_PARALLEL:
    choice->by_tokens = true;
    return true;
  case OPTION_VERIFY:
    choice->verify = true;
    return true;
  case OPTION_JSON:
    choice->json = true;
    return true;
  case OPTION_SOURCE:
    source_file_use(choice->source = text);
    return true;
  case OPTION_TARGET:
    choice->target = text;
    return option_target("run", text);
  default:
    if (code < OPTIONS_OF_MODEL)
      return model_option("run", code, text, &choice->model);
    return take_text(choice, code, text) || take_number(choice, code, text);
  }
}

static int run(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.requests = 8, .devices = 1, .repeat = 5, .seed = 1, .max_tokens = 16384, .max_requests = 64};
  int first;
  model_options_init(&choice.model);
  const int code = cli_parse(command, argc, argv, take_option, &choice, &first);
  if (code >= 0)
    return code;
  if (first < argc)
    return usage_error("run", "unexpected argument \"%s\"", argv[first]);
  if (!choice.model.model.path)
    return usage_error("run", "--model is missing");
  if (choice.trace && choice.lengths)
    return usage_error("run", "give either --trace or --lengths");
  if (choice.verify && choice.model.snippet.hash)
    return usage_error("run", "give either --verify or --snippet: the reference knows nothing of the text");
  if (choice.by_tokens && choice.devices == 1)
    return usage_error("run", "--context-parallel needs --devices");
  if (!choice.by_tokens && choice.devices > 1 && choice.model.model.devices > 1 &&
      choice.model.model.devices != choice.devices)
    return usage_error("run", "--tp is %u and --devices %u: all devices that share the heads are needed",
                       choice.model.model.devices, (uint32_t)choice.devices);
  if (choice.devices > 1 && !choice.by_tokens)
    choice.model.model.devices = (uint32_t)choice.devices;
  return run_requests(&choice);
}

const struct cli_command run_command = {
    .name = "run",
    .summary = "run a model's attention layers on a batch of requests, and verify the results",
    .arguments = "--model CONFIG.json [options]",
    .about = "Takes each kind of attention layer of a model through requests as a server does, in steps of bounded\n"
             "size: prompts in chunks, a few tokens at once, single tokens; appending to a cache with pages in\n"
             "random order, and making lists with the indexers of models that have such. Prints one row a kernel.\n"
             "Exits with 1 when an output is wrong or nothing can be run.",
    .options = options,
    .more_options = model_option_rows,
    .more_title = model_option_title,
    .run = run,
};
