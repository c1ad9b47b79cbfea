/* Device memory, copies and fills. */
#ifndef GPUSIM_API_MEMORY_H
#define GPUSIM_API_MEMORY_H

#include "api/entry.h"

extern const struct api_table api_memory_table;

#endif
