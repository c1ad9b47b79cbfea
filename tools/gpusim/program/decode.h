/* Entries of a module to programs. */
#ifndef GPUSIM_PROGRAM_DECODE_H
#define GPUSIM_PROGRAM_DECODE_H

#include "program/form.h"

/* Decodes one entry and the functions it calls. Returns NULL with the reason in `error`. */
struct sim_program *sim_decode(const struct ptx_module *module, const struct ptx_function *entry,
                               struct sim_form_set forms, char error[PTX_ERROR_BYTES]);

#endif
