/* Kernels for many specs at once, on threads that live for the time of the call. */
#include "generator/error.h"
#include "generator/spec.h"
#include "runtime/context.h"
#include "runtime/crew.h"

#include <pthread.h>
#include <stdio.h>

/* What the threads of one call share. */
struct order {
  fi_ctx *ctx;
  const fi_spec *specs;
  uint32_t count;
  fi_kernel **kernels;
  fi_status *statuses; /* may be NULL */

  pthread_mutex_t lock; /* of the rest, and of the callback, so that progress is told in order */
  uint32_t done;
  uint32_t first_failure; /* count: none */
  fi_status status;       /* its */
  char why[ERROR_SIZE];   /* likewise */
};

static void tell_progress(const struct order *order, uint32_t number, fi_status status) {
  char text[FI_SPEC_TEXT_SIZE] = "";
  char why[ERROR_SIZE] = "";
  fi_spec canonical;
  if (status)
    snprintf(why, sizeof why, "%s", fi_last_error());
  if (!spec_canonical(&order->specs[number], &canonical))
    spec_print(&canonical, text, sizeof text);
  context_event(order->ctx, (fi_event){.kind = FI_EVENT_PROGRESS,
                                       .status = status,
                                       .spec = text,
                                       .message = why,
                                       .done = order->done,
                                       .count = order->count});
}

static void settle(struct order *order, uint32_t number, fi_status status) {
  if (order->statuses)
    order->statuses[number] = status;
  pthread_mutex_lock(&order->lock);
  order->done++;
  if (status && number < order->first_failure) {
    order->first_failure = number;
    order->status = status;
    snprintf(order->why, sizeof order->why, "%s", fi_last_error());
  }
  tell_progress(order, number, status);
  pthread_mutex_unlock(&order->lock);
}

static void get_one(void *data, uint32_t number) {
  struct order *order = data;
  settle(order, number, fi_get_kernel(order->ctx, &order->specs[number], &order->kernels[number]));
}

static fi_status check(const fi_ctx *ctx, const fi_spec *specs, uint32_t count, fi_kernel **kernels) {
  const fi_status status = context_check(ctx);
  if (status)
    return status;
  if (count && !specs)
    return error_set(FI_ERROR_ARGUMENT, "specs is NULL");
  if (count && !kernels)
    return error_set(FI_ERROR_ARGUMENT, "kernels is NULL");
  return FI_OK;
}

fi_status fi_get_kernels(fi_ctx *ctx, const fi_spec *specs, uint32_t count, uint32_t threads, fi_kernel **kernels,
                         fi_status *statuses) {
  const fi_status status = check(ctx, specs, count, kernels);
  if (status || count == 0)
    return status;
  struct order order = {
      .ctx = ctx, .specs = specs, .count = count, .kernels = kernels, .statuses = statuses, .first_failure = count};
  for (uint32_t i = 0; i < count; i++)
    kernels[i] = NULL;
  pthread_mutex_init(&order.lock, NULL);
  crew_run(ctx, threads, count, get_one, &order);
  pthread_mutex_destroy(&order.lock);
  if (order.first_failure == count)
    return FI_OK;
  return error_set(order.status, "spec %u: %s", order.first_failure, order.why);
}
