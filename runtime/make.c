/* The steps of making a kernel, in order: render, key, look up, compile, publish, load, prepare. The driver
 * has the last word on what was looked up. */
#include "runtime/make.h"

#include "generator/error.h"
#include "generator/spec.h"
#include "runtime/clock.h"
#include "runtime/flight.h"

bool make_plan_spec(const fi_spec *canonical, fi_spec *plan) {
  fi_spec spec;
  if (canonical->op != FI_OP_ATTENTION && canonical->op != FI_OP_APPEND)
    return false;
  fi_spec_init(&spec);
  spec.op = FI_OP_PLAN;
  return spec_canonical(&spec, plan) == FI_OK;
}

static fi_status load(fi_kernel *kernel, struct driver *driver, const struct build *build, bool *rejected) {
  const struct image image = {
      .bytes = build->entry.image,
      .symbol = build->entry.symbol,
      .args_size = kernel_args_size(kernel->spec.op),
  };
  *rejected = false;
  return driver->load(driver, &image, &kernel->module, rejected);
}

/* An image of the cache that the driver refuses makes way for the next one. */
static fi_status load_first_accepted(fi_kernel *kernel, struct driver *driver, struct build *build) {
  bool rejected;
  fi_status status = load(kernel, driver, build, &rejected);
  while (rejected && build->layer != FI_LAYER_COMPILED) {
    status = build_next(build, fi_last_error());
    if (status)
      return status;
    status = load(kernel, driver, build, &rejected);
  }
  return status;
}

fi_status make_image(struct build *build) {
  return build_find(build) ? FI_OK : build_compile(build);
}

static fi_status get_plan(fi_kernel *kernel) {
  fi_spec plan;
  if (!make_plan_spec(&kernel->spec, &plan))
    return FI_OK;
  return flight_get(kernel->ctx, &plan, &kernel->plan);
}

static fi_status image_and_load(fi_kernel *kernel, struct driver *driver, struct build *build) {
  fi_status status = build_begin(build, kernel->ctx, &kernel->spec);
  if (!status)
    status = make_image(build);
  if (!status)
    status = load_first_accepted(kernel, driver, build);
  return status;
}

static fi_status load_kernel(fi_kernel *kernel) {
  struct driver *driver;
  struct build build;
  const double begin = clock_ms();
  if (atomic_load(&kernel->ctx->mode) == FI_MODE_MEMORY_ONLY)
    return error_set(FI_ERROR_NOT_CACHED, "the mode is memory_only, and the context does not hold the kernel");
  fi_status status = context_driver(kernel->ctx, &driver);
  if (status)
    return status;
  status = image_and_load(kernel, driver, &build);
  if (!status) {
    const double milliseconds = clock_ms() - begin;
    kernel->tile = build.source.tile;
    build_facts(&build, &kernel->facts);
    build_event(&build, (fi_event){.kind = FI_EVENT_LOADED, .layer = build.layer, .milliseconds = milliseconds});
  }
  build_end(&build);
  return status;
}

/* What is loaded stays so when the rest fails: the next attempt goes on from there. */
fi_status make_kernel(fi_kernel *kernel) {
  uint32_t ctas;
  fi_status status = kernel->module.library ? FI_OK : load_kernel(kernel);
  if (!status)
    status = get_plan(kernel);
  return status ? status : kernel_prepare(kernel, &ctas);
}
