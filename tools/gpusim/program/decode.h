/* Entries of a module to programs. */
#ifndef GPUSIM_PROGRAM_DECODE_H
#define GPUSIM_PROGRAM_DECODE_H

#include "program/form.h"

/* Decodes one entry and the functions it calls. Returns NULL with the reason in `error`. */
sim_program *sim_decode(const ptx_module *module, const ptx_function *entry, sim_form_set forms,
                        char error[PTX_ERROR_BYTES]);

#endif
