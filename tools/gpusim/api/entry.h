/* Tables of exported functions. */
#ifndef GPUSIM_API_ENTRY_H
#define GPUSIM_API_ENTRY_H

#include <cuda.h>
#include <stddef.h>

/* One exported function; `since` is the oldest driver version whose signature this is. */
struct api_entry {
  const char *name;
  void *function;
  int since;
};

struct api_table {
  const struct api_entry *entries;
  size_t count;
};

#define API_ENTRY(name, function)                                                                                      \
  { name, (void *)(function), 0 }
#define API_TABLE(array)                                                                                               \
  { array, sizeof(array) / sizeof *(array) }

#endif
