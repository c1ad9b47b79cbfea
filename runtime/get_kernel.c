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

/* The kernels that one belongs with: they are there before it is. */
struct company {
  fi_kernel *plan;
  uint32_t wider_count;
  fi_kernel *wider[MOST_MEMBERS - 1];
};

/* *mine: it was made here, or could not be. */
static fi_status try_one(fi_ctx *ctx, const fi_spec *canonical, const struct company *company, fi_kernel **kernel,
                         bool *mine) {
  fi_status status = flight_claim(ctx, canonical, kernel, mine);
  if (status || !*mine)
    return status;
  (*kernel)->plan = company->plan;
  (*kernel)->wider_count = company->wider_count;
  memcpy((*kernel)->wider, company->wider, sizeof company->wider);
  status = make_kernel(*kernel);
  flight_settle(*kernel, status);
  return status;
}

static void count_failure(fi_ctx *ctx) {
  atomic_fetch_add(&ctx->counters.failures, 1);
}

/* A failure that is told again counts once. */
static fi_status obtain_one(fi_ctx *ctx, const fi_spec *canonical, const struct company *company, fi_kernel **kernel) {
  bool mine;
  const fi_status status = try_one(ctx, canonical, company, kernel, &mine);
  if (status && mine)
    count_failure(ctx);
  return status;
}

static fi_status tell_of_plan(const fi_spec *canonical, fi_status status) {
  char text[FI_SPEC_TEXT_SIZE];
  spec_print(canonical, text, sizeof text);
  return error_set(status, "the plan kernel of \"%s\": %s", text, fi_last_error());
}

/* How it went so far, and the sentence about that. */
struct outcome {
  fi_status status;
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
 * may be all that a cache has which was filled by other specs. Plans of shared prefixes are of one kernel.
 */
static bool has_stand_in(fi_ctx *ctx, fi_status status, fi_spec *plan) {
  const bool was_looked_for =
      status == FI_ERROR_NO_COMPILER || (status == FI_ERROR_NOT_CACHED && !context_compiles(ctx));
  if (!was_looked_for || plan->members == (plan->prefixes ? PLAN_LARGE_TILES : PLAN_MEMBERS))
    return false;
  plan->members++;
  return true;
}

/* That it is another than was looked for first is no failure. */
static fi_status obtain_plan(fi_ctx *ctx, const fi_spec *canonical, uint32_t members, fi_kernel **kernel) {
  const struct company alone = {.plan = NULL};
  struct outcome outcome = {.status = FI_OK};
  fi_spec plan;
  bool is_new;
  bool unused;
  if (!has_plan(canonical, members, &plan))
    return FI_OK;
  fi_status status = try_one(ctx, &plan, &alone, kernel, &is_new);
  note(&outcome, status);
  while (has_stand_in(ctx, status, &plan))
    status = try_one(ctx, &plan, &alone, kernel, &unused);
  if (!status)
    return FI_OK;
  if (is_new)
    count_failure(ctx);
  return tell_of_plan(canonical, tell_outcome(&outcome));
}

/* The members of a spec on the context's target. */
static fi_status find_members(fi_ctx *ctx, const fi_spec *canonical, struct members *members) {
  const struct target *target;
  const fi_status status = context_target(ctx, &target);
  return status ? status : members_find(canonical, target, members);
}

/* Members that are made at once. */
struct party {
  fi_ctx *ctx;
  const struct members *members;
  struct company *company; /* of the first: it comes to know the others */
  struct outcome outcomes[MOST_MEMBERS];
};

/* A kernel of more rows, which has the plan kernel of all: it makes plans for it alone too. */
static void obtain_wider(void *data, uint32_t number) {
  struct party *party = data;
  const struct company alone = {.plan = party->company->plan};
  fi_kernel **kernel = &party->company->wider[number];
  note(&party->outcomes[number], obtain_one(party->ctx, &party->members->specs[number + 1], &alone, kernel));
}

/* All kernels of more rows that a spec has besides that of the fewest; the first that failed says why. */
static fi_status obtain_all_wider(fi_ctx *ctx, const struct members *members, struct company *company) {
  struct party party = {.ctx = ctx, .members = members, .company = company};
  uint32_t failed = 0;
  company->wider_count = members->count - 1;
  if (company->wider_count == 0)
    return FI_OK;
  crew_run(ctx, company->wider_count, company->wider_count, obtain_wider, &party);
  while (failed + 1 < company->wider_count && !party.outcomes[failed].status)
    failed++;
  return tell_outcome(&party.outcomes[failed]);
}

/* A kernel that may have to be made. Its plan kernel comes first: whoever holds the one can plan for it. */
static fi_status obtain(fi_ctx *ctx, const fi_spec *canonical, fi_kernel **kernel) {
  struct company company = {.plan = NULL};
  struct members members;
  fi_status status = make_check(ctx, canonical);
  if (!status)
    status = find_members(ctx, canonical, &members);
  if (status) {
    count_failure(ctx);
    return status;
  }
  status = obtain_plan(ctx, canonical, members.count, &company.plan);
  if (!status)
    status = obtain_all_wider(ctx, &members, &company);
  return status ? status : obtain_one(ctx, canonical, &company, kernel);
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

static fi_status precompile_one(fi_ctx *ctx, const fi_spec *canonical) {
  struct build build;
  fi_status status = build_begin(&build, ctx, canonical, UINT32_MAX);
  if (!status)
    status = precompile_rest(&build, NULL);
  build_end(&build);
  return status;
}

static fi_status precompile_plan(fi_ctx *ctx, const fi_spec *canonical, uint32_t members) {
  struct outcome outcome = {.status = FI_OK};
  fi_spec plan;
  if (!has_plan(canonical, members, &plan))
    return FI_OK;
  fi_status status = precompile_one(ctx, &plan);
  note(&outcome, status);
  while (has_stand_in(ctx, status, &plan))
    status = precompile_one(ctx, &plan);
  return status ? tell_of_plan(canonical, tell_outcome(&outcome)) : FI_OK;
}

static bool goes_on(const struct outcome *outcome) {
  return outcome->status == FI_OK || outcome->status == FI_ERROR_NOT_CACHED;
}

/* The kernels that belong to that of a spec, the plan kernel and the members of more rows, and then that one, whose
 * build was begun. What cannot be kept is told when all are compiled. */
static fi_status precompile_all(struct build *build, const struct members *members, fi_facts *facts) {
  struct outcome outcome = {.status = FI_OK};
  note(&outcome, precompile_plan(build->ctx, build->spec, members->count));
  for (uint32_t i = 1; i < members->count && goes_on(&outcome); i++)
    note(&outcome, precompile_one(build->ctx, &members->specs[i]));
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
