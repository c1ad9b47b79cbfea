/* Driver interface: tensor maps. */
#ifndef GPUSIM_API_TENSOR_MAP_H
#define GPUSIM_API_TENSOR_MAP_H

#include "api/entry.h"

extern const struct api_table api_tensor_map_table;

#endif
