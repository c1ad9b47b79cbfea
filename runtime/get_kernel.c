/*
 * From a spec to a kernel: fi_get_kernel and fi_precompile. The states of a kernel make sure that one thread
 * makes it while others wait, and that what can never be made is tried once.
 */
#include "runtime/build.h"
#include "runtime/clock.h"
#include "runtime/kernel.h"
#include "runtime/status.h"

#include "generator/spec.h"

#include <stdlib.h>
#include <string.h>

static fi_status get(fi_ctx *ctx, const fi_spec *canonical, fi_kernel **kernel);

static bool has_plan(const fi_spec *spec) {
  return spec->op == FI_OP_ATTENTION || spec->op == FI_OP_APPEND;
}

static void canonical_plan(fi_spec *canonical) {
  fi_spec spec;
  fi_spec_init(&spec);
  spec.op = FI_OP_PLAN;
  spec_canonical(&spec, canonical, NULL, 0);
}

/* ------------------------------------------------------------------------------------------------ make */

static fi_status load(fi_kernel *kernel, struct driver *driver, const struct build *build, bool *rejected) {
  const struct image image = {
      .bytes = build->entry.image,
      .symbol = build->entry.symbol,
      .args_size = kernel_args_size(kernel->spec.op),
  };
  *rejected = false;
  return driver->load(driver, &image, &kernel->module, rejected);
}

/* A cached image that the driver refuses is compiled again, once. */
static fi_status load_or_replace(fi_kernel *kernel, struct driver *driver, struct build *build) {
  bool rejected;
  fi_status status = load(kernel, driver, build, &rejected);
  if (!rejected || build->layer == FI_LAYER_COMPILED)
    return status;
  status = build_replace(build, fi_last_error());
  return status ? status : load(kernel, driver, build, &rejected);
}

static fi_status find_or_compile(struct build *build) {
  return build_find(build) ? FI_OK : build_compile(build);
}

static fi_status get_plan(fi_kernel *kernel) {
  fi_spec plan;
  if (!has_plan(&kernel->spec))
    return FI_OK;
  canonical_plan(&plan);
  return get(kernel->ctx, &plan, &kernel->plan);
}

static fi_status make_image_and_load(fi_kernel *kernel, struct driver *driver, struct build *build) {
  fi_status status = build_begin(build, kernel->ctx, &kernel->spec);
  if (!status)
    status = find_or_compile(build);
  if (!status)
    status = get_plan(kernel);
  if (!status)
    status = load_or_replace(kernel, driver, build);
  return status;
}

static fi_status make(fi_kernel *kernel) {
  struct driver *driver;
  struct build build;
  const double begin = clock_ms();
  if (kernel->ctx->options.mode == FI_MODE_MEMORY_ONLY)
    return status_fail(FI_ERROR_NOT_CACHED,
                       "the mode is memory_only, and the context does not hold the kernel");
  fi_status status = context_driver(kernel->ctx, &driver);
  if (status)
    return status;
  status = make_image_and_load(kernel, driver, &build);
  if (!status) {
    const double milliseconds = clock_ms() - begin;
    kernel->tile = build.source.tile;
    build_facts(&build, &kernel->facts);
    build_event(&build,
                (fi_event){.kind = FI_EVENT_LOADED, .layer = build.layer, .milliseconds = milliseconds});
  }
  build_end(&build);
  return status;
}

/* ------------------------------------------------------------------------------------------------ single
 * flight */

/* Whether trying again may end otherwise. */
static bool may_pass(fi_status status) {
  return status != FI_ERROR_SPEC && status != FI_ERROR_UNSUPPORTED && status != FI_ERROR_COMPILE &&
         status != FI_ERROR_DEADLINE;
}

static void set_state(fi_kernel *kernel, enum kernel_state state) {
  atomic_store_explicit(&kernel->state, state, memory_order_release);
}

/* Waits while another thread makes the kernel. True when the caller is to make it. */
static bool claim(fi_kernel *kernel) {
  fi_ctx *ctx = kernel->ctx;
  pthread_mutex_lock(&ctx->table_lock);
  while (atomic_load(&kernel->state) == KERNEL_BUILDING)
    pthread_cond_wait(&ctx->settled, &ctx->table_lock);
  const bool mine = atomic_load(&kernel->state) == KERNEL_EMPTY;
  if (mine)
    set_state(kernel, KERNEL_BUILDING);
  pthread_mutex_unlock(&ctx->table_lock);
  return mine;
}

/* Ends what claim began, and wakes those who wait. */
static void settle(fi_kernel *kernel, fi_status status) {
  fi_ctx *ctx = kernel->ctx;
  char *message = status ? strdup(fi_last_error()) : NULL;
  atomic_fetch_add(status ? &ctx->counters.failures : &ctx->counters.kernels, 1);
  pthread_mutex_lock(&ctx->table_lock);
  if (status && may_pass(status)) {
    free(message);
    set_state(kernel, KERNEL_EMPTY);
  } else {
    kernel->failure = status;
    kernel->message = message;
    set_state(kernel, status ? KERNEL_FAILED : KERNEL_READY);
  }
  pthread_cond_broadcast(&ctx->settled);
  pthread_mutex_unlock(&ctx->table_lock);
}

static fi_status make_once(fi_kernel *kernel) {
  if (claim(kernel)) {
    const fi_status status = make(kernel);
    settle(kernel, status);
    return status;
  }
  if (kernel->failure)
    return status_fail(kernel->failure, "%s", kernel->message ? kernel->message : "no memory for the reason");
  return FI_OK;
}

/* The kernel of a canonical spec in whatever state, added when it is new; NULL when there is no room. */
static fi_kernel *enter(fi_ctx *ctx, const fi_spec *canonical) {
  pthread_mutex_lock(&ctx->table_lock);
  fi_kernel *kernel = table_find(&ctx->table, canonical);
  if (!kernel) {
    kernel = calloc(1, sizeof *kernel);
    if (kernel) {
      kernel->ctx = ctx;
      kernel->spec = *canonical;
    }
    if (kernel && !table_add(&ctx->table, canonical, kernel, true)) {
      free(kernel);
      kernel = NULL;
    }
  }
  pthread_mutex_unlock(&ctx->table_lock);
  return kernel;
}

static fi_status get(fi_ctx *ctx, const fi_spec *canonical, fi_kernel **kernel) {
  *kernel = enter(ctx, canonical);
  if (!*kernel)
    return status_fail(FI_ERROR_MEMORY, "no memory for a kernel, or more than %d kernels in one context",
                       TABLE_MOST_KERNELS);
  return make_once(*kernel);
}

/* ------------------------------------------------------------------------------------------------ public */

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

static fi_status canonical_of(const fi_spec *spec, fi_spec *canonical) {
  char why[512];
  const fi_status status = spec_canonical(spec, canonical, why, sizeof why);
  return status ? status_fail(status, "%s", why) : FI_OK;
}

static void count_hit(fi_ctx *ctx) {
  atomic_fetch_add_explicit(&ctx->counters.memory_hits, 1, memory_order_relaxed);
}

/* A kernel that may have to be made, or one that is ready under another spelling. */
static fi_status get_slowly(fi_ctx *ctx, const fi_spec *spec, fi_kernel **out) {
  fi_spec canonical;
  uint32_t ctas;
  fi_status status = canonical_of(spec, &canonical);
  if (status)
    return status;
  fi_kernel *kernel = find_ready(ctx, &canonical);
  if (kernel)
    count_hit(ctx);
  else
    status = get(ctx, &canonical, &kernel);
  if (!status)
    status = kernel_prepare(kernel, &ctas);
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
    return status_fail(FI_ERROR_ARGUMENT, "kernel is NULL");
  *out = NULL;
  status = status_check_struct("spec", spec, sizeof *spec);
  if (status)
    return status;
  fi_kernel *kernel = find_ready(ctx, spec);
  if (!kernel)
    return get_slowly(ctx, spec, out);
  count_hit(ctx);
  *out = kernel;
  return FI_OK;
}

static fi_status precompile(fi_ctx *ctx, const fi_spec *canonical, fi_facts *facts) {
  struct build build;
  fi_status status = build_begin(&build, ctx, canonical);
  if (!status)
    status = find_or_compile(&build);
  if (!status && facts)
    build_facts(&build, facts);
  if (!status && ctx->has_cache_directory && !build.stored)
    status = status_fail(FI_ERROR_NOT_CACHED, "\"%s\" was compiled, but the cache could not be written",
                         build.spec_text);
  build_end(&build);
  return status;
}

/* With a kernel comes the plan kernel: fi_get_kernel will ask the cache for both. */
fi_status fi_precompile(fi_ctx *ctx, const fi_spec *spec, fi_facts *facts) {
  fi_spec canonical;
  fi_spec plan;
  fi_status status = context_check(ctx);
  if (!status)
    status = status_check_struct("spec", spec, sizeof *spec);
  if (!status && facts)
    status = status_check_struct("facts", facts, sizeof *facts);
  if (!status)
    status = canonical_of(spec, &canonical);
  if (!status && has_plan(&canonical)) {
    canonical_plan(&plan);
    status = precompile(ctx, &plan, NULL);
  }
  return status ? status : precompile(ctx, &canonical, facts);
}
