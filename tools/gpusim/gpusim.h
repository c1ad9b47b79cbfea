/* Test interface of the simulator, beside the driver functions that cuGetProcAddress_v2 gives out. */
#ifndef GPUSIM_H
#define GPUSIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Copies the report of the fault that made launches fail, and returns its length; 0 if there was none. */
size_t gpusim_report(char *buffer, size_t bytes);

/* Forgets the fault: launches work again. Memory and modules stay. */
void gpusim_reset(void);

/* Warp instructions executed by all launches so far. */
uint64_t gpusim_executed(void);

/* Reads the settings from the environment again: FLASHJIT_SIM_CHECKS, _SEED, _QUIET, _LIMIT, _ARCH, _SMS,
 * _DEVICES, _THREADS. */
void gpusim_configure(void);

#ifdef __cplusplus
}
#endif

#endif
