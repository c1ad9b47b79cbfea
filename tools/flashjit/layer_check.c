/* The outputs of a step, rows of them when there are many, against the double-precision reference. */
#include "tools/flashjit/cli.h"
#include "tools/flashjit/layer_state.h"
#include "tools/flashjit/verify_lists.h"

#include "tests/dtypes.h"

#include <stdio.h>
#include <stdlib.h>

/* Multiplications of the reference: in all steps together half a minute or so, and what one may take. */
static const double whole_budget = 4e10;
static const double most_budget = 8e9;
static const double least_budget = 1e8;

static double budget_of(const struct schedule *schedule) {
  const double share = whole_budget / (double)schedule->step_count;
  return share > most_budget ? most_budget : share < least_budget ? least_budget : share;
}

/* ------------------------------------------------------------------------------------------------ requests */

static uint32_t request_in(const struct layer_run *run, const struct step *step, uint32_t slot) {
  const struct piece *pieces = &run->settings->schedule->pieces[step->first];
  uint32_t i = 0;
  while (i + 1 < step->pieces && pieces[i].slot != slot)
    i++;
  return pieces[i].request;
}

/* The row of a piece's first query token. */
static uint32_t first_row(const struct layer_run *run, const struct piece *piece) {
  return (uint32_t)((const int32_t *)run->batch.buffers[BUFFER_Q_INDPTR].host)[piece->slot];
}

static bool has_token(const struct piece *piece, uint32_t token) {
  return token >= piece->begin && token < piece->end;
}

/* The query token of a step that is a token of a request of the trace: its row; false where it is of another step. */
static bool find_row(const struct layer_run *run, const struct step *step, uint32_t request, uint32_t token,
                     uint32_t *row) {
  const struct piece *pieces = &run->settings->schedule->pieces[step->first];
  uint32_t i = 0;
  while (i < step->pieces && (pieces[i].request != request || !has_token(&pieces[i], token)))
    i++;
  if (i == step->pieces)
    return false;
  *row = first_row(run, &pieces[i]) + token - pieces[i].begin;
  return true;
}

/* The other way: the piece that a row of the step belongs to, and its token in the KV of that request. */
static const struct piece *piece_of(const struct layer_run *run, const struct step *step, uint32_t row,
                                    uint32_t *token) {
  const struct piece *piece = &run->settings->schedule->pieces[step->first];
  for (uint32_t i = 0;; i++, piece++) {
    *token = piece->begin + row - first_row(run, piece);
    if (i + 1 == step->pieces || has_token(piece, *token))
      return piece;
  }
}

/* What a variable names must be there; else the run fails. */
static bool is_there(const char *variable, const char *what, uint32_t number, uint32_t count) {
  if (number < count)
    return true;
  complain("%s names %s %u, where there are %u", variable, what, number, count);
  return false;
}

/*
 * FLASHJIT_CLI_CORRUPT=request:token:dim damages that element of the output of head 0, when a step computes it, so
 * that a test can see a wrong output being found.
 */
static bool corrupt(const struct layer_run *run, const struct step *step, const struct reference *reference) {
  static const char variable[] = "FLASHJIT_CLI_CORRUPT";
  const char *where = getenv(variable);
  uint32_t request, token, dim, row;
  if (!where || sscanf(where, "%8u:%8u:%8u", &request, &token, &dim) != 3 || !find_row(run, step, request, token, &row))
    return true;
  if (!is_there(variable, "dim", dim, reference->spec.v_dim))
    return false;
  const size_t element = (size_t)reference_o_offset(reference, row, 0) + dim;
  uint16_t *o = run->batch.buffers[BUFFER_O].host;
  o[element] ^= 0x4000; /* the highest bit of the exponent */
  return true;
}

/* FLASHJIT_CLI_CORRUPT_LIST=request:token:entry:block writes a block into the first list of a query token, likewise. */
static bool corrupt_list(const struct layer_run *run, const struct step *step) {
  static const char variable[] = "FLASHJIT_CLI_CORRUPT_LIST";
  const char *where = getenv(variable);
  uint32_t request, token, entry, row;
  int block;
  if (!where || sscanf(where, "%8u:%8u:%8u:%8d", &request, &token, &entry, &block) != 4 ||
      !find_row(run, step, request, token, &row))
    return true;
  if (!is_there(variable, "entry", entry, run->batch.listing.entries))
    return false;
  const size_t first = row * batch_row_bytes(&run->batch, BUFFER_SELECTED) / sizeof(int32_t);
  ((int32_t *)run->batch.buffers[BUFFER_SELECTED].host)[first + entry] = block;
  return true;
}

/* ------------------------------------------------------------------------------------------------ a step */

static void add_verdict(struct report *report, const struct verdict *verdict, bool passed) {
  report->verified = true;
  report->passed = report->passed && passed;
  measure_merge(&report->verdict.measure, &verdict->measure);
  report->verdict.rows += verdict->rows;
  report->verdict.steps = verdict->steps > report->verdict.steps ? verdict->steps : report->verdict.steps;
}

static bool accept(struct layer_run *run, enum role role, const struct step *step, const struct verdict *verdict,
                   bool passed) {
  struct report *report = &run->reports[role];
  const struct mismatch *first = &verdict->first;
  const size_t number = (size_t)(step - run->settings->schedule->steps) + 1;
  const char *name = role_name(role >= PLAIN_ROLES ? role : step->attention);
  add_verdict(report, verdict, passed);
  if (first->tensor)
    complain("wrong %s after step %zu, %s (%s): request %u, token %u, head %u, dim %u: got %g, expected %g",
             first->tensor, number, name, report->spec, request_in(run, step, first->request), first->token,
             first->head, first->dim, first->got, first->expected);
  else if (!passed)
    complain("wrong output after step %zu, %s (%s): no element stands out, but the error's norm is %.2e of the "
             "reference's",
             number, name, report->spec, measure_norm(&verdict->measure));
  return passed;
}

/* Of entries, and of an indexer, the KV is another; and where each query token is a request, so is its number. */
static struct reference host_reference(const struct layer_run *run, enum role role) {
  const struct batch_memory *batch = &run->batch;
  const bool is_of_index = role == ROLE_INDEXER || role == ROLE_INDEX_KEYS;
  const bool is_of_entries = role == ROLE_ENTRIES || (role == ROLE_INDEX_KEYS && batch->listing.ratio > 0);
  struct reference reference = {.batch = is_of_entries ? batch_entry_lengths(batch, true)
                                         : is_of_index ? batch_index_lengths(batch, true)
                                                       : batch_lengths(batch, true),
                                .tensors = layer_role_tensors(run, role, true),
                                .kv_heads = is_of_index ? 1 : batch->kv_heads,
                                .max_selected = batch->listing.entries};
  reference.spec = run->specs[role];
  if (role == ROLE_INDEXER)
    reference.spec.group = batch->listing.index_heads; /* the kernel has the group of a share */
  else if (!is_of_index)
    reference.spec.group = batch->spec.group;
  return reference;
}

/* What an append kernel has stored beside the layer's K and V. */
static bool check_stored(struct layer_run *run, const struct step *step, enum role role) {
  const struct verify_step verify = {.append = host_reference(run, role)};
  struct verify_result result;
  if (!layer_step_has(run, step, role))
    return true;
  if (!verify_step(&verify, &result)) {
    complain("out of memory");
    return false;
  }
  return accept(run, role, step, &result.append, result.append.steps <= 1);
}

static void tell_list(const struct layer_run *run, const struct step *step, struct list_mismatch first) {
  const size_t number = (size_t)(step - run->settings->schedule->steps) + 1;
  char text[LIST_MISMATCH_TEXT];
  if (run->batch.listing.ratio > 0)
    first.request = piece_of(run, step, first.request, &first.token)->request;
  else
    first.request = request_in(run, step, first.request);
  list_mismatch_text(&first, text);
  complain("wrong list after step %zu, indexer (%s): %s", number, run->reports[ROLE_INDEXER].spec, text);
}

static bool check_lists(struct layer_run *run, const struct step *step) {
  struct report *report = &run->reports[ROLE_INDEXER];
  const struct lists_step lists = {.reference = host_reference(run, ROLE_INDEXER),
                                   .budget = budget_of(run->settings->schedule),
                                   .seed = run->settings->seed + (uint64_t)(step - run->settings->schedule->steps)};
  struct lists_verdict found;
  if (!layer_step_has(run, step, ROLE_INDEXER))
    return true;
  if (!corrupt_list(run, step))
    return false;
  if (!verify_lists(&lists, &found)) {
    complain("out of memory");
    return false;
  }
  const struct verdict verdict = {.measure = {.rows = found.checked}, .steps = found.excess, .rows = found.lists};
  add_verdict(report, &verdict, !found.first.what);
  if (found.first.what)
    tell_list(run, step, found.first);
  return !found.first.what;
}

static bool check_indexer(struct layer_run *run, const struct step *step) {
  bool right = check_stored(run, step, ROLE_ENTRIES);
  right &= check_stored(run, step, ROLE_INDEX_KEYS);
  return check_lists(run, step) && right;
}

bool layer_check_step(struct layer_run *run, const struct step *step) {
  const enum role role = step->attention;
  const struct schedule *schedule = run->settings->schedule;
  const struct verify_step verify = {.append = host_reference(run, ROLE_APPEND),
                                     .attention = host_reference(run, role),
                                     .attends = role != ROLE_APPEND,
                                     .dtype = run->reports[role].dtype,
                                     .budget = budget_of(schedule),
                                     .seed = run->settings->seed + (uint64_t)(step - schedule->steps)};
  struct verify_result result;
  bool right = check_indexer(run, step);
  if (verify.attends && !corrupt(run, step, &verify.attention))
    return false;
  if (!verify_step(&verify, &result)) {
    complain("out of memory");
    return false;
  }
  right &= accept(run, ROLE_APPEND, step, &result.append, result.append.steps <= 1);
  if (verify.attends)
    right &=
        accept(run, role, step, &result.attention, measure_passes(&result.attention.measure, run->reports[role].dtype));
  return right;
}

/* The host's copy of the cache is poison, and what each step wrote, as it was right after the step. */
bool layer_check_rest(struct layer_run *run) {
  static const struct {
    enum buffer buffer;
    enum role role;
    const char *name;
  } caches[] = {
      {BUFFER_K_CACHE, ROLE_APPEND, "K"},
      {BUFFER_V_CACHE, ROLE_APPEND, "V"},
      {BUFFER_ENTRY_CACHE, ROLE_ENTRIES, "the compressed entries"},
      {BUFFER_ENTRY_WIDE, ROLE_ENTRIES, "the wide dims of compressed entries"},
      {BUFFER_INDEX_CACHE, ROLE_INDEX_KEYS, "the indexer's keys"},
  };
  size_t offset = 0;
  for (size_t i = 0; i < sizeof caches / sizeof *caches; i++) {
    const struct mirror *cache = &run->batch.buffers[caches[i].buffer];
    const size_t row = batch_row_bytes(&run->batch, caches[i].buffer);
    if (mirror_is_equal(cache, run->device, &offset))
      continue;
    if (layer_works(run))
      complain("wrong cache: row %zu of %zu of %s was written when it should not", offset / row, cache->bytes / row,
               caches[i].name);
    run->reports[caches[i].role].passed = false;
    return false;
  }
  return true;
}
