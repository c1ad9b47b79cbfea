/* Objects behind the driver's opaque handles, and what the files of the driver interface share. */
#ifndef GPUSIM_API_H
#define GPUSIM_API_H

#include "module.h"

#include <cuda.h>
#include <pthread.h>

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

extern const api_table api_device_table, api_memory_table, api_stream_table, api_graph_table, api_library_table,
    api_launch_table, api_error_table;

/* A CUkernel and the CUfunction made from it are the same object. */
typedef struct {
  sim_program *program;
  CUlibrary library;
  uint32_t max_dynamic_shared;
  int carveout;
} api_kernel;

typedef enum { API_LAUNCH, API_COPY, API_FILL } api_operation_kind;

/* Work that is done at once, or recorded by a stream capture. */
typedef struct {
  api_operation_kind kind;
  api_kernel *kernel;
  uint32_t grid[3], threads[3], dynamic_shared;
  bool overlaps;
  uint8_t *parameters; /* owned */
  uint64_t destination, source, bytes;
  uint32_t value, value_bytes;
} api_operation;

struct CUgraph_st {
  api_operation *operations;
  size_t count, capacity;
};

struct CUstream_st {
  CUgraph capture; /* NULL unless capturing */
};

/* One lock for the whole interface: launches run to their end inside it. */
void api_lock(void);
void api_unlock(void);

/* The sticky error; CUDA_SUCCESS if none. */
CUresult api_failure(void);
void api_set_failure(CUresult error);

CUresult api_enqueue(CUstream stream, const api_operation *operation);
CUresult api_execute(const api_operation *operation);
CUresult api_execute_launch(const api_operation *operation);
CUresult api_execute_memory(const api_operation *operation);
CUgraph api_graph_create(void);
void api_graph_destroy(CUgraph graph);

/* Limits of the simulated architecture. */
typedef struct {
  uint32_t architecture;
  int shared_optin, shared_per_multiprocessor, threads_per_multiprocessor, blocks_per_multiprocessor;
} api_limits;

enum { API_SHARED_DEFAULT = 48 * 1024, API_SHARED_RESERVED = 1024 };

const api_limits *api_architecture(void);

#endif
