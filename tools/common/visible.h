/* How much of its KV attention sees, in counts of work. */
#ifndef TOOLS_COMMON_VISIBLE_H
#define TOOLS_COMMON_VISIBLE_H

#include "flashjit.h"

/* The first KV token that a query token sees by the window and chunks of a spec, without starts and ranges. */
uint32_t visible_first(const fi_spec *spec, uint32_t place);

/* That after the last one of kv_len, likewise. */
uint32_t visible_end(const fi_spec *spec, uint32_t place, uint32_t kv_len);

/*
 * Pairs of a query and a KV token that it sees, for the query tokens begin .. end - 1 of a request, whose KV ends with
 * them: with lists at most `listed` tokens each; 0: there are none.
 */
double visible_pairs(const fi_spec *spec, double listed, uint32_t begin, uint32_t end);

#endif
