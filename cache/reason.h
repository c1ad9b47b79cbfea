/* Why something in the cache did not work: one line of text for the event log. */
#ifndef FLASHJIT_CACHE_REASON_H
#define FLASHJIT_CACHE_REASON_H

#include <stdbool.h>

/* Empty when nothing went wrong. Several reasons are joined by "; "; what does not fit ends in "...". */
struct cache_reason {
  char text[1024];
};

void cache_reason_clear(struct cache_reason *reason);

/* Adds a reason and returns false, so that a check can end with `return cache_refuse(...)`. "%m" in the
 * format is the text of errno, which is preserved. */
__attribute__((format(printf, 2, 3))) bool cache_refuse(struct cache_reason *reason, const char *format, ...);

#endif
