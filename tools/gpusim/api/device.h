/* The one device, its attributes and its context. */
#ifndef GPUSIM_API_DEVICE_H
#define GPUSIM_API_DEVICE_H

#include "api/entry.h"

#include <stdint.h>

/* Limits of the simulated architecture. */
struct api_limits {
  uint32_t architecture;
  int shared_optin;
  int shared_per_multiprocessor;
  int threads_per_multiprocessor;
  int blocks_per_multiprocessor;
};

enum { API_SHARED_DEFAULT = 48 * 1024, API_SHARED_RESERVED = 1024 };

const struct api_limits *api_architecture(void);

extern const struct api_table api_device_table;

#endif
