/* Notices that the process is a forked child: CUDA handles and held locks of the parent are of no use there.
 */
#ifndef RUNTIME_FORK_H
#define RUNTIME_FORK_H

#include <stdbool.h>
#include <stdint.h>

/* Begins to count forks; false when memory runs out. May be called any number of times. */
bool fork_watch(void);

/* The number of forks between the process that first watched and this one. Cheap enough for every call. */
uint32_t fork_generation(void);

#endif
