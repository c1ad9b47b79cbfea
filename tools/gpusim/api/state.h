/* What the whole interface shares: its lock and the sticky error. */
#ifndef GPUSIM_API_STATE_H
#define GPUSIM_API_STATE_H

#include <cuda.h>

/* One lock for the whole interface: launches run to their end inside it. */
void api_lock(void);
void api_unlock(void);

/* The sticky error; CUDA_SUCCESS if none. */
CUresult api_failure(void);
void api_set_failure(CUresult error);

#endif
