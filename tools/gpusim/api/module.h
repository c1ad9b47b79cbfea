/* Loaded modules: PTX, its variables in device memory, and a program per entry. */
#ifndef GPUSIM_API_MODULE_H
#define GPUSIM_API_MODULE_H

#include "program/program.h"

struct sim_module {
  struct ptx_module *source;
  struct sim_program **programs;
  size_t program_count;
};

/* On a device, whose compute capability times 10 is given. Returns NULL with the reason in `error`. */
struct sim_module *sim_module_load(const char *text, uint32_t device, uint32_t architecture,
                                   char error[PTX_ERROR_BYTES]);
/* Gives a variable of device memory an address, which it keeps. False: there is no memory. */
bool sim_variable_place(struct ptx_variable *variable, uint32_t device);
void sim_module_unload(struct sim_module *module);

#endif
