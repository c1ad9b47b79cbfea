/* Keeps SIGPIPE from the program while something writes to a peer that may have gone. */
#ifndef FLASHJIT_CACHE_SIGPIPE_H
#define FLASHJIT_CACHE_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

struct sigpipe {
  sigset_t mask; /* of the thread, before */
  bool was_pending;
};

/* Between the two, a SIGPIPE of this thread is not delivered, and the second drops it. */
void sigpipe_hold(struct sigpipe *held);
void sigpipe_release(const struct sigpipe *held);

#endif
