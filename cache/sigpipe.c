/* Blocks SIGPIPE in a thread, and takes what came of it: handlers belong to the program. */
#include "cache/sigpipe.h"

#include <pthread.h>
#include <time.h>

static sigset_t only_sigpipe(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  return set;
}

static bool is_pending(void) {
  sigset_t pending;
  sigemptyset(&pending);
  sigpending(&pending);
  return sigismember(&pending, SIGPIPE) == 1;
}

void sigpipe_hold(struct sigpipe *held) {
  const sigset_t set = only_sigpipe();
  held->was_pending = is_pending();
  pthread_sigmask(SIG_BLOCK, &set, &held->mask);
}

/* One that was pending before is the program's. */
void sigpipe_release(const struct sigpipe *held) {
  const sigset_t set = only_sigpipe();
  const struct timespec now = {0};
  if (!held->was_pending && is_pending())
    sigtimedwait(&set, NULL, &now);
  pthread_sigmask(SIG_SETMASK, &held->mask, NULL);
}
