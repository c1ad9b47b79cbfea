/* Counts forks in a variable that only a forked child changes. The fork handler has no argument, so this is
 * global. */
#include "runtime/fork.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_once_t watch_once = PTHREAD_ONCE_INIT;
static bool watching;
static atomic_uint generation;

static void count_fork(void) {
  atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
}

static void watch(void) {
  watching = pthread_atfork(NULL, NULL, count_fork) == 0;
}

bool fork_watch(void) {
  pthread_once(&watch_once, watch);
  return watching;
}

uint32_t fork_generation(void) {
  return atomic_load_explicit(&generation, memory_order_relaxed);
}
