/* flashjit bench: its options. */
#include "tools/bench/bench_choice.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/source_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
  OPTION_HEADS = OPTIONS_OF_MODEL,
  OPTION_LISTED, /* in the order of bench_counts */
  OPTION_RATIO,
  OPTION_FIRST,
  OPTION_LAST,
  OPTION_BATCH,
  OPTION_TRACE,
  OPTION_REQUESTS,
  OPTION_CASES,
  OPTION_OUTPUT,
  OPTION_OUT,
  OPTION_BASELINE,
  OPTION_TOLERANCE,
  OPTION_PEERS,
  OPTION_PEERS_FROM,
  OPTION_PYTHON,
  OPTION_PLOT,
  OPTION_QUALITY,
  OPTION_REPEAT,
  OPTION_SEED,
  OPTION_SOURCE,
  OPTION_WHOLE
};

static const struct cli_option options[] = {
    {"batch", 0, "BATCH,...",
     "each [COUNT]qTOKENS[sTOKENS[pTOKENS]], joined by _: 8q1s1k, 2q2k_32q1s1k; k is 1024, s the KV, p shared of it",
     OPTION_BATCH},
    {"heads", 0, "N", "KV heads of a spec; default: 8", OPTION_HEADS},
    {"listed", 0, "N", "blocks that each query token lists, of a spec with select or an indexer", OPTION_LISTED},
    {"ratio", 0, "N",
     "tokens to an entry of the second KV, of a spec with second, default: 4; or to a key of an\nindexer",
     OPTION_RATIO},
    {"first", 0, "N", "first blocks that are in each list of an indexer anyway", OPTION_FIRST},
    {"last", 0, "N", "last blocks of those that a query token sees, likewise", OPTION_LAST},
    {"trace", 0, "FILE", "decoding of a trace's requests: Azure's CSV or Mooncake's JSON lines; - for\nstandard input",
     OPTION_TRACE},
    {"requests", 0, "N", "how many of the trace; default: 64", OPTION_REQUESTS},
    {"cases", 0, "FILE",
     "a case a line: SPEC heads=N [listed=N] [ratio=N] [first=N] [last=N] batch=BATCH;\n- for standard input",
     OPTION_CASES},
    {"output", 'o', "FORMAT", "md, csv, json or jsonl; default: md", OPTION_OUTPUT},
    {"out", 0, "FILE", "where it goes; default: standard output", OPTION_OUT},
    {"baseline", 0, "FILE",
     "json or jsonl of an earlier run: exits with 1 when a row is slower than there, or none is\nthere",
     OPTION_BASELINE},
    {"tolerance", 0, "PERCENT", "what does not count as slower; default: 5", OPTION_TOLERANCE},
    {"peers", 0, "NAME,...",
     "all, fa3, flashinfer, flashinfer_cascade, flashmla, sdpa, sdpa_cudnn, flex, vllm_triton,\n"
     "paged_attention_v1, paged_attention_v2, in turn with this library in one Python process;\n"
     "absent ones are told",
     OPTION_PEERS},
    {"peers-from", 0, "FOLDER", "more peers: files NAME.py with available, supports, prepare and run",
     OPTION_PEERS_FROM},
    {"python", 0, "PROGRAM", "with torch and the package flashjit; default: python3", OPTION_PYTHON},
    {"plot", 0, "FILE.svg", "a picture: the roofline, and bars against peers", OPTION_PLOT},
    {"repeat", 0, "N", "timed replays of each case; default: 31", OPTION_REPEAT},
    {"seed", 0, "N", "of all random data; default: 1", OPTION_SEED},
    {"source", 0, "FILE", SOURCE_FILE_HELP, OPTION_SOURCE},
    {"quality", 0, NULL, "in place of times the errors that quantising KV makes, on random K and on K with outliers",
     OPTION_QUALITY},
    {"whole", 0, NULL, "on the simulator, too, batches as they are", OPTION_WHOLE},
    {0},
};

/* An option with a plain value; false when code is none of these. */
static bool take_text(struct bench_choice *choice, int code, const char *text) {
  const struct {
    int code;
    const char **text;
  } texts[] = {
      {OPTION_BATCH, &choice->batches}, {OPTION_TRACE, &choice->trace},           {OPTION_CASES, &choice->cases},
      {OPTION_OUT, &choice->out},       {OPTION_BASELINE, &choice->baseline},     {OPTION_PLOT, &choice->plot},
      {OPTION_PEERS, &choice->peers},   {OPTION_PEERS_FROM, &choice->peers_from}, {OPTION_PYTHON, &choice->python},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    if (texts[i].code == code) {
      *texts[i].text = text;
      return true;
    }
  }
  return false;
}

/* An option with a number; false after a complaint. */
static bool take_number(struct bench_choice *choice, int code, const char *text) {
  const struct {
    int code;
    const char *name;
    uint64_t minimum;
    uint64_t maximum;
    uint64_t *number;
  } numbers[] = {
      {OPTION_HEADS, "--heads", 1, 1024, &choice->heads},
      {OPTION_REQUESTS, "--requests", 1, 65536, &choice->requests},
      {OPTION_TOLERANCE, "--tolerance", 0, 1000, &choice->tolerance},
      {OPTION_REPEAT, "--repeat", 1, 10000, &choice->repeat},
      {OPTION_SEED, "--seed", 0, UINT64_MAX, &choice->seed},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (numbers[i].code == code)
      return option_number("bench", numbers[i].name, text, numbers[i].minimum, numbers[i].maximum, numbers[i].number);
  }
  return false;
}

/* One of the numbers of a case; false after a complaint, or when code is none of these. */
static bool take_count(struct bench_choice *choice, int code, const char *text) {
  char name[16];
  const int number = code - OPTION_LISTED;
  if (number < 0 || number >= BENCH_COUNTS)
    return false;
  snprintf(name, sizeof name, "--%s", bench_counts[number].name);
  return option_number("bench", name, text, 1, bench_counts[number].most, &choice->counts[number]);
}

static bool take_format(struct bench_choice *choice, const char *text) {
  const bool is_format = bench_format_find(text, &choice->format);
  if (!is_format)
    usage_error("bench", "-o is \"%s\"; allowed are md, csv, json and jsonl", text);
  return is_format;
}

static bool take_option(void *user, int code, char *text) {
  struct bench_choice *choice = user;
  switch (code) {
  case OPTION_OUTPUT:
    return take_format(choice, text);
  case OPTION_SOURCE:
    source_file_use(choice->source = text);
    return true;
  case OPTION_QUALITY:
    choice->quality = true;
    return true;
  case OPTION_WHOLE:
    choice->whole = true;
    return true;
  default:
    if (code < OPTIONS_OF_MODEL)
      return model_option("bench", code, text, &choice->model);
    return take_text(choice, code, text) || take_number(choice, code, text) || take_count(choice, code, text);
  }
}

/* What does not go together. */
static int check(const struct bench_choice *choice) {
  const bool has_model = choice->model.model.path;
  const bool has_spec = choice->word_count > 0;
  if (choice->quality && (has_model || has_spec || choice->cases || choice->baseline || choice->plot))
    return usage_error("bench", "--quality goes with -o, --out and --seed alone");
  if (has_model + has_spec + (choice->cases ? 1 : 0) > 1)
    return usage_error("bench", "give a SPEC, --model or --cases");
  if ((choice->batches || choice->trace) && !has_model && !has_spec)
    return usage_error("bench", "%s goes with a SPEC or --model", choice->batches ? "--batch" : "--trace");
  for (size_t i = 0; i < BENCH_COUNTS; i++)
    if (choice->counts[i] && !has_spec)
      return usage_error("bench", "--%s goes with a SPEC", bench_counts[i].name);
  if (choice->peers_from && !choice->peers)
    return usage_error("bench", "--peers-from goes with --peers");
  struct stat folder;
  if (choice->peers_from && (stat(choice->peers_from, &folder) != 0 || !S_ISDIR(folder.st_mode)))
    return usage_error("bench", "--peers-from %s: not a folder", choice->peers_from);
  if (choice->model.snippet.hash)
    return usage_error("bench", "--snippet: the reference knows nothing of the text");
  return CLI_OK;
}

static int check_source(const char *path, const struct case_list *list) {
  char *text = source_file_text();
  if (!text)
    return CLI_FAILED;
  free(text);
  for (size_t i = 0; i < list->count; i++)
    if (source_file_is_of(list->cases[i].spec_text))
      return CLI_OK;
  return usage_error("bench", "--source %s: no case has the spec that its first line names", path);
}

static int run(const struct cli_command *command, int argc, char **argv) {
  struct bench_choice choice = {
      .heads = 8, .requests = 64, .repeat = BENCH_REPEAT, .seed = BENCH_SEED, .tolerance = 5, .python = BENCH_PYTHON};
  struct case_list list;
  int first;
  model_options_init(&choice.model);
  int code = cli_parse(command, argc, argv, take_option, &choice, &first);
  if (code >= 0)
    return code;
  choice.words = argv + first;
  choice.word_count = argc - first;
  code = check(&choice);
  if (code != CLI_OK)
    return code;
  if (choice.quality)
    return bench_quality_run(&choice);
  code = bench_cases(&choice, &list);
  if (code == CLI_OK && choice.source)
    code = check_source(choice.source, &list);
  if (code == CLI_OK)
    code = bench_run(&choice, &list);
  case_list_free(&list);
  return code;
}

const struct cli_command bench_command = {
    .name = "bench",
    .summary = "time attention and indexers, and compare them",
    .arguments = "SPEC [--batch BATCH,...] [options]\n--model CONFIG.json [options]\n[--cases FILE] "
                 "[options]\n--quality [options]",
    .about = "Times a spec, or the attention layers of a model and their indexers, on batches: replays of a graph of\n"
             "launches on inputs that are not in the cache; the plan, made once a step, by itself. Every output is\n"
             "checked. Without a spec, a model and cases thirty cases fill a table.",
    .options = options,
    .more_options = model_option_rows,
    .more_title = model_option_title,
    .run = run,
};
