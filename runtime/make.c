/* The steps of making a kernel, in order: render, find, fetch or compile, load, publish, prepare. The driver has the
 * last word on every image: what it refuses makes way for the next in the cache, then for what a compiler makes, then
 * for what an older one makes. */
#include "runtime/make.h"

#include "generator/error.h"
#include "generator/family.h"
#include "generator/tile_choice.h"
#include "runtime/clock.h"

#include <stdio.h>

/* The shared memory that a CTA of the current device has. The plan kernel makes do with what there is. */
static fi_status shared_on_device(struct driver *driver, const fi_spec *canonical, uint32_t *bytes) {
  struct device device = {.shared_per_block = UINT32_MAX};
  int ordinal;
  fi_status status = driver->current_device(driver, &ordinal);
  if (!status)
    status = driver->describe_device(driver, ordinal, &device);
  *bytes = canonical->op == FI_OP_PLAN ? UINT32_MAX : device.shared_per_block;
  return status;
}

fi_status make_check(fi_ctx *ctx, const fi_spec *canonical) {
  struct driver *driver;
  const struct target *target;
  uint32_t shared;
  uint32_t choice;
  int ordinal;
  if (atomic_load(&ctx->mode) == FI_MODE_MEMORY_ONLY)
    return error_set(FI_ERROR_NOT_CACHED, "the mode is memory_only, and the context does not hold the kernel");
  fi_status status = context_driver(ctx, &driver);
  if (!status)
    status = driver->current_device(driver, &ordinal);
  if (!status)
    status = context_target(ctx, &target);
  if (!status)
    status = kernel_check_device(ctx, ordinal);
  if (!status)
    status = shared_on_device(driver, canonical, &shared);
  return status ? status : tile_first(canonical, target, shared, &choice);
}

/* -------------------------------------------------------------------------------- image */

/* The server gets what was compiled when nobody waits for the lock any more. */
static fi_status compile_and_publish(struct build *build, struct compiler *compiler) {
  struct cache_lock lock;
  fi_status status = FI_OK;
  build_lock(build, &lock);
  /* Another process may have had the lock. */
  if (!build_find_own(build, compiler) && !build_fetch(build, compiler)) {
    status = build_compile(build, compiler);
    if (!status)
      build_publish(build, 0);
  }
  build_unlock(build, &lock);
  if (!status)
    build_share(build);
  return status;
}

/* False when there is no other, which is added to what the last error says of the one at hand. */
static bool next_compiler(fi_ctx *ctx, uint32_t *number, struct compiler **compiler) {
  char why[ERROR_SIZE];
  snprintf(why, sizeof why, "%s", fi_last_error());
  const fi_status status = context_compiler(ctx, ++*number, compiler);
  if (status)
    error_set(status, "%s; and there is no other compiler: %s", why, fi_last_error());
  return !status;
}

/* Without a driver nobody knows whether another compiler's image would load, so only the own one's count. A compiler of
 * which a part turns out to be missing makes way for the next. */
fi_status make_image(struct build *build) {
  fi_ctx *ctx = build->ctx;
  uint32_t number = context_first_compiler(ctx);
  struct compiler *compiler;
  fi_status status = FI_OK;
  if (!context_compiles(ctx) || context_compiler(ctx, number, &compiler)) {
    if (build_find(build))
      return FI_OK;
    status = build_compiler(build, number, &compiler); /* the mode may be another by now */
  }
  if (status)
    return status;
  do {
    status = build_find_own(build, compiler) ? FI_OK : compile_and_publish(build, compiler);
  } while (status == FI_ERROR_NO_COMPILER && next_compiler(ctx, &number, &compiler));
  if (!status)
    context_prefer_compiler(ctx, number);
  return status;
}

/* -------------------------------------------------------------------------------- load */

struct loader {
  fi_kernel *kernel;
  struct driver *driver;
  struct build *build;
  bool rejected; /* the last image */
};

static fi_status load(struct loader *loader) {
  const struct cache_entry *entry = &loader->build->entry;
  const struct image image = {
      .bytes = entry->image,
      .symbol = entry->symbol,
      .args_size = loader->build->source.tile.family->argument_size,
  };
  loader->rejected = false;
  return loader->driver->load(loader->driver, &image, &loader->kernel->module, &loader->rejected);
}

/* One that this driver refused when it was made is not tried again; another driver may load it. */
static bool was_refused(const struct loader *loader) {
  return loader->build->entry.refused_by && loader->build->entry.refused_by == loader->driver->version;
}

/* From what is found on. Rejected when there is none that the driver loads. */
static fi_status load_found(struct loader *loader, bool is_found) {
  loader->rejected = true;
  while (is_found) {
    const bool fresh = was_refused(loader);
    if (!fresh) {
      const fi_status status = load(loader);
      if (!loader->rejected)
        return status;
    } else {
      error_set(FI_ERROR_DRIVER, "this driver did not load it when it was compiled");
    }
    is_found = build_find_next(loader->build, fresh);
  }
  return FI_OK;
}

/* The sentence about the last error, when it is a refusal. */
static fi_status tell_refusal(const struct loader *loader, const struct compiler *compiler) {
  const uint32_t version = loader->driver->version;
  return error_set(FI_ERROR_DRIVER,
                   "the driver, of CUDA %u.%u, refuses what the compiler %s makes of \"%s\" for %s: %s", version / 1000,
                   version % 1000 / 10, compiler->toolchain, loader->build->spec_text, loader->build->target->name,
                   fi_last_error());
}

static fi_status compile_and_load(struct loader *loader, struct compiler *compiler) {
  fi_status status = build_compile(loader->build, compiler);
  loader->rejected = false;
  if (status)
    return status;
  status = load(loader);
  if (loader->rejected) {
    status = tell_refusal(loader, compiler);
    build_problem(loader->build, fi_last_error());
  }
  if (!status || loader->rejected)
    build_publish(loader->build, loader->rejected ? loader->driver->version : 0);
  return status;
}

/* What the server has when nobody has seen it refused. */
static bool fetch(struct build *build, struct compiler *compiler) {
  return !build_is_hopeless(build, compiler) && build_fetch(build, compiler);
}

/* Another process may have had the lock, and published what this one would compile; or another machine has. */
static fi_status load_from(struct loader *loader, struct compiler *compiler) {
  struct build *build = loader->build;
  struct cache_lock lock;
  fi_status status = FI_OK;
  loader->rejected = true;
  build_lock(build, &lock);
  if (!build->refused && build_find_own(build, compiler))
    status = load_found(loader, true);
  if (loader->rejected && fetch(build, compiler))
    status = load_found(loader, true);
  if (loader->rejected)
    status = build_is_hopeless(build, compiler) ? tell_refusal(loader, compiler) : compile_and_load(loader, compiler);
  build_unlock(build, &lock);
  if (!status && !loader->rejected)
    build_share(build);
  return status;
}

/* One compiler after the other, until one has all its parts and makes what loads; it is the first for other kernels. */
static fi_status load_compiled(struct loader *loader) {
  fi_ctx *ctx = loader->build->ctx;
  uint32_t number = context_first_compiler(ctx);
  struct compiler *compiler;
  fi_status status = build_compiler(loader->build, number, &compiler);
  if (status)
    return status;
  bool refused = false;
  bool next;
  do {
    status = load_from(loader, compiler);
    refused |= loader->rejected;
    next = loader->rejected || status == FI_ERROR_NO_COMPILER;
  } while (next && next_compiler(ctx, &number, &compiler));
  loader->kernel->hopeless = next && refused;
  if (!next)
    context_prefer_compiler(ctx, number);
  return status;
}

/* -------------------------------------------------------------------------------- kernel */

static fi_status load_kernel(fi_kernel *kernel) {
  struct build build;
  struct loader loader = {.kernel = kernel, .build = &build};
  const double begin = clock_ms();
  uint32_t shared;
  fi_status status = context_driver(kernel->ctx, &loader.driver);
  if (!status)
    status = shared_on_device(loader.driver, &kernel->spec, &shared);
  if (status)
    return status;
  status = build_begin(&build, kernel->ctx, &kernel->spec, shared);
  if (!status)
    status = load_found(&loader, build_find(&build));
  if (!status && loader.rejected)
    status = load_compiled(&loader);
  if (!status) {
    const double milliseconds = clock_ms() - begin;
    kernel->tile = build.source.tile;
    build_facts(&build, &kernel->facts);
    build_event(&build, (fi_event){.kind = FI_EVENT_LOADED, .layer = build.layer, .milliseconds = milliseconds});
  }
  build_end(&build);
  return status;
}

fi_status make_load(fi_kernel *kernel) {
  return kernel->module.library ? FI_OK : load_kernel(kernel);
}

fi_status make_ready(fi_kernel *kernel) {
  uint32_t ctas;
  return kernel_prepare(kernel, &ctas);
}
