/* Each request goes through marks on its KV; a step takes what fits of what is next. */
#include "tools/flashjit/schedule.h"

#include "tools/common/visible.h"
#include "tools/flashjit/problem.h"

#include <stdlib.h>

enum { STAGE_PREFILL, STAGE_EXTEND, STAGE_FIRST_DECODE, STAGE_APPEND, STAGE_LAST_DECODE, STAGES };

/* Stage s takes tokens mark[s] .. mark[s + 1]. */
struct marks {
  uint32_t mark[STAGES + 1];
};

/* The fourth brings the cache to its final length, where the last step of decoding happens. */
static struct marks find_marks(const struct request *request) {
  const uint32_t extended = request->generated < EXTEND_TOKENS ? request->generated : EXTEND_TOKENS;
  const uint32_t left = request->generated - extended;
  const uint32_t first = request->prompt + extended + 1;
  const uint32_t middle = left > 2 ? left - 2 : 0;
  return (struct marks){{0, request->prompt, request->prompt + extended, first, first + middle, first + middle + 1}};
}

/* A request in a slot. */
struct runner {
  struct marks marks;
  uint32_t slot;
  uint32_t request;
  uint32_t length; /* of its KV */
  uint32_t taken;  /* tokens in the step that is made */
};

struct maker {
  struct schedule *schedule;
  const struct trace *trace;
  uint32_t max_tokens;
  uint32_t max_requests;
  struct runner *runners; /* in the order of arrival */
  uint32_t running;
  size_t arrived;
  bool *slots;          /* that are in use */
  uint32_t left;        /* tokens that the step has room for */
  uint32_t most_tokens; /* of one piece */
  uint32_t stages;      /* a bit for each stage that the step has */
  size_t piece_room;
  size_t step_room;
};

static int stage_of(const struct runner *runner) {
  int stage = 0;
  while (runner->length >= runner->marks.mark[stage + 1])
    stage++;
  return stage;
}

/* ------------------------------------------------------------------------------------------------ a step */

static bool grow(void **items, size_t *room, size_t count, size_t size) {
  if (count < *room)
    return true;
  const size_t more = 2 * *room + 64;
  void *longer = realloc(*items, more * size);
  if (!longer)
    return problem_set("out of memory");
  *items = longer;
  *room = more;
  return true;
}

/* Chunks of prompts and of appended tokens may be cut; the others run whole, in a later step if there is no room. */
static bool take(struct maker *maker, struct runner *runner) {
  struct schedule *schedule = maker->schedule;
  const int stage = stage_of(runner);
  uint32_t tokens = runner->marks.mark[stage + 1] - runner->length;
  const bool may_be_cut = stage == STAGE_PREFILL || stage == STAGE_APPEND;
  if (tokens > maker->left && may_be_cut)
    tokens = maker->left;
  if (tokens == 0 || tokens > maker->left)
    return true;
  if (!grow((void **)&schedule->pieces, &maker->piece_room, schedule->piece_count, sizeof *schedule->pieces))
    return false;
  const uint32_t end = runner->length + tokens;
  schedule->pieces[schedule->piece_count++] = (struct piece){.slot = runner->slot,
                                                             .request = runner->request,
                                                             .begin = runner->length,
                                                             .end = end,
                                                             .is_last = end == runner->marks.mark[STAGES]};
  runner->taken = tokens;
  maker->left -= tokens;
  maker->stages |= 1u << stage;
  maker->most_tokens = tokens > maker->most_tokens ? tokens : maker->most_tokens;
  return true;
}

static bool take_stages(struct maker *maker, int first, int last) {
  for (uint32_t i = 0; i < maker->running; i++) {
    const int stage = stage_of(&maker->runners[i]);
    if (stage >= first && stage <= last && !take(maker, &maker->runners[i]))
      return false;
  }
  return true;
}

static uint32_t free_slot(const struct maker *maker) {
  uint32_t slot = 0;
  while (maker->slots[slot])
    slot++;
  return slot;
}

static bool take_arrivals(struct maker *maker) {
  while (maker->arrived < maker->trace->count && maker->running < maker->max_requests && maker->left > 0) {
    struct runner *runner = &maker->runners[maker->running++];
    *runner = (struct runner){.marks = find_marks(&maker->trace->requests[maker->arrived]),
                              .slot = free_slot(maker),
                              .request = (uint32_t)maker->arrived++};
    maker->slots[runner->slot] = true;
    if (runner->slot >= maker->schedule->slots)
      maker->schedule->slots = runner->slot + 1;
    if (!take(maker, runner))
      return false;
  }
  return true;
}

/*
 * Requests wait for their last token, so that many take it at once, as they do in a server where each generates
 * hundreds. When a new request waits for a slot, half of them need not wait longer.
 */
static bool take_last(struct maker *maker) {
  const bool is_full = maker->running == maker->max_requests && maker->arrived < maker->trace->count;
  if (maker->stages == 0)
    return take_stages(maker, STAGE_LAST_DECODE, STAGE_LAST_DECODE);
  uint32_t more = is_full ? (maker->running + 1) / 2 : 0;
  for (uint32_t i = 0; i < maker->running && more > 0; i++) {
    if (stage_of(&maker->runners[i]) != STAGE_LAST_DECODE)
      continue;
    if (!take(maker, &maker->runners[i]))
      return false;
    more--;
  }
  return true;
}

static enum role role_of(const struct maker *maker) {
  if (maker->stages & 1u << STAGE_PREFILL)
    return ROLE_PREFILL;
  if (maker->stages == 1u << STAGE_APPEND)
    return ROLE_APPEND;
  return maker->most_tokens == 1 ? ROLE_DECODE : maker->most_tokens <= EXTEND_TOKENS ? ROLE_EXTEND : ROLE_PREFILL;
}

/* What was taken is done; who is done leaves. */
static void advance(struct maker *maker) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < maker->running; i++) {
    struct runner *runner = &maker->runners[i];
    runner->length += runner->taken;
    runner->taken = 0;
    maker->slots[runner->slot] = runner->length < runner->marks.mark[STAGES];
    if (runner->length > maker->schedule->max_kv_len)
      maker->schedule->max_kv_len = runner->length;
    if (maker->slots[runner->slot])
      maker->runners[kept++] = *runner;
  }
  maker->running = kept;
}

static bool make_step(struct maker *maker) {
  struct schedule *schedule = maker->schedule;
  struct step step = {.first = schedule->piece_count};
  maker->left = maker->max_tokens;
  maker->stages = 0;
  maker->most_tokens = 0;
  if (!take_stages(maker, STAGE_EXTEND, STAGE_APPEND) || !take_stages(maker, STAGE_PREFILL, STAGE_PREFILL) ||
      !take_arrivals(maker) || !take_last(maker) ||
      !grow((void **)&schedule->steps, &maker->step_room, schedule->step_count, sizeof step))
    return false;
  step.pieces = (uint32_t)(schedule->piece_count - step.first);
  step.tokens = maker->max_tokens - maker->left;
  step.attention = role_of(maker);
  schedule->steps[schedule->step_count++] = step;
  schedule->tokens += step.tokens;
  if (step.tokens > schedule->max_tokens)
    schedule->max_tokens = step.tokens;
  advance(maker);
  return true;
}

/* ------------------------------------------------------------------------------------------------ all steps */

bool schedule_make(struct schedule *schedule, const struct trace *trace, uint32_t max_tokens, uint32_t max_requests) {
  struct maker maker = {.schedule = schedule,
                        .trace = trace,
                        .max_tokens = max_tokens > EXTEND_TOKENS ? max_tokens : EXTEND_TOKENS,
                        .max_requests = max_requests};
  *schedule = (struct schedule){0};
  maker.runners = calloc(max_requests, sizeof *maker.runners);
  maker.slots = calloc(max_requests + 1, sizeof *maker.slots);
  bool made = (maker.runners && maker.slots) || problem_set("out of memory");
  while (made && (maker.running > 0 || maker.arrived < trace->count))
    made = make_step(&maker);
  free(maker.runners);
  free(maker.slots);
  if (!made)
    schedule_free(schedule);
  return made;
}

void schedule_free(struct schedule *schedule) {
  free(schedule->pieces);
  free(schedule->steps);
  *schedule = (struct schedule){0};
}

double step_pairs(const struct schedule *schedule, const struct step *step, const fi_spec *spec, double listed) {
  double pairs = 0;
  for (uint32_t i = 0; i < step->pieces; i++) {
    const struct piece *piece = &schedule->pieces[step->first + i];
    pairs += visible_pairs(spec, listed, piece->begin, piece->end);
  }
  return pairs;
}

double step_kv_tokens(const struct schedule *schedule, const struct step *step, const fi_spec *spec, double listed) {
  double tokens = 0;
  if (listed > 0)
    return step_pairs(schedule, step, spec, listed);
  for (uint32_t i = 0; i < step->pieces; i++) {
    const struct piece *piece = &schedule->pieces[step->first + i];
    tokens += piece->end - visible_first(spec, piece->begin);
  }
  return tokens;
}
