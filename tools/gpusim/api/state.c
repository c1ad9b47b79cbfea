/* The lock of the interface and the sticky error. */
#include "api/state.h"

#include "gpusim.h"
#include "machine/report.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static CUresult failure;

void api_lock(void) {
  pthread_mutex_lock(&lock);
}

void api_unlock(void) {
  pthread_mutex_unlock(&lock);
}

CUresult api_failure(void) {
  return failure;
}

void api_set_failure(CUresult error) {
  failure = error;
}

static _Thread_local int captures;

void api_count_capture(int change) {
  captures += change;
}

int api_captures(void) {
  return captures;
}

__attribute__((visibility("default"))) void gpusim_reset(void) {
  api_lock();
  failure = CUDA_SUCCESS;
  sim_report_clear();
  api_unlock();
}
