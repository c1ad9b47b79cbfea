/* Function bodies. */
#ifndef GPUSIM_PTX_BODY_H
#define GPUSIM_PTX_BODY_H

#include "ptx/cursor.h"

/* The body of the current function, from { to its }. */
void ptx_body(struct ptx_cursor *cursor);

#endif
