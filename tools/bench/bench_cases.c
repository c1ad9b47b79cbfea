/* The cases of a model, a spec, a file, or the thirty. */
#include "tools/bench/bench_choice.h"

#include "tools/flashjit/cli.h"
#include "tools/flashjit/describe.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/spec_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BATCHES = 64 };

static const char usual_batches[] = "1q1s1k,16q1s4k,64q1s4k,1q4k";

struct batches {
  struct bench_batch batches[MOST_BATCHES];
  size_t count;
};

static void free_batches(struct batches *batches) {
  for (size_t i = 0; i < batches->count; i++)
    bench_batch_free(&batches->batches[i]);
}

/* ------------------------------------------------------------------------------------------------ batches */

static int parse_batches(const char *text, struct batches *batches) {
  for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    char one[BATCH_TEXT_SIZE];
    const size_t length = strcspn(at, ",");
    if (length >= sizeof one)
      return usage_error("bench", "--batch: a batch is longer than %zu characters", sizeof one - 1);
    if (batches->count == MOST_BATCHES)
      return usage_error("bench", "--batch: more than %d batches", MOST_BATCHES);
    snprintf(one, sizeof one, "%.*s", (int)length, at);
    if (!bench_batch_parse(&batches->batches[batches->count], one))
      return usage_error("bench", "--batch: %s", problem_last());
    batches->count++;
  }
  return CLI_OK;
}

static int read_trace(const struct bench_choice *choice, struct batches *batches) {
  struct trace trace;
  if (!trace_read(&trace, choice->trace, (size_t)choice->requests)) {
    complain("%s", problem_last());
    return CLI_FAILED;
  }
  const bool made = bench_batch_of_trace(&batches->batches[batches->count], &trace, choice->trace);
  trace_free(&trace);
  if (made)
    batches->count++;
  else
    complain("%s", problem_last());
  return made ? CLI_OK : CLI_FAILED;
}

static int make_batches(const struct bench_choice *choice, struct batches *batches) {
  *batches = (struct batches){.count = 0};
  const char *text = choice->batches ? choice->batches : choice->trace ? NULL : usual_batches;
  int code = choice->trace ? read_trace(choice, batches) : CLI_OK;
  if (code == CLI_OK && text)
    code = parse_batches(text, batches);
  return code;
}

/* ------------------------------------------------------------------------------------------------ cases */

static bool add_case(struct case_list *list, const fi_spec *spec, const char *layer, uint64_t heads,
                     const uint32_t counts[BENCH_COUNTS], const struct bench_batch *batch) {
  struct bench_case what;
  if (!bench_case_make(&what, spec, (uint32_t)heads, batch))
    return false;
  if (!bench_case_list(&what, counts)) {
    bench_batch_free(&what.batch);
    return false;
  }
  snprintf(what.layer, sizeof what.layer, "%s", layer);
  return case_list_add(list, &what);
}

static enum role role_of(const struct bench_batch *batch) {
  const uint32_t tokens = bench_batch_most_q(batch);
  return tokens == 1 ? ROLE_DECODE : tokens <= EXTEND_TOKENS ? ROLE_EXTEND : ROLE_PREFILL;
}

static uint32_t least(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}

/* Of a model's layer, lists no longer than a request has blocks or entries; what is in them anyway is its indexer's. */
static void count_lists(const struct selection *selection, enum role role, const struct bench_batch *batch,
                        uint32_t counts[BENCH_COUNTS]) {
  const uint32_t most = bench_batch_most_kv(batch);
  if (selection->block == 0)
    return;
  const uint32_t entries = selection->ratio > 0 ? most / selection->ratio : most / selection->block;
  const uint32_t blocks = entries > 0 ? entries : 1;
  const uint32_t listed = selection->entries > 0 ? least(selection->entries, blocks) : blocks;
  const uint32_t first = role == ROLE_INDEXER ? least(selection->first_blocks, listed) : 0;
  const uint32_t last = role == ROLE_INDEXER ? least(selection->last_blocks, listed - first) : 0;
  const uint32_t of[BENCH_COUNTS] = {listed, selection->ratio, first, last};
  memcpy(counts, of, sizeof of);
}

/* What bench lacks the inputs of is told and left out. An indexer has one head of keys. */
static void add_role(const struct bench_choice *choice, const struct model_layer *layer, enum role role,
                     const struct bench_batch *batch, struct case_list *list) {
  uint32_t counts[BENCH_COUNTS] = {0};
  fi_spec spec;
  if (!layer_has_role(layer, role))
    return;
  count_lists(&layer->layer.selection, role, batch, counts);
  const uint32_t heads = role == ROLE_INDEXER ? 1 : layer->kv_heads;
  const bool has_kernel = role_spec(layer, choice->model.page_size, role, NULL, &spec) == FI_OK;
  if (!has_kernel || !add_case(list, &spec, layer->kind, heads, counts, batch))
    complain("%s, %s: %s", layer->kind, batch->text, has_kernel ? problem_last() : fi_last_error());
}

static void add_layer(const struct bench_choice *choice, const struct model_layer *layer, const struct batches *batches,
                      struct case_list *list) {
  const bool has_indexer = layer_indexer_supported(layer, choice->model.page_size, NULL);
  for (size_t i = 0; i < batches->count; i++) {
    const struct bench_batch *batch = &batches->batches[i];
    add_role(choice, layer, role_of(batch), batch, list);
    if (has_indexer)
      add_role(choice, layer, ROLE_INDEXER, batch, list);
  }
}

static int add_model(const struct bench_choice *choice, const struct batches *batches, struct case_list *list) {
  struct model *model = model_load(&choice->model);
  for (uint32_t i = 0; model && i < model->kinds; i++) {
    if (describe_layer(model, &model->layers[i], choice->model.page_size, NULL))
      add_layer(choice, &model->layers[i], batches, list);
  }
  if (model && list->count == 0)
    complain("%s: no kind of layer can be timed", choice->model.model.path);
  free(model);
  return list->count > 0 ? CLI_OK : CLI_FAILED;
}

static int add_spec(const struct bench_choice *choice, const struct batches *batches, struct case_list *list) {
  char text[FI_SPEC_TEXT_SIZE];
  fi_spec spec;
  const int code = spec_words("bench", choice->word_count, choice->words, text, &spec);
  if (code != CLI_OK)
    return code;
  if (fi_spec_supported(&spec, NULL))
    return usage_error("bench", "%s", fi_last_error());
  uint32_t counts[BENCH_COUNTS];
  for (size_t i = 0; i < BENCH_COUNTS; i++)
    counts[i] = (uint32_t)choice->counts[i];
  for (size_t i = 0; i < batches->count; i++) {
    if (!add_case(list, &spec, "", choice->heads, counts, &batches->batches[i]))
      return usage_error("bench", "%s", problem_last());
  }
  return CLI_OK;
}

static int add_by_batches(const struct bench_choice *choice, struct case_list *list) {
  struct batches batches;
  int code = make_batches(choice, &batches);
  if (code == CLI_OK)
    code = choice->word_count > 0 ? add_spec(choice, &batches, list) : add_model(choice, &batches, list);
  free_batches(&batches);
  return code;
}

int bench_cases(const struct bench_choice *choice, struct case_list *list) {
  *list = (struct case_list){0};
  if (choice->word_count > 0 || choice->model.model.path)
    return add_by_batches(choice, list);
  if (choice->cases ? case_list_file(list, choice->cases) : case_list_default(list))
    return CLI_OK;
  complain("%s", problem_last());
  return CLI_FAILED;
}
