/* The devices, which are all alike, their attributes and their contexts. */
#ifndef GPUSIM_API_DEVICE_H
#define GPUSIM_API_DEVICE_H

#include "api/entry.h"

#include <stdbool.h>
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

/* That of the current context; the first in a thread without a context. */
uint32_t api_current_device(void);

/* Whether there is a device of this number. */
bool api_device_exists(CUdevice device);

extern const struct api_table api_device_table;

#endif
