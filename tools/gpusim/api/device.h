/* The one device, its attributes and its context. */
#ifndef GPUSIM_API_DEVICE_H
#define GPUSIM_API_DEVICE_H

#include "api/entry.h"

#include <stdint.h>

/* Limits of the simulated architecture. */
typedef struct {
  uint32_t architecture;
  int shared_optin, shared_per_multiprocessor, threads_per_multiprocessor, blocks_per_multiprocessor;
} api_limits;

enum { API_SHARED_DEFAULT = 48 * 1024, API_SHARED_RESERVED = 1024 };

const api_limits *api_architecture(void);

extern const api_table api_device_table;

#endif
