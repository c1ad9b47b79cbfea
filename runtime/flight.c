/* The states of kernels, and the table that they are entered into. */
#include "runtime/flight.h"

#include "generator/error.h"
#include "runtime/context.h"
#include "runtime/kernel.h"

#include <stdlib.h>
#include <string.h>

/* Only a compile costs so much that it is not tried again; another device may be current the next time. */
static bool is_for_ever(const fi_kernel *kernel, fi_status status) {
  return status == FI_ERROR_COMPILE || status == FI_ERROR_DEADLINE || (status && kernel->hopeless);
}

static void set_state(fi_kernel *kernel, enum kernel_state state) {
  atomic_store_explicit(&kernel->state, state, memory_order_release);
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

/* Waits while another thread makes the kernel. True when the caller is to make it. */
static bool take(fi_kernel *kernel) {
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

fi_status flight_claim(fi_ctx *ctx, const fi_spec *canonical, fi_kernel **kernel, bool *mine) {
  *mine = false;
  *kernel = enter(ctx, canonical);
  if (!*kernel)
    return error_set(FI_ERROR_MEMORY, "no memory for a kernel, or more than %d kernels in one context",
                     TABLE_MOST_KERNELS);
  *mine = take(*kernel);
  if (*mine || !(*kernel)->failure)
    return FI_OK;
  return error_set((*kernel)->failure, "%s", (*kernel)->message ? (*kernel)->message : "no memory for the reason");
}

/* Under the table's lock. */
static void end_claim(fi_kernel *kernel, enum kernel_state state) {
  set_state(kernel, state);
  pthread_cond_broadcast(&kernel->ctx->settled);
}

void flight_settle(fi_kernel *kernel, fi_status status) {
  fi_ctx *ctx = kernel->ctx;
  const bool for_ever = is_for_ever(kernel, status);
  if (!status)
    atomic_fetch_add(&ctx->counters.kernels, 1);
  pthread_mutex_lock(&ctx->table_lock);
  if (for_ever) {
    kernel->failure = status;
    kernel->message = strdup(fi_last_error());
  }
  end_claim(kernel, for_ever ? KERNEL_FAILED : status ? KERNEL_EMPTY : KERNEL_READY);
  pthread_mutex_unlock(&ctx->table_lock);
}

void flight_release(fi_kernel *kernel) {
  pthread_mutex_lock(&kernel->ctx->table_lock);
  end_claim(kernel, KERNEL_EMPTY);
  pthread_mutex_unlock(&kernel->ctx->table_lock);
}
