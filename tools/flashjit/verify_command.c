/* flashjit verify: kernels of the cache, or given ones, against the reference on this device. */
#include "tools/flashjit/bench_document.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/kernel_trial.h"
#include "tools/flashjit/machine.h"
#include "tools/flashjit/options.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/redact.h"
#include "tools/flashjit/report.h"
#include "tools/flashjit/source_file.h"
#include "tools/flashjit/spec_words.h"
#include "tools/flashjit/table.h"
#include "tools/flashjit/verify_kernels.h"
#include "tools/flashjit/whole_file.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { OPTION_SPECS = 1, OPTION_TARGET, OPTION_SEED, OPTION_REPORT, OPTION_BENCH, OPTION_JSON };

struct choice {
  const char *specs;
  const char *target;
  const char *report;
  const char *bench;
  uint64_t seed;
  bool json;
};

/* ------------------------------------------------------------------------------------------------ document */

/* A run ends at the first wrong element, before the norm is known. */
static bool has_error(const struct job_finding *finding) {
  return isfinite(finding->error) && (!finding->wrong || finding->error > finding->allowed);
}

static void add_finding(json_t *object, const struct verified_kernel *kernel) {
  const struct job_finding *finding = &kernel->result.finding;
  const fi_facts *facts = &kernel->result.facts;
  json_object_update_new(object, json_pack("{s:s, s:s, s:s, s:I, s:I}", "key", facts->key, "toolchain",
                                           facts->toolchain, "from", layer_name(facts->layer), "registers",
                                           (json_int_t)facts->registers, "choice", (json_int_t)facts->choice));
  json_object_update_new(object, json_pack("{s:I, s:o, s:f, s:s}", "rows", (json_int_t)finding->rows, "error",
                                           has_error(finding) ? json_real(finding->error) : json_null(), "allowed",
                                           finding->allowed, "error_unit", kernel_trial_unit(&kernel->runs)));
}

static json_t *kernel_json(const struct verified_kernel *kernel) {
  const enum verify_state state = verify_state_of(kernel);
  char why[sizeof kernel->result.message];
  redact(verify_why(kernel), why, sizeof why);
  json_t *object = json_pack("{s:s, s:b, s:s}", "spec", kernel->text, "edited", source_file_is_of(kernel->text),
                             "result", verify_state_name(state));
  if (state == VERIFY_RIGHT || state == VERIFY_WRONG)
    add_finding(object, kernel);
  if (state == VERIFY_FAILED)
    json_object_set_new(object, "status", json_string(fi_status_name(kernel->result.status)));
  if (kernel->has_ended && state != VERIFY_SKIPPED)
    json_object_set_new(object, "seconds", json_real(kernel->result.seconds));
  if (state != VERIFY_RIGHT)
    json_object_set_new(object, "why", json_string(why));
  return object;
}

static void count_states(const struct verification *verification, size_t counts[VERIFY_STATES]) {
  memset(counts, 0, VERIFY_STATES * sizeof *counts);
  for (size_t i = 0; i < verification->count; i++)
    counts[verify_state_of(&verification->kernels[i])]++;
}

static json_t *document_of(const struct verification *verification, const struct machine *machine) {
  json_t *document = machine_json(machine);
  json_t *kernels = json_array();
  json_t *states = json_object();
  size_t counts[VERIFY_STATES];
  count_states(verification, counts);
  for (enum verify_state state = 0; state < VERIFY_STATES; state++)
    json_object_set_new(states, verify_state_name(state), json_integer((json_int_t)counts[state]));
  for (size_t i = 0; i < verification->count; i++)
    json_array_append_new(kernels, kernel_json(&verification->kernels[i]));
  json_object_update_new(document, json_pack("{s:I, s:I, s:b, s:o, s:o}", "seed", (json_int_t)verification->seed,
                                             "other_targets", (json_int_t)verification->other_targets, "partial",
                                             verification->is_partial, "counts", states, "kernels", kernels));
  return document;
}

/* ------------------------------------------------------------------------------------------------ text */

static bool was_run(const json_t *row) {
  return json_object_get(row, "rows");
}

static void rows_cell(const json_t *row, char *text, size_t size) {
  snprintf(text, size, was_run(row) ? "%.0f" : "-", json_number_value(json_object_get(row, "rows")));
}

/* A right append kernel may be off by no more than 1 half step, another by a small norm. */
static void number_cell(const json_t *row, const char *key, char *text, size_t size) {
  const json_t *number = json_object_get(row, key);
  const char *unit = json_string_value(json_object_get(row, "error_unit"));
  if (!json_is_number(number))
    snprintf(text, size, "-");
  else if (strcmp(unit, "relative norm") == 0)
    snprintf(text, size, "%.1e", json_number_value(number));
  else
    snprintf(text, size, "%.2f steps", json_number_value(number));
}

static void error_cell(const json_t *row, char *text, size_t size) {
  number_cell(row, "error", text, size);
}

static void allowed_cell(const json_t *row, char *text, size_t size) {
  number_cell(row, "allowed", text, size);
}

static void from_cell(const json_t *row, char *text, size_t size) {
  const char *from = json_string_value(json_object_get(row, "from"));
  snprintf(text, size, "%s%s", json_is_true(json_object_get(row, "edited")) ? "edited, " : "", from ? from : "-");
}

static void print_text(const struct verification *verification, const struct machine *machine, const json_t *document) {
  static const struct table_column columns[] = {
      {"spec", "spec", false, NULL},     {"from", NULL, false, from_cell},      {"rows", NULL, true, rows_cell},
      {"error", NULL, true, error_cell}, {"allowed", NULL, true, allowed_cell}, {"result", "result", false, NULL},
  };
  size_t counts[VERIFY_STATES];
  count_states(verification, counts);
  printf("%s on %s\n", verification->target, machine->device);
  table_print(stdout, json_object_get(document, "kernels"), columns, sizeof columns / sizeof *columns);
  printf("%zu kernels: %zu right, %zu wrong, %zu failed, %zu skipped", verification->count, counts[VERIFY_RIGHT],
         counts[VERIFY_WRONG], counts[VERIFY_FAILED], counts[VERIFY_SKIPPED]);
  if (counts[VERIFY_NOT_RUN])
    printf(", %zu not run", counts[VERIFY_NOT_RUN]);
  putchar('\n');
}

/* ------------------------------------------------------------------------------------------------ verify */

static bool write_report(const char *path, FILE *file, json_t *document) {
  const bool is_written = document_write(file, "flashjit.verify", json_incref(document));
  if (fclose(file) == 0 && is_written)
    return true;
  complain("--report %s: %s", path, strerror(errno));
  return false;
}

/* Right is what was verified to its end, and only when something was, and all that is there. */
static int result_of(const struct verification *verification) {
  size_t counts[VERIFY_STATES];
  count_states(verification, counts);
  if (verification->count == 0)
    complain("there is no kernel for %s in the cache, %zu for other targets", verification->target,
             verification->other_targets);
  const size_t bad = counts[VERIFY_WRONG] + counts[VERIFY_FAILED] + counts[VERIFY_NOT_RUN];
  return counts[VERIFY_RIGHT] && !bad && !verification->is_partial ? CLI_OK : CLI_FAILED;
}

/* The document, with what bench has written; takes the reference to that, which may be NULL. */
static json_t *whole_document(const struct verification *verification, const struct machine *machine, json_t *bench) {
  json_t *document = document_of(verification, machine);
  const char *device = json_string_value(json_object_get(bench, "device"));
  if (device && strcmp(device, machine->device) != 0)
    fprintf(stderr, "# what bench has written is of another device: %s\n", device);
  if (bench)
    json_object_set_new(document, "bench", bench);
  return document;
}

static int verify(struct verification *verification, const struct machine *machine, const struct choice *choice,
                  json_t *bench) {
  const bool takes = !choice->report || output_file_check(choice->report);
  FILE *report = takes && choice->report ? fopen(choice->report, "w") : NULL; /* before the work, not after it */
  if (takes && choice->report && !report)
    complain("--report %s: %s", choice->report, strerror(errno));
  if (choice->report && !report) {
    json_decref(bench);
    return CLI_FAILED;
  }
  const int signal_number = verify_run(verification);
  json_t *document = whole_document(verification, machine, bench);
  int code = result_of(verification);
  if (report && !write_report(choice->report, report, document))
    code = CLI_FAILED;
  if (choice->json)
    document_print("flashjit.verify", json_incref(document));
  else if (verification->count)
    print_text(verification, machine, document);
  json_decref(document);
  return signal_number ? 128 + signal_number : code;
}

static int add_specs(struct verification *verification, const struct choice *choice, const fi_spec *spec) {
  struct spec_list list = {0};
  const struct spec_list one = {.specs = (fi_spec *)spec, .count = 1};
  int code = choice->specs ? spec_list_file(&list, choice->specs) : CLI_OK;
  if (code == CLI_OK)
    code = verify_add_specs(verification, choice->specs ? &list : &one);
  spec_list_free(&list);
  return code;
}

static int verify_on_machine(const struct choice *choice, fi_spec *spec) {
  const bool is_given = choice->specs || spec;
  struct machine machine;
  json_t *bench = choice->bench ? bench_document_read(choice->bench) : NULL;
  if (choice->bench && !bench)
    complain("--bench %s", problem_last());
  int code = choice->bench && !bench ? CLI_FAILED : machine_read(&machine, choice->target);
  if (code != CLI_OK) {
    json_decref(bench);
    return code;
  }
  struct verification verification = {
      .target = machine.target, .mode = is_given ? FI_MODE_ON : FI_MODE_LOAD_ONLY, .seed = choice->seed};
  code = is_given ? add_specs(&verification, choice, spec) : verify_add_cached(&verification);
  if (code == CLI_OK)
    code = verify(&verification, &machine, choice, bench);
  else
    json_decref(bench);
  verify_free(&verification);
  return code;
}

/* ------------------------------------------------------------------------------------------------ options */

static bool take_option(void *user, int code, char *text) {
  struct choice *choice = user;
  switch (code) {
  case OPTION_SPECS:
    choice->specs = text;
    return true;
  case OPTION_TARGET:
    choice->target = text;
    return option_target("verify", text);
  case OPTION_SEED:
    return option_number("verify", "--seed", text, 0, INT64_MAX, &choice->seed);
  case OPTION_BENCH:
    choice->bench = text;
    return true;
  case OPTION_REPORT:
    choice->report = text;
    return true;
  default:
    choice->json = true;
    return true;
  }
}

static int run(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.seed = 1};
  char text[FI_SPEC_TEXT_SIZE];
  fi_spec spec;
  int first;
  int code = cli_parse(command, argc, argv, take_option, &choice, &first);
  if (code >= 0)
    return code;
  const bool has_words = first < argc;
  if (has_words && choice.specs)
    return usage_error(command->name, "give either a spec or --specs");
  if (has_words)
    code = spec_words(command->name, argc - first, argv + first, text, &spec);
  return has_words && code != CLI_OK ? code : verify_on_machine(&choice, has_words ? &spec : NULL);
}

static const struct cli_option options[] = {
    {"specs", 0, "FILE",
     "these kernels, one spec a line, in place of what is cached; - for standard input.\n"
     "What is not cached is compiled",
     OPTION_SPECS},
    {"target", 0, "TARGET", "such as sm_80; default: that of the device", OPTION_TARGET},
    {"seed", 0, "N", "of all random data; default: 1", OPTION_SEED},
    {"report", 0, "FILE",
     "writes what --json prints to a file too, which can be sent: it names device, driver,\n"
     "compiler and kernels, and no person, host or path",
     OPTION_REPORT},
    {"bench", 0, "FILE", "adds the times that 'flashjit bench -o json --out FILE' has written", OPTION_BENCH},
    {"json", 0, NULL, "print JSON", OPTION_JSON},
    {0},
};

const struct cli_command verify_command = {
    .name = "verify",
    .summary = "hold cached kernels against a reference, on this device",
    .arguments = "[options]\nSPEC [options]\n--specs FILE [options]",
    .about = "Runs each kernel of the cache, of bundles and of read-only folders that is for this device on random\n"
             "batches, of requests of every kind, and holds what it computes against a double-precision\n"
             "reference. Compiles nothing unless specs are given. A plan kernel is verified by a kernel that\n"
             "takes its plans; what has a snippet, or is of another version of the library, is skipped.\n"
             "Exits with 1 when a kernel is wrong or cannot be run, none is right, or a part of what is cached\n"
             "cannot be read; with 128 and the signal's number when one stops it: the rest is not_run.",
    .options = options,
    .run = run,
};
