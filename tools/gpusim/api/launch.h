/* Launches and occupancy. */
#ifndef GPUSIM_API_LAUNCH_H
#define GPUSIM_API_LAUNCH_H

#include "api/entry.h"

extern const struct api_table api_launch_table;

#endif
