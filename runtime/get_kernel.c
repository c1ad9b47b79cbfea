/* From a spec to a kernel: fi_get_kernel, whose usual case is a look-up of the spec's bytes, and
 * fi_precompile. */
#include "generator/abi.h"
#include "generator/derived.h"
#include "generator/error.h"
#include "generator/snippet.h"
#include "generator/spec.h"
#include "generator/tile_choice.h"
#include "runtime/flight.h"
#include "runtime/make.h"

#include <stdio.h>

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

/* The canonical spec of the kernel behind fi_plan, when kernels of this spec have a plan. */
static bool has_plan(const fi_spec *canonical, fi_spec *plan) {
  fi_spec spec;
  if (canonical->op == FI_OP_MERGE || canonical->op == FI_OP_PLAN || canonical->slots != FI_SLOTS_NONE)
    return false;
  fi_spec_init(&spec);
  spec.op = FI_OP_PLAN;
  spec.prefixes = canonical->prefixes;
  spec.intervals = spec.prefixes || derived_reads_lists(canonical) ? 2 : derived_plans_intervals(canonical);
  return spec_canonical(&spec, plan) == FI_OK;
}

static fi_status obtain_one(fi_ctx *ctx, const fi_spec *canonical, fi_kernel *plan, fi_kernel **kernel) {
  bool mine;
  fi_status status = flight_claim(ctx, canonical, kernel, &mine);
  if (status || !mine)
    return status;
  (*kernel)->plan = plan;
  status = make_kernel(*kernel);
  flight_settle(*kernel, status);
  return status;
}

static fi_status tell_of_plan(const fi_spec *canonical, fi_status status) {
  char text[FI_SPEC_TEXT_SIZE];
  spec_print(canonical, text, sizeof text);
  return error_set(status, "the plan kernel of \"%s\": %s", text, fi_last_error());
}

/* A kernel that may have to be made. Its plan kernel comes first: whoever holds the one can plan for it. */
static fi_status obtain(fi_ctx *ctx, const fi_spec *canonical, fi_kernel **kernel) {
  fi_spec plan_spec;
  fi_kernel *plan = NULL;
  fi_status status = make_check(ctx, canonical);
  if (status) {
    atomic_fetch_add(&ctx->counters.failures, 1);
    return status;
  }
  if (has_plan(canonical, &plan_spec))
    status = obtain_one(ctx, &plan_spec, NULL, &plan);
  return status ? tell_of_plan(canonical, status) : obtain_one(ctx, canonical, plan, kernel);
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

static fi_status precompile(fi_ctx *ctx, const fi_spec *canonical, fi_facts *facts) {
  struct build build;
  fi_status status = build_begin(&build, ctx, canonical, UINT32_MAX);
  if (!status && facts)
    build_identity(&build, facts);
  if (!status)
    status = make_image(&build);
  if (!status && facts)
    build_facts(&build, facts);
  if (!status && !build.stored)
    status = not_kept(&build);
  build_end(&build);
  return status;
}

/* Whether the target has a tile: without one nothing is compiled, the plan kernel neither. */
static fi_status check_tile(fi_ctx *ctx, const fi_spec *canonical) {
  const struct target *target;
  uint32_t choice;
  const fi_status status = context_target(ctx, &target);
  return status ? status : tile_first(canonical, target, UINT32_MAX, &choice);
}

/* With a kernel comes the plan kernel: fi_get_kernel will ask the cache for both. The facts are those of a
 * kernel that cannot be kept, too. */
fi_status fi_precompile(fi_ctx *ctx, const fi_spec *spec, fi_facts *facts) {
  fi_spec canonical;
  fi_spec plan;
  char why[ERROR_SIZE]; /* the plan kernel cannot be kept */
  fi_status status = context_check(ctx);
  if (!status && facts)
    status = abi_check(ABI_facts, facts);
  if (!status)
    status = find_spec(spec, &canonical);
  if (!status)
    status = check_tile(ctx, &canonical);
  if (!status && has_plan(&canonical, &plan))
    status = precompile(ctx, &plan, NULL);
  if (status && status != FI_ERROR_NOT_CACHED)
    return status;
  snprintf(why, sizeof why, "%s", fi_last_error());
  const fi_status kernel_status = precompile(ctx, &canonical, facts);
  if (!status || kernel_status)
    return kernel_status;
  return error_set(status, "%s", why);
}
