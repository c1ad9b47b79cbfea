/* cuGetProcAddress, the lock of the interface, the sticky error and its names. */
#include "api.h"

#include "gpusim.h"
#include "report.h"

#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static CUresult failure;

void api_lock(void) {
  pthread_mutex_lock(&lock);
}

void api_unlock(void) {
  pthread_mutex_unlock(&lock);
}

CUresult api_failure(void) {
  return failure;
}

void api_set_failure(CUresult error) {
  failure = error;
}

EXPORT void gpusim_reset(void) {
  api_lock();
  failure = CUDA_SUCCESS;
  sim_report_clear();
  api_unlock();
}

static const struct {
  CUresult code;
  const char *name, *text;
} errors[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {CUDA_ERROR_ASSERT, "CUDA_ERROR_ASSERT", "a check of the simulator failed"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
    {CUDA_ERROR_UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static CUresult error_name(CUresult error, const char **text) {
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (errors[i].code == error) {
      *text = errors[i].name;
      return CUDA_SUCCESS;
    }
  *text = NULL;
  return CUDA_ERROR_INVALID_VALUE;
}

static CUresult error_string(CUresult error, const char **text) {
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (errors[i].code == error) {
      *text = errors[i].text;
      return CUDA_SUCCESS;
    }
  *text = NULL;
  return CUDA_ERROR_INVALID_VALUE;
}

static const api_entry entries[] = {
    API_ENTRY("cuGetErrorName", error_name),
    API_ENTRY("cuGetErrorString", error_string),
    API_ENTRY("cuGetProcAddress", cuGetProcAddress_v2),
    API_ENTRY("cuGetProcAddress_v2", cuGetProcAddress_v2),
};

const api_table api_error_table = API_TABLE(entries);

static const api_table *const tables[] = {
    &api_error_table, &api_device_table,  &api_memory_table, &api_stream_table,
    &api_graph_table, &api_library_table, &api_launch_table,
};

EXPORT CUresult CUDAAPI cuGetProcAddress_v2(const char *symbol, void **function, int version, cuuint64_t flags,
                                            CUdriverProcAddressQueryResult *status) {
  CUdriverProcAddressQueryResult result = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  (void)flags;
  if (!symbol || !function)
    return CUDA_ERROR_INVALID_VALUE;
  *function = NULL;
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
    for (size_t e = 0; e < tables[t]->count; e++) {
      const api_entry *entry = &tables[t]->entries[e];
      if (strcmp(entry->name, symbol) != 0)
        continue;
      bool old = version < entry->since;
      *function = old ? NULL : entry->function;
      result = old ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT : CU_GET_PROC_ADDRESS_SUCCESS;
    }
  if (status)
    *status = result;
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
