/* Threads of the library's own, which end before the call does that needs them. */
#ifndef RUNTIME_CREW_H
#define RUNTIME_CREW_H

#include "flashjit.h"

/*
 * Does work(data, 0) .. work(data, count - 1), in the caller's CUDA context, on at most so many threads (0: one a
 * core). What a crew's own threads hand to a crew, they do themselves, one after the other.
 */
void crew_run(fi_ctx *ctx, uint32_t threads, uint32_t count, void (*work)(void *data, uint32_t number), void *data);

#endif
