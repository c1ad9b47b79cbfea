/* What every call on a kernel needs: checks, preparing it on a device, and its description. */
#include "runtime/kernel.h"

#include "generator/abi.h"
#include "generator/error.h"
#include "generator/family.h"
#include "runtime/context.h"
#include "runtime/fork.h"

#include <stdlib.h>
#include <string.h>

fi_kernel *kernel_member(fi_kernel *kernel, uint32_t number) {
  return number > 0 ? kernel->wider[number - 1] : kernel;
}

struct shape kernel_shape(const fi_kernel *kernel) {
  const struct target *target = atomic_load_explicit(&kernel->ctx->target, memory_order_acquire);
  return (struct shape){.threads = kernel->tile.threads,
                        .dynamic_shared = kernel->tile.shared_bytes,
                        .overlaps = target->overlaps,
                        .pairs = kernel->tile.group_shares > 1 && kernel->tile.family->merges_together};
}

fi_status kernel_launch(const fi_kernel *kernel, const struct launch *launch) {
  struct driver *driver = atomic_load_explicit(&kernel->ctx->driver, memory_order_acquire);
  return driver->launch(driver, &kernel->module, launch);
}

fi_status kernel_check(const fi_kernel *kernel) {
  return kernel ? context_check(kernel->ctx) : error_set(FI_ERROR_ARGUMENT, "kernel is NULL");
}

static void destroy(fi_kernel *kernel) {
  struct driver *driver = atomic_load(&kernel->ctx->driver);
  if (kernel->module.library)
    driver->unload(driver, &kernel->module);
  free(kernel->message);
  free(kernel);
}

/* In a forked child the handles are dead, and another thread of the parent may have held a lock. */
void fi_ctx_destroy(fi_ctx *ctx) {
  if (!ctx || ctx->generation != fork_generation())
    return;
  table_visit(&ctx->table, destroy);
  context_free(ctx);
}

/* -------------------------------------------------------------------------------- prepare */

/* By CUDA's rules of compatibility: for names with a letter, for PTX, and for cubins. */
static bool runs_on(const struct target *target, const struct device *device) {
  const uint32_t arch = 10 * device->major + device->minor;
  const char last = target->name[strlen(target->name) - 1];
  if (last >= 'a')
    return arch == target->arch;
  return arch >= target->arch && (target->ptx || arch / 10 == target->arch / 10);
}

static fi_status check_device(const fi_ctx *ctx, int ordinal, const struct device *device) {
  const struct target *target = atomic_load(&ctx->target);
  if (runs_on(target, device))
    return FI_OK;
  return error_set(FI_ERROR_UNSUPPORTED,
                   "device %d has compute capability %u.%u and the kernels of this context are for %s; a context "
                   "serves one kind of GPU",
                   ordinal, device->major, device->minor, target->name);
}

fi_status kernel_check_device(fi_ctx *ctx, int ordinal) {
  struct driver *driver = atomic_load_explicit(&ctx->driver, memory_order_acquire);
  struct device device;
  const fi_status status = driver->describe_device(driver, ordinal, &device);
  return status ? status : check_device(ctx, ordinal, &device);
}

/* A device may have less shared memory than the target of its kernels, as 8.6 has than sm_80. The plan
 * kernel, which may ask for all that there is, makes do with less. */
static fi_status shape_on(const fi_kernel *kernel, int ordinal, const struct device *device, struct shape *shape) {
  const struct target *target = atomic_load(&kernel->ctx->target);
  *shape = kernel_shape(kernel);
  if (device->shared_per_block >= target->shared_per_block)
    return FI_OK;
  if (kernel->spec.op == FI_OP_PLAN) {
    shape->dynamic_shared -= target->shared_per_block - device->shared_per_block;
    return FI_OK;
  }
  const uint32_t needed = kernel->facts.static_shared + shape->dynamic_shared;
  if (needed <= device->shared_per_block)
    return FI_OK;
  return error_set(FI_ERROR_UNSUPPORTED,
                   "the kernel, which is for %s, needs %u bytes of shared memory; a CTA on device %d has %u",
                   target->name, needed, ordinal, device->shared_per_block);
}

/* Under open_lock. */
static fi_status prepare_on(fi_kernel *kernel, struct driver *driver, int ordinal) {
  struct shape shape;
  struct device device;
  uint32_t ctas_per_sm = 0;
  if (atomic_load(&kernel->device_ctas[ordinal]))
    return FI_OK;
  fi_status status = driver->describe_device(driver, ordinal, &device);
  if (!status)
    status = check_device(kernel->ctx, ordinal, &device);
  if (!status)
    status = shape_on(kernel, ordinal, &device, &shape);
  if (!status)
    status = driver->prepare(driver, &kernel->module, &shape, ordinal, &ctas_per_sm);
  if (status)
    return status;
  if (ctas_per_sm > kernel->tile.ctas_per_sm)
    ctas_per_sm = kernel->tile.ctas_per_sm;
  if (ctas_per_sm == 0)
    return error_set(FI_ERROR_DRIVER, "no CTA of %u threads and %u bytes of shared memory fits on device %d",
                     shape.threads, shape.dynamic_shared, ordinal);
  atomic_store_explicit(&kernel->device_ctas[ordinal], device.sms * ctas_per_sm, memory_order_release);
  return FI_OK;
}

static fi_status current_device(const fi_kernel *kernel, struct driver **driver, int *ordinal) {
  *driver = atomic_load_explicit(&kernel->ctx->driver, memory_order_acquire);
  const fi_status status = (*driver)->current_device(*driver, ordinal);
  if (status)
    return status;
  if (*ordinal < 0 || *ordinal >= KERNEL_MOST_DEVICES)
    return error_set(FI_ERROR_UNSUPPORTED, "device %d: a context serves devices 0 to %d", *ordinal,
                     KERNEL_MOST_DEVICES - 1);
  return FI_OK;
}

/* Read by fi_run without a lock. A kernel comes after all that belong to it, so that these are prepared when it is. */
static uint32_t prepared_ctas(const fi_kernel *kernel, int ordinal) {
  return atomic_load_explicit(&kernel->device_ctas[ordinal], memory_order_acquire);
}

static fi_status prepare_with_plan(fi_kernel *kernel, struct driver *driver, int ordinal) {
  const fi_status status = kernel->plan ? prepare_on(kernel->plan, driver, ordinal) : FI_OK;
  return status ? status : prepare_on(kernel, driver, ordinal);
}

static fi_status prepare_current(fi_kernel *kernel, struct driver *driver, int ordinal, uint32_t *ctas) {
  fi_status status = FI_OK;
  pthread_mutex_lock(&kernel->ctx->open_lock);
  for (uint32_t i = 0; i < kernel->wider_count && !status; i++)
    status = prepare_with_plan(kernel->wider[i], driver, ordinal);
  if (!status)
    status = prepare_with_plan(kernel, driver, ordinal);
  pthread_mutex_unlock(&kernel->ctx->open_lock);
  *ctas = prepared_ctas(kernel, ordinal);
  return status;
}

fi_status kernel_prepare(fi_kernel *kernel, uint32_t *ctas) {
  struct driver *driver;
  int ordinal;
  const fi_status status = current_device(kernel, &driver, &ordinal);
  if (status)
    return status;
  *ctas = prepared_ctas(kernel, ordinal);
  return *ctas ? FI_OK : prepare_current(kernel, driver, ordinal, ctas);
}

fi_status kernel_prepare_for_stream(fi_kernel *kernel, void *stream, uint32_t *ctas) {
  struct driver *driver;
  bool capturing;
  int ordinal;
  fi_status status = current_device(kernel, &driver, &ordinal);
  if (status)
    return status;
  *ctas = prepared_ctas(kernel, ordinal);
  if (*ctas)
    return FI_OK;
  status = driver->is_capturing(driver, stream, &capturing);
  if (status)
    return status;
  if (capturing)
    return error_set(FI_ERROR_CAPTURE,
                     "the stream is being captured and the kernel is not prepared on device %d; call "
                     "fi_kernel_prepare before the capture",
                     ordinal);
  return prepare_current(kernel, driver, ordinal, ctas);
}

fi_status fi_kernel_prepare(fi_kernel *kernel) {
  uint32_t ctas;
  const fi_status status = kernel_check(kernel);
  return status ? status : kernel_prepare(kernel, &ctas);
}

/* -------------------------------------------------------------------------------- description */

fi_status fi_kernel_facts(const fi_kernel *kernel, fi_facts *facts) {
  fi_status status = kernel_check(kernel);
  if (!status)
    status = abi_check(ABI_facts, facts);
  if (status)
    return status;
  *facts = kernel->facts;
  facts->kernels = 1 + kernel->wider_count;
  return FI_OK;
}

fi_status fi_kernel_spec(const fi_kernel *kernel, fi_spec *spec) {
  fi_status status = kernel_check(kernel);
  if (status)
    return status;
  if (!spec)
    return error_set(FI_ERROR_ARGUMENT, "spec is NULL");
  *spec = kernel->spec;
  return FI_OK;
}
