/* Loaded modules: PTX, its variables in device memory, and a program per entry. */
#ifndef GPUSIM_API_MODULE_H
#define GPUSIM_API_MODULE_H

#include "program/program.h"

typedef struct sim_module {
  ptx_module *source;
  sim_program **programs;
  size_t program_count;
} sim_module;

/* Returns NULL with the reason in `error`. */
sim_module *sim_module_load(const char *text, char error[PTX_ERROR_BYTES]);
void sim_module_unload(sim_module *module);

#endif
