/* How far a list of jobs is, on stderr: a bar that is drawn again and again on a terminal, and nowhere else. */
#ifndef TOOLS_FLASHJIT_PROGRESS_H
#define TOOLS_FLASHJIT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
  size_t count;
  size_t done;
  size_t failed;
  double begin;  /* seconds */
  bool terminal; /* that understands what a bar takes */
};

void progress_begin(struct progress *progress, size_t count);

/* Begins a line of text where the bar is. */
void progress_clear(const struct progress *progress);

/* One more is done. */
void progress_step(struct progress *progress, bool failed);

/* The bar, with the time that is left and the job that was done last. */
void progress_draw(const struct progress *progress, const char *job);

/* Leaves the bar as it is. */
void progress_end(const struct progress *progress);

#endif
