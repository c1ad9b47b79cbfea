/* Declarations of variables. */
#ifndef GPUSIM_PTX_DECLARATION_H
#define GPUSIM_PTX_DECLARATION_H

#include "ptx/cursor.h"

/* One variable declaration after its space directive, without the closing mark. */
ptx_variable *ptx_variable_declaration(ptx_cursor *cursor, ptx_space space);

#endif
