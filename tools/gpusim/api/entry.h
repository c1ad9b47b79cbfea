/* Tables of exported functions. */
#ifndef GPUSIM_API_ENTRY_H
#define GPUSIM_API_ENTRY_H

#include <cuda.h>
#include <stddef.h>

/* One exported function; `since` is the oldest driver version whose signature this is. */
typedef struct {
  const char *name;
  void *function;
  int since;
} api_entry;

typedef struct {
  const api_entry *entries;
  size_t count;
} api_table;

#define API_ENTRY(name, function)                                                                                      \
  { name, (void *)(function), 0 }
#define API_TABLE(array)                                                                                               \
  { array, sizeof(array) / sizeof *(array) }

#endif
