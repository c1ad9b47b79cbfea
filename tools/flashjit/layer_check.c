/* The outputs of a step, rows of them when there are many, against the double-precision reference. */
#include "tools/flashjit/cli.h"
#include "tools/flashjit/layer_state.h"

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

/* Where a request of the trace runs in a step; false: nowhere. */
static bool find_slot(const struct layer_run *run, const struct step *step, uint32_t request, uint32_t *slot) {
  const struct piece *pieces = &run->settings->schedule->pieces[step->first];
  for (uint32_t i = 0; i < step->pieces; i++) {
    *slot = pieces[i].slot;
    if (pieces[i].request == request)
      return true;
  }
  return false;
}

static uint32_t request_in(const struct layer_run *run, const struct step *step, uint32_t slot) {
  const struct piece *pieces = &run->settings->schedule->pieces[step->first];
  uint32_t i = 0;
  while (i + 1 < step->pieces && pieces[i].slot != slot)
    i++;
  return pieces[i].request;
}

/*
 * FLASHJIT_CLI_CORRUPT=request:token:dim damages that element of the output of head 0, when a step computes it, so
 * that a test can see a wrong output being found.
 */
static void corrupt(const struct layer_run *run, const struct step *step, const struct reference *reference) {
  const char *where = getenv("FLASHJIT_CLI_CORRUPT");
  uint32_t request;
  uint32_t token;
  uint32_t dim;
  uint32_t slot;
  if (!where || sscanf(where, "%8u:%8u:%8u", &request, &token, &dim) != 3 || !find_slot(run, step, request, &slot))
    return;
  const uint32_t begin = reference_kv_len(reference, slot) - reference_query_len(reference, slot);
  if (token < begin || token >= reference_kv_len(reference, slot))
    return;
  const uint32_t row = reference_query_begin(reference, slot) + token - begin;
  const size_t element = (size_t)reference_o_offset(reference, row, 0) + dim;
  uint16_t *o = run->batch.buffers[BUFFER_O].host;
  o[element] ^= 0x4000; /* the highest bit of the exponent */
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
  const char *name = role_name(step->attention);
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

static struct reference host_reference(const struct layer_run *run, enum role role) {
  struct reference reference = {.batch = batch_lengths(&run->batch, true),
                                .tensors = layer_tensors(run, true),
                                .kv_heads = run->batch.kv_heads,
                                .max_selected = run->batch.listing.entries};
  reference.spec = run->specs[role];
  reference.spec.group = run->batch.spec.group; /* the kernel has the group of a share */
  return reference;
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
  if (verify.attends)
    corrupt(run, step, &verify.attention);
  if (!verify_step(&verify, &result)) {
    complain("out of memory");
    return false;
  }
  bool right = accept(run, ROLE_APPEND, step, &result.append, result.append.steps <= 1);
  if (verify.attends)
    right &=
        accept(run, role, step, &result.attention, measure_passes(&result.attention.measure, run->reports[role].dtype));
  return right;
}

/* The host's copy of the cache is poison, and what each step wrote, as it was right after the step. */
bool layer_check_rest(struct layer_run *run) {
  static const enum buffer caches[] = {BUFFER_K_CACHE, BUFFER_V_CACHE};
  size_t offset = 0;
  for (size_t i = 0; i < sizeof caches / sizeof *caches; i++) {
    const struct mirror *cache = &run->batch.buffers[caches[i]];
    if (mirror_is_equal(cache, run->device, &offset))
      continue;
    if (layer_works(run))
      complain("wrong cache: token %zu of %zu of %s was written when it should not",
               offset / (cache->bytes / run->batch.cache_tokens), run->batch.cache_tokens, i == 0 ? "K" : "V");
    run->reports[ROLE_APPEND].passed = false;
    return false;
  }
  return true;
}
