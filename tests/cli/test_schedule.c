/* Steps of bounded size that take every token of every request once, in order. */
#include "tools/flashjit/schedule.h"

#include "tests/reference.h"
#include "tools/common/visible.h"
#include "tools/flashjit/problem.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

static struct schedule make(const struct trace *trace, uint32_t max_tokens, uint32_t max_requests) {
  struct schedule schedule;
  cr_assert(schedule_make(&schedule, trace, max_tokens, max_requests), "%s", problem_last());
  return schedule;
}

/* A request's cache ends with the last of its generated tokens, and with two that decoding adds in any case. */
static uint32_t final_length(const struct request *request) {
  const uint32_t extended = request->generated < EXTEND_TOKENS ? request->generated : EXTEND_TOKENS;
  const uint32_t left = request->generated - extended;
  return request->prompt + extended + (left > 2 ? left - 2 : 0) + 2;
}

/* Bounds hold, tokens come in order, and a slot has one request at a time. */
static void check(const struct schedule *schedule, const struct trace *trace, uint32_t max_tokens,
                  uint32_t max_requests) {
  uint32_t *lengths = calloc(trace->count, sizeof *lengths);
  size_t *owners = calloc(max_requests, sizeof *owners); /* request + 1 */
  size_t pieces = 0;
  for (size_t s = 0; s < schedule->step_count; s++) {
    const struct step *step = &schedule->steps[s];
    uint32_t tokens = 0;
    cr_assert_eq(step->first, pieces);
    cr_assert_gt(step->pieces, 0);
    for (uint32_t p = 0; p < step->pieces; p++) {
      const struct piece *piece = &schedule->pieces[step->first + p];
      cr_assert_lt(piece->slot, max_requests);
      cr_assert(owners[piece->slot] == 0 || owners[piece->slot] == piece->request + 1u);
      cr_assert_eq(piece->begin, lengths[piece->request]);
      cr_assert_gt(piece->end, piece->begin);
      lengths[piece->request] = piece->end;
      cr_assert_eq(piece->is_last, piece->end == final_length(&trace->requests[piece->request]));
      owners[piece->slot] = piece->is_last ? 0 : piece->request + 1u;
      tokens += piece->end - piece->begin;
    }
    cr_assert_eq(tokens, step->tokens);
    cr_assert_leq(tokens, max_tokens);
    pieces += step->pieces;
  }
  for (size_t r = 0; r < trace->count; r++)
    cr_assert_eq(lengths[r], final_length(&trace->requests[r]), "request %zu", r);
  cr_expect_leq(schedule->slots, max_requests);
  free(lengths);
  free(owners);
}

Test(schedule, takes_every_token_in_order) {
  static const uint32_t bounds[][2] = {{16384, 64}, {100, 64}, {7, 2}, {4, 1}, {64, 3}, {1 << 24, 1}};
  static const char *const lengths[] = {"1:0", "40:9,1:0,17:3", "1000:500,3:2,1:0,17:300,50:1,8:7,2:6", "5:5,5:5,5:5"};
  for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
      struct trace trace;
      cr_assert(trace_parse(&trace, lengths[l]));
      struct schedule schedule = make(&trace, bounds[b][0], bounds[b][1]);
      check(&schedule, &trace, bounds[b][0], bounds[b][1]);
      schedule_free(&schedule);
      trace_free(&trace);
    }
  }
}

/* Where all fits, everyone is in the same stage, and each kernel has a step of its own. */
Test(schedule, small_batches_go_together) {
  static const enum role roles[] = {ROLE_PREFILL, ROLE_EXTEND, ROLE_DECODE, ROLE_APPEND, ROLE_DECODE};
  static const uint32_t tokens[] = {58, 8, 2, 3, 3}; /* who extends nothing decodes at once */
  struct trace trace;
  cr_assert(trace_parse(&trace, "40:9,1:0,17:3"));
  struct schedule schedule = make(&trace, 16384, 64);
  cr_assert_eq(schedule.step_count, 5);
  for (size_t s = 0; s < 5; s++) {
    cr_expect_eq(schedule.steps[s].attention, roles[s]);
    cr_expect_eq(schedule.steps[s].tokens, tokens[s], "step %zu: %u", s, schedule.steps[s].tokens);
  }
  cr_expect_eq(schedule.slots, 3);
  cr_expect_eq(schedule.max_kv_len, 49);
  schedule_free(&schedule);
  trace_free(&trace);
}

/* Chunks of long prompts run beside requests that decode; the last token is taken in company. */
Test(schedule, chunks_and_decoding_are_mixed) {
  struct trace trace;
  cr_assert(trace_parse(&trace, "10:20,1000:5,10:20,1000:5"));
  struct schedule schedule = make(&trace, 100, 64);
  bool is_mixed = false;
  for (size_t s = 0; s < schedule.step_count; s++) {
    const struct piece *pieces = &schedule.pieces[schedule.steps[s].first];
    bool has_one = false;
    bool has_chunk = false;
    for (uint32_t p = 0; p < schedule.steps[s].pieces; p++) {
      has_one |= pieces[p].end - pieces[p].begin == 1;
      has_chunk |= pieces[p].end - pieces[p].begin > 50;
    }
    is_mixed |= has_one && has_chunk;
  }
  const struct step *last = &schedule.steps[schedule.step_count - 1];
  cr_expect(is_mixed);
  cr_expect_eq(last->attention, ROLE_DECODE);
  cr_expect_eq(last->pieces, 4);
  schedule_free(&schedule);
  trace_free(&trace);
}

/* Work is counted as the sum over query tokens of the keys that they see. */
Test(schedule, work_of_a_step) {
  struct trace trace;
  const fi_spec plain = {0};
  const fi_spec window = {.window_left = 2};
  const fi_spec chunks = {.chunk = 4};
  cr_assert(trace_parse(&trace, "3:0,5:0"));
  struct schedule schedule = make(&trace, 6, 64);
  cr_expect_eq(step_pairs(&schedule, &schedule.steps[0], &plain, 0), 1 + 2 + 3 + 1 + 2 + 3);
  cr_expect_eq(step_kv_tokens(&schedule, &schedule.steps[0], &plain, 0), 3 + 3);
  cr_expect_eq(step_pairs(&schedule, &schedule.steps[1], &plain, 0), 4 + 4 + 5);
  cr_expect_eq(step_pairs(&schedule, &schedule.steps[0], &window, 0), 1 + 2 + 2 + 1 + 2 + 2);
  cr_expect_eq(step_kv_tokens(&schedule, &schedule.steps[1], &window, 0), 2 + 3);
  cr_expect_eq(step_pairs(&schedule, &schedule.steps[1], &chunks, 0), 4 + 4 + 1);
  cr_expect_eq(step_kv_tokens(&schedule, &schedule.steps[1], &chunks, 0), 4 + 5);
  cr_expect_eq(step_pairs(&schedule, &schedule.steps[0], &plain, 2), 1 + 2 + 2 + 1 + 2 + 2);
  cr_expect_eq(step_kv_tokens(&schedule, &schedule.steps[1], &plain, 3), 3 + 3 + 3);
  schedule_free(&schedule);
  trace_free(&trace);
}

/* Counted is what the reference, which asks of every token, says is seen. */
Test(schedule, work_is_what_is_seen) {
  static const uint32_t numbers[] = {0, 1, 2, 3, 5, 8, 21, 2147483647};
  enum { NUMBERS = sizeof numbers / sizeof *numbers, PLACES = 40 };
  const fi_batch batch = {0};
  for (uint32_t i = 0; i < NUMBERS * NUMBERS * (1 + NUMBERS); i++) {
    const uint32_t right = i / (NUMBERS * NUMBERS); /* without a mask; NUMBERS: with one */
    const fi_spec spec = {.window_left = numbers[i % NUMBERS],
                          .chunk = numbers[i / NUMBERS % NUMBERS],
                          .mask = right < NUMBERS ? FI_MASK_NONE : FI_MASK_CAUSAL,
                          .window_right = right < NUMBERS ? numbers[right] : 0};
    double pairs = 0;
    for (uint32_t place = 0; place < PLACES; place++) {
      int64_t first, end;
      reference_seen(&spec, &batch, 0, PLACES, place, &first, &end);
      cr_expect_eq(visible_first(&spec, place), first, "window %u, chunk %u, place %u", spec.window_left, spec.chunk,
                   place);
      cr_expect_eq(visible_end(&spec, place, PLACES), end, "right %u, chunk %u, place %u", spec.window_right,
                   spec.chunk, place);
      pairs += (double)(end - first);
    }
    cr_expect_eq(visible_pairs(&spec, 0, 0, PLACES), pairs, "window %u, chunk %u", spec.window_left, spec.chunk);
  }
}

/* Thousands of requests cost no time that matters. */
Test(schedule, many_requests) {
  struct trace trace;
  cr_assert(trace_default(&trace, 20000));
  const clock_t begin = clock();
  struct schedule schedule = make(&trace, 16384, 4096);
  cr_expect_lt((double)(clock() - begin) / CLOCKS_PER_SEC, 10);
  check(&schedule, &trace, 16384, 4096);
  schedule_free(&schedule);
  trace_free(&trace);
}
