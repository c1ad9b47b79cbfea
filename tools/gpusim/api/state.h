/* What the whole interface shares: its lock, the sticky error, and how many captures a thread has under way. */
#ifndef GPUSIM_API_STATE_H
#define GPUSIM_API_STATE_H

#include <cuda.h>

/* One lock for the whole interface: launches run to their end inside it. */
void api_lock(void);
void api_unlock(void);

/* The sticky error; CUDA_SUCCESS if none. */
CUresult api_failure(void);
void api_set_failure(CUresult error);

/* Captures of streams that this thread has under way: while there is one, it may make no graph. */
void api_count_capture(int change);
int api_captures(void);

#endif
