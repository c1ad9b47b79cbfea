/* Work of the host on all its cores. */
#ifndef TOOLS_FLASHJIT_PARALLEL_H
#define TOOLS_FLASHJIT_PARALLEL_H

#include <stddef.h>

typedef void parallel_work(void *user, size_t job);

/* Does jobs 0 .. jobs - 1, in any order and several at once; returns when all are done. */
void parallel_run(size_t jobs, parallel_work *work, void *user);

#endif
