/* From a spec to a kernel: fi_get_kernel, whose usual case is a look-up of the spec's bytes, and
 * fi_precompile. */
#include "generator/abi.h"
#include "generator/derived.h"
#include "generator/error.h"
#include "generator/members.h"
#include "generator/snippet.h"
#include "generator/spec.h"
#include "generator/tile.h"
#include "runtime/crew.h"
#include "runtime/flight.h"
#include "runtime/make.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* The canonical spec of a kernel that has all it is made of: its snippet is registered. */
static fi_status find_spec(const fi_spec *spec, fi_spec *canonical) {
  const char *snippet;
  const fi_status status = spec_canonical(spec, canonical);
  return status ? status : snippet_of(canonical, &snippet);
}

static fi_kernel *find_ready(fi_ctx *ctx, const fi_spec *spec) {
  fi_kernel *kernel = table_find(&ctx->table, spec);
  return kernel && atomic_load_explicit(&kernel->state, memory_order_acquire) == KERNEL_READY ? kernel : NULL;
}

/* So that the next call with this spelling of the spec is a look-up. */
static void remember_spelling(fi_ctx *ctx, const fi_spec *spec, fi_kernel *kernel) {
  pthread_mutex_lock(&ctx->table_lock);
  if (!table_find(&ctx->table, spec))
    table_add(&ctx->table, spec, kernel, false);
  pthread_mutex_unlock(&ctx->table_lock);
}

static void count_hit(fi_ctx *ctx) {
  atomic_fetch_add_explicit(&ctx->counters.memory_hits, 1, memory_order_relaxed);
}

/* What a plan kernel knows of tiles and kernels: fi_spec.members. */
enum { PLAN_SMALL_TILES, PLAN_LARGE_TILES, PLAN_MEMBERS };

/* What so many kernels of a spec need. Plans of other ops have no tiles to speak of. */
static uint32_t planned_members(const fi_spec *canonical, uint32_t members) {
  if (members > 1)
    return PLAN_MEMBERS;
  return canonical->op == FI_OP_ATTENTION && tile_rows_asked(canonical) >= LARGE_TILE_ROWS ? PLAN_LARGE_TILES
                                                                                           : PLAN_SMALL_TILES;
}

/* The canonical spec of the kernel behind fi_plan, when kernels of this spec, which has so many, have a plan. */
static bool has_plan(const fi_spec *canonical, uint32_t members, fi_spec *plan) {
  fi_spec spec;
  if (canonical->op == FI_OP_MERGE || canonical->op == FI_OP_PLAN || canonical->slots != FI_SLOTS_NONE)
    return false;
  fi_spec_init(&spec);
  spec.op = FI_OP_PLAN;
  spec.prefixes = canonical->prefixes;
  spec.intervals = spec.prefixes || derived_reads_lists(canonical) ? 2 : derived_plans_intervals(canonical);
  spec.members = planned_members(canonical, members);
  return spec_canonical(&spec, plan) == FI_OK;
}

static void count_failure(fi_ctx *ctx) {
  atomic_fetch_add(&ctx->counters.failures, 1);
}

static fi_status tell_of_plan(const fi_spec *canonical, fi_status status) {
  char text[FI_SPEC_TEXT_SIZE];
  spec_print(canonical, text, sizeof text);
  return error_set(status, "the plan kernel of \"%s\": %s", text, fi_last_error());
}

/* How it went so far, and the sentence about that. */
struct outcome {
  fi_status status;
  bool is_known; /* it is told again */
  char why[ERROR_SIZE];
};

/* One more status, which counts if it says more than that a kernel before it cannot be kept. */
static void note(struct outcome *outcome, fi_status status) {
  if (!status)
    return;
  outcome->status = status;
  snprintf(outcome->why, sizeof outcome->why, "%s", fi_last_error());
}

static fi_status tell_outcome(const struct outcome *outcome) {
  return outcome->status ? error_set(outcome->status, "%s", outcome->why) : FI_OK;
}

/*
 * After a plan kernel could not be had for want of a cache that has it: one that knows more makes its plans, too, and
 * may be all that a cache has which was filled by other specs.
 */
static bool has_stand_in(fi_ctx *ctx, fi_status status, fi_spec *plan) {
  const bool was_looked_for =
      status == FI_ERROR_NO_COMPILER || (status == FI_ERROR_NOT_CACHED && !context_compiles(ctx));
  if (!was_looked_for || plan->members == PLAN_MEMBERS)
    return false;
  plan->members++;
  return true;
}

/* A way to have a plan kernel: obtained in this process, or compiled into the cache. */
typedef fi_status plan_try(fi_ctx *ctx, const fi_spec *plan, void *data);

/* The plan kernel that so many kernels of a spec need, if they need one. That it is another than was looked for first
 * is no failure. */
static fi_status have_plan(fi_ctx *ctx, const fi_spec *canonical, uint32_t members, plan_try *attempt, void *data) {
  struct outcome outcome = {.status = FI_OK};
  fi_spec plan;
  if (!has_plan(canonical, members, &plan))
    return FI_OK;
  fi_status status = attempt(ctx, &plan, data);
  note(&outcome, status);
  while (has_stand_in(ctx, status, &plan))
    status = attempt(ctx, &plan, data);
  return status ? tell_of_plan(canonical, tell_outcome(&outcome)) : FI_OK;
}

struct plan_claim {
  fi_kernel **kernel;
  bool is_tried;
  bool mine; /* the kernel that was looked for first was made here, or could not be */
};

/* Obtains a plan kernel. It waits for no other kernel. */
static fi_status obtain_plan(fi_ctx *ctx, const fi_spec *plan, void *data) {
  struct plan_claim *claim = data;
  bool mine = false;
  fi_status status = flight_claim(ctx, plan, claim->kernel, &mine);
  if (!claim->is_tried)
    claim->mine = mine;
  claim->is_tried = true;
  if (status || !mine)
    return status;
  status = make_load(*claim->kernel);
  if (!status)
    status = make_ready(*claim->kernel);
  flight_settle(*claim->kernel, status);
  return status;
}

/* The members of a spec on the context's target. */
static fi_status find_members(fi_ctx *ctx, const fi_spec *canonical, struct members *members) {
  const struct target *target;
  const fi_status status = context_target(ctx, &target);
  return status ? status : members_find(canonical, target, members);
}

enum { PLAN, MOST_NUMBERS = 1 + MOST_MEMBERS };

/*
 * The kernels of a spec, which are made at once: number 0 is the plan kernel, then come those of more rows, and last is
 * the spec's own. Whoever holds a kernel can plan for it: it is ready when the plan kernel is, and the spec's own when
 * all are. Each so waits for those before it alone, and one thread can make them in their order.
 */
struct party {
  fi_ctx *ctx;
  const fi_spec *canonical;
  const struct members *members;
  fi_kernel *kernels[MOST_NUMBERS];
  struct outcome outcomes[MOST_NUMBERS];
  pthread_mutex_t lock; /* of the rest */
  pthread_cond_t settled;
  bool is_settled[MOST_NUMBERS];
};

/* Waits for so many of the first kernels. False when one of them failed. */
static bool wait_for(struct party *party, uint32_t count) {
  bool all = true;
  pthread_mutex_lock(&party->lock);
  for (uint32_t i = 0; i < count; i++) {
    while (!party->is_settled[i])
      pthread_cond_wait(&party->settled, &party->lock);
    all &= !party->outcomes[i].status;
  }
  pthread_mutex_unlock(&party->lock);
  return all;
}

static void settle(struct party *party, uint32_t number, fi_status status, bool mine) {
  pthread_mutex_lock(&party->lock);
  party->outcomes[number].is_known = !mine;
  note(&party->outcomes[number], status);
  party->is_settled[number] = true;
  pthread_cond_broadcast(&party->settled);
  pthread_mutex_unlock(&party->lock);
}

/* Makes a kernel that was claimed ready with those that it belongs with. */
static fi_status join(struct party *party, uint32_t number) {
  fi_kernel *kernel = party->kernels[number];
  const uint32_t own = party->members->count;
  kernel->plan = party->kernels[PLAN];
  kernel->wider_count = number == own ? own - 1 : 0;
  memcpy(kernel->wider, &party->kernels[PLAN + 1], kernel->wider_count * sizeof *kernel->wider);
  return make_ready(kernel);
}

/* *mine as by a claim. That one of those before it failed is their failure. */
static fi_status obtain_member(struct party *party, uint32_t number, bool *mine) {
  const bool is_own = number == party->members->count;
  const fi_spec *spec = is_own ? party->canonical : &party->members->specs[number];
  fi_kernel **kernel = &party->kernels[number];
  fi_status status = flight_claim(party->ctx, spec, kernel, mine);
  if (status || !*mine)
    return status;
  status = make_load(*kernel);
  if (!status && !wait_for(party, is_own ? number : PLAN + 1)) {
    flight_release(*kernel);
    return FI_OK;
  }
  if (!status)
    status = join(party, number);
  flight_settle(*kernel, status);
  return status;
}

/* *mine as by a claim of the plan kernel that is looked for first. */
static fi_status obtain_party_plan(struct party *party, bool *mine) {
  struct plan_claim claim = {.kernel = &party->kernels[PLAN]};
  const fi_status status = have_plan(party->ctx, party->canonical, party->members->count, obtain_plan, &claim);
  *mine = claim.mine;
  return status;
}

static void obtain_number(void *data, uint32_t number) {
  struct party *party = data;
  bool mine = false;
  const fi_status status = number == PLAN ? obtain_party_plan(party, &mine) : obtain_member(party, number, &mine);
  settle(party, number, status, mine);
}

/* Whether there is nothing but the kernel itself to make. */
static bool is_alone(fi_ctx *ctx, const fi_spec *canonical, const struct members *members) {
  fi_spec plan;
  return members->count == 1 && (!has_plan(canonical, members->count, &plan) || find_ready(ctx, &plan));
}

/* A kernel that may have to be made, with all that belong to it; the first that failed says why, and counts once. */
static fi_status obtain_all(fi_ctx *ctx, const fi_spec *canonical, const struct members *members, fi_kernel **kernel) {
  const uint32_t count = members->count + 1;
  struct party party = {.ctx = ctx, .canonical = canonical, .members = members};
  uint32_t failed = 0;
  pthread_mutex_init(&party.lock, NULL);
  pthread_cond_init(&party.settled, NULL);
  if (is_alone(ctx, canonical, members)) {
    obtain_number(&party, PLAN);
    obtain_number(&party, count - 1);
  } else {
    crew_run(ctx, 0, count, obtain_number, &party);
  }
  pthread_cond_destroy(&party.settled);
  pthread_mutex_destroy(&party.lock);
  while (failed + 1 < count && !party.outcomes[failed].status)
    failed++;
  if (party.outcomes[failed].status && !party.outcomes[failed].is_known)
    count_failure(ctx);
  *kernel = party.kernels[count - 1];
  return tell_outcome(&party.outcomes[failed]);
}

static fi_status obtain(fi_ctx *ctx, const fi_spec *canonical, fi_kernel **kernel) {
  struct members members;
  fi_status status = make_check(ctx, canonical);
  if (!status)
    status = find_members(ctx, canonical, &members);
  if (!status)
    return obtain_all(ctx, canonical, &members, kernel);
  count_failure(ctx);
  return status;
}

/* A kernel that is not in the table, or under another spelling only. */
static fi_status get_slowly(fi_ctx *ctx, const fi_spec *spec, fi_kernel **out) {
  fi_spec canonical;
  fi_status status = find_spec(spec, &canonical);
  if (status)
    return status;
  fi_kernel *kernel = find_ready(ctx, &canonical);
  if (kernel)
    count_hit(ctx);
  else
    status = obtain(ctx, &canonical, &kernel);
  if (status)
    return status;
  remember_spelling(ctx, spec, kernel);
  *out = kernel;
  return FI_OK;
}

fi_status fi_get_kernel(fi_ctx *ctx, const fi_spec *spec, fi_kernel **out) {
  fi_status status = context_check(ctx);
  if (status)
    return status;
  if (!out)
    return error_set(FI_ERROR_ARGUMENT, "kernel is NULL");
  *out = NULL;
  /* The look-up compares all of a fi_spec, the reserved words too. What is none is refused on the slow way.
   */
  const bool whole = spec && spec->struct_size == sizeof *spec;
  fi_kernel *kernel = whole ? find_ready(ctx, spec) : NULL;
  if (!kernel)
    return get_slowly(ctx, spec, out);
  count_hit(ctx);
  *out = kernel;
  return FI_OK;
}

static fi_status not_kept(const struct build *build) {
  fi_ctx *ctx = build->ctx;
  pthread_mutex_lock(&ctx->table_lock);
  const struct cache_reason reason = ctx->not_kept;
  pthread_mutex_unlock(&ctx->table_lock);
  return error_set(FI_ERROR_NOT_CACHED, "\"%s\" was compiled and cannot be kept: %s", build->spec_text, reason.text);
}

/* From a build that was begun on. */
static fi_status precompile_rest(struct build *build, fi_facts *facts) {
  const fi_status status = make_image(build);
  if (!status && facts)
    build_facts(build, facts);
  return status || build->stored ? status : not_kept(build);
}

static fi_status precompile_one(fi_ctx *ctx, const fi_spec *canonical, void *unused) {
  struct build build;
  (void)unused;
  fi_status status = build_begin(&build, ctx, canonical, UINT32_MAX);
  if (!status)
    status = precompile_rest(&build, NULL);
  build_end(&build);
  return status;
}

static bool goes_on(const struct outcome *outcome) {
  return outcome->status == FI_OK || outcome->status == FI_ERROR_NOT_CACHED;
}

/* The kernels that belong to that of a spec, the plan kernel and the members of more rows, and then that one, whose
 * build was begun. What cannot be kept is told when all are compiled. */
static fi_status precompile_all(struct build *build, const struct members *members, fi_facts *facts) {
  struct outcome outcome = {.status = FI_OK};
  note(&outcome, have_plan(build->ctx, build->spec, members->count, precompile_one, NULL));
  for (uint32_t i = 1; i < members->count && goes_on(&outcome); i++)
    note(&outcome, precompile_one(build->ctx, &members->specs[i], NULL));
  if (goes_on(&outcome))
    note(&outcome, precompile_rest(build, facts));
  return tell_outcome(&outcome);
}

/* Whether the target has tiles comes first: without them nothing is compiled, the plan kernel neither. fi_get_kernel
 * will ask the cache for all kernels. The facts are those of a kernel that cannot be kept, too; where one that belongs
 * to it fails, what is known of it without a compile. */
fi_status fi_precompile(fi_ctx *ctx, const fi_spec *spec, fi_facts *facts) {
  struct members members;
  struct build build;
  fi_spec canonical;
  fi_status status = context_check(ctx);
  if (!status && facts)
    status = abi_check(ABI_facts, facts);
  if (!status)
    status = find_spec(spec, &canonical);
  if (!status)
    status = find_members(ctx, &canonical, &members);
  if (status)
    return status;
  status = build_begin(&build, ctx, &canonical, UINT32_MAX);
  if (!status && facts)
    build_identity(&build, facts);
  if (!status)
    status = precompile_all(&build, &members, facts);
  build_end(&build);
  if (facts)
    facts->kernels = members.count;
  return status;
}
