/* Libraries, kernels and their attributes. */
#ifndef GPUSIM_API_LIBRARY_H
#define GPUSIM_API_LIBRARY_H

#include "api/entry.h"

extern const struct api_table api_library_table;

#endif
