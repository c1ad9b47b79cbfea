/* The bar. */
#include "tools/flashjit/progress.h"

#include "tools/common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether stderr is a terminal whose lines can be drawn anew. */
static bool can_draw(void) {
  const char *kind = getenv("TERM");
  return isatty(STDERR_FILENO) && (!kind || strcmp(kind, "dumb") != 0);
}

void progress_begin(struct progress *progress, size_t count) {
  *progress = (struct progress){.count = count, .begin = clock_seconds(), .terminal = can_draw()};
}

void progress_clear(const struct progress *progress) {
  if (progress->terminal)
    fputs("\r\033[K", stderr);
}

void progress_step(struct progress *progress, bool failed) {
  progress->done++;
  progress->failed += failed;
}

/* ", 1:23 left", by the jobs done so far; "" when nothing can be said. */
static void describe_rest(const struct progress *progress, char *text, size_t size) {
  text[0] = '\0';
  if (progress->done == 0 || progress->done == progress->count)
    return;
  const double each = (clock_seconds() - progress->begin) / (double)progress->done;
  const unsigned left = (unsigned)(each * (double)(progress->count - progress->done) + 0.5);
  snprintf(text, size, ", %u:%02u left", left / 60, left % 60);
}

void progress_draw(const struct progress *progress, const char *job) {
  enum { WIDTH = 30 };
  char bar[WIDTH + 1];
  char rest[32];
  if (!progress->terminal)
    return;
  const size_t filled = progress->count > 0 ? WIDTH * progress->done / progress->count : WIDTH;
  memset(bar, '-', WIDTH);
  memset(bar, '#', filled);
  bar[WIDTH] = '\0';
  describe_rest(progress, rest, sizeof rest);
  progress_clear(progress);
  fprintf(stderr, "[%s] %zu/%zu, %zu failed%s  %.60s", bar, progress->done, progress->count, progress->failed, rest,
          job);
}

void progress_end(const struct progress *progress) {
  if (progress->terminal)
    fputc('\n', stderr);
}
