/* PTX text to its syntax tree. */
#ifndef GPUSIM_PTX_PARSER_H
#define GPUSIM_PTX_PARSER_H

#include "ptx/tree.h"

/* Parses NUL-terminated text, which is copied. On failure returns NULL with the reason in `error`. */
struct ptx_module *ptx_parse(const char *text, char error[PTX_ERROR_BYTES]);
void ptx_destroy(struct ptx_module *module);

#endif
