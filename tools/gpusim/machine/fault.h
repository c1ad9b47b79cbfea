/* Faults of a launch. */
#ifndef GPUSIM_MACHINE_FAULT_H
#define GPUSIM_MACHINE_FAULT_H

#include "machine/machine.h"

enum sim_fault_kind {
  SIM_FAULT_NONE,
  SIM_FAULT_ADDRESS, /* reported as CUDA_ERROR_ILLEGAL_ADDRESS */
  SIM_FAULT_CHECK,   /* CUDA_ERROR_ASSERT */
  SIM_FAULT_OTHER    /* CUDA_ERROR_LAUNCH_FAILED */
};

#define SIM_NO_LANE UINT32_MAX

/* Reports where and why, the first time in a launch, and leaves the worker. */
__attribute__((cold, noreturn, format(printf, 5, 6))) void sim_fault(const struct sim_warp *warp,
                                                                     const struct sim_inst *inst, uint32_t lane,
                                                                     enum sim_fault_kind kind, const char *format, ...);

#endif
