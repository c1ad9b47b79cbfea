/* Driver interface: cuGetProcAddress, through which all other functions are found. */
#include "api/device.h"
#include "api/error.h"
#include "api/graph.h"
#include "api/launch.h"
#include "api/library.h"
#include "api/memory.h"
#include "api/stream.h"
#include "api/tensor_map.h"

#include <stdbool.h>
#include <string.h>

static const struct api_entry entries[] = {
    API_ENTRY("cuGetProcAddress", cuGetProcAddress_v2),
    API_ENTRY("cuGetProcAddress_v2", cuGetProcAddress_v2),
};

static const struct api_table lookup_table = API_TABLE(entries);

static const struct api_table *const tables[] = {
    &lookup_table,    &api_error_table,   &api_device_table, &api_memory_table,     &api_stream_table,
    &api_graph_table, &api_library_table, &api_launch_table, &api_tensor_map_table,
};

__attribute__((visibility("default"))) CUresult CUDAAPI cuGetProcAddress_v2(const char *symbol, void **function,
                                                                            int version, cuuint64_t flags,
                                                                            CUdriverProcAddressQueryResult *status) {
  CUdriverProcAddressQueryResult result = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  (void)flags;
  if (!symbol || !function)
    return CUDA_ERROR_INVALID_VALUE;
  *function = NULL;
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
    for (size_t e = 0; e < tables[t]->count; e++) {
      const struct api_entry *entry = &tables[t]->entries[e];
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
