/* Declarations of variables. */
#ifndef GPUSIM_PTX_DECLARATION_H
#define GPUSIM_PTX_DECLARATION_H

#include "ptx/cursor.h"

/* One variable declaration after its space directive, without the closing mark. */
struct ptx_variable *ptx_variable_declaration(struct ptx_cursor *cursor, enum ptx_space space);

#endif
