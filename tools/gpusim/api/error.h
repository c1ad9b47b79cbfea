/* Names of errors. */
#ifndef GPUSIM_API_ERROR_H
#define GPUSIM_API_ERROR_H

#include "api/entry.h"

extern const struct api_table api_error_table;

#endif
