/* The driver behind device.h: opened at run time, each function by name and version. */
#include "tools/common/device.h"

#include <cuda.h>
#include <cudaTypedefs.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* FUNCTION(name, version of its signature) */
#define DRIVER_FUNCTIONS(FUNCTION)                                                                                     \
  FUNCTION(cuInit, 2000)                                                                                               \
  FUNCTION(cuDriverGetVersion, 2020)                                                                                   \
  FUNCTION(cuGetErrorName, 6000)                                                                                       \
  FUNCTION(cuDeviceGetCount, 2000)                                                                                     \
  FUNCTION(cuDeviceGet, 2000)                                                                                          \
  FUNCTION(cuDeviceGetName, 2000)                                                                                      \
  FUNCTION(cuDeviceGetAttribute, 2000)                                                                                 \
  FUNCTION(cuDevicePrimaryCtxRetain, 7000)                                                                             \
  FUNCTION(cuDevicePrimaryCtxRelease, 11000)                                                                           \
  FUNCTION(cuCtxSetCurrent, 4000)                                                                                      \
  FUNCTION(cuMemAlloc, 3020)                                                                                           \
  FUNCTION(cuMemFree, 3020)                                                                                            \
  FUNCTION(cuMemcpyHtoD, 3020)                                                                                         \
  FUNCTION(cuMemcpyDtoH, 3020)                                                                                         \
  FUNCTION(cuMemsetD8, 3020)                                                                                           \
  FUNCTION(cuLibraryLoadData, 12000)                                                                                   \
  FUNCTION(cuLibraryUnload, 12000)                                                                                     \
  FUNCTION(cuLibraryGetKernel, 12000)                                                                                  \
  FUNCTION(cuLaunchKernel, 4000)                                                                                       \
  FUNCTION(cuStreamCreate, 2000)                                                                                       \
  FUNCTION(cuStreamDestroy, 4000)                                                                                      \
  FUNCTION(cuStreamSynchronize, 2000)                                                                                  \
  FUNCTION(cuStreamBeginCapture, 10010)                                                                                \
  FUNCTION(cuStreamEndCapture, 10000)                                                                                  \
  FUNCTION(cuGraphInstantiateWithFlags, 11040)                                                                         \
  FUNCTION(cuGraphDestroy, 10000)                                                                                      \
  FUNCTION(cuGraphLaunch, 10000)                                                                                       \
  FUNCTION(cuGraphExecDestroy, 10000)                                                                                  \
  FUNCTION(cuEventCreate, 2000)                                                                                        \
  FUNCTION(cuEventRecord, 2000)                                                                                        \
  FUNCTION(cuEventSynchronize, 2000)                                                                                   \
  FUNCTION(cuEventElapsedTime, 2000)                                                                                   \
  FUNCTION(cuEventDestroy, 4000)

#define MEMBER(name, version) PFN_##name##_v##version name;

struct driver {
  void *library;
  CUdevice device;
  CUcontext context;
  DRIVER_FUNCTIONS(MEMBER)
};

struct function {
  const char *name;
  int version;
  size_t offset; /* in struct driver */
};

#define ROW(name, version) {#name, version, offsetof(struct driver, name)},

static const struct function functions[] = {DRIVER_FUNCTIONS(ROW)};

static const char simulator[] = "libflashjit-sim.so";

/* ------------------------------------------------------------------------------------------------ errors */

bool device_failed(const struct device *device) {
  return device && device->error[0] != '\0';
}

/* Keeps the text of a failed call; false after any failure. */
static bool succeeded(struct device *device, const char *call, CUresult result) {
  if (result != CUDA_SUCCESS) {
    const char *name = NULL;
    device->driver->cuGetErrorName(result, &name);
    snprintf(device->error, sizeof device->error, "%s failed: %s (%d)", call, name ? name : "unknown error",
             (int)result);
  }
  return !device_failed(device);
}

bool device_recover(struct device *device) {
  const struct device failed = *device;
  device->error[0] = '\0';
  device_sync(device, NULL);
  if (device_failed(device))
    memcpy(device->error, failed.error, sizeof failed.error);
  return !device_failed(device);
}

/* Calls a driver function unless an earlier call failed; the value is whether all is well. */
#define CALL(device, function, ...)                                                                                    \
  succeeded(device, #function, device_failed(device) ? CUDA_SUCCESS : (device)->driver->function(__VA_ARGS__))

/* ------------------------------------------------------------------------------------------------ opening */

static void simulator_path(char *path, size_t size) {
  ssize_t length = readlink("/proc/self/exe", path, size - 1);
  path[length > 0 ? length : 0] = '\0';
  char *slash = strrchr(path, '/');
  size_t folder = slash ? (size_t)(slash + 1 - path) : 0;
  snprintf(path + folder, size - folder, "%s", simulator);
  if (access(path, R_OK) != 0)
    snprintf(path, size, "%s", simulator); /* installed: where the loader finds it */
}

static bool load_functions(struct device *device) {
  struct driver *driver = device->driver;
  PFN_cuGetProcAddress_v12000 get_address = NULL;
  void *symbol = dlsym(driver->library, "cuGetProcAddress_v2");
  memcpy(&get_address, &symbol, sizeof symbol);
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    const struct function *function = &functions[i];
    void *address = NULL;
    if (get_address)
      get_address(function->name, &address, function->version, CU_GET_PROC_ADDRESS_DEFAULT, NULL);
    if (!address) {
      snprintf(device->error, sizeof device->error, "the driver has no %s of version %d", function->name,
               function->version);
      return false;
    }
    memcpy((char *)driver + function->offset, &address, sizeof address);
  }
  return true;
}

static bool open_library(struct device *device, const char *choice) {
  char path[4096];
  if (!choice)
    choice = getenv("FLASHJIT_DRIVER");
  if (!choice || !*choice)
    choice = "libcuda.so.1";
  if (strcmp(choice, "sim") == 0)
    simulator_path(path, sizeof path);
  else
    snprintf(path, sizeof path, "%s", choice);
  device->simulated = strstr(path, simulator) != NULL;
  device->driver = calloc(1, sizeof *device->driver);
  if (!device->driver) {
    snprintf(device->error, sizeof device->error, "out of memory");
    return false;
  }
  device->driver->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!device->driver->library) {
    snprintf(device->error, sizeof device->error, "no driver: %s", dlerror());
    return false;
  }
  return load_functions(device) && CALL(device, cuDriverGetVersion, &device->version);
}

/* The library stays loaded: drivers keep state that does not survive unloading. */
static void forget_driver(struct device *device) {
  free(device->driver);
  device->driver = NULL;
}

static bool find_device(struct device *device) {
  if (!CALL(device, cuInit, 0) || !CALL(device, cuDeviceGetCount, &device->count))
    return false;
  if (device->number < device->count)
    return CALL(device, cuDeviceGet, &device->driver->device, device->number);
  snprintf(device->error, sizeof device->error, "there is no device %d, only %d", device->number, device->count);
  return false;
}

bool device_use(struct device *device) {
  return CALL(device, cuCtxSetCurrent, device->driver->context);
}

static bool retain_context(struct device *device) {
  struct driver *driver = device->driver;
  int l2_bytes = 0;
  if (!find_device(device) || !CALL(device, cuDeviceGetName, device->name, sizeof device->name, driver->device) ||
      !CALL(device, cuDeviceGetAttribute, &device->sms, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, driver->device) ||
      !CALL(device, cuDeviceGetAttribute, &l2_bytes, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, driver->device) ||
      !CALL(device, cuDevicePrimaryCtxRetain, &driver->context, driver->device))
    return false;
  device->l2_bytes = (size_t)l2_bytes;
  device->simulated |= strstr(device->name, "simulator") != NULL; /* under whatever file name */
  return device_use(device);
}

/* What else the reader of the error may try. */
static void add_hint(struct device *device) {
  const char *hint = "FLASHJIT_DRIVER=sim runs on the simulator";
  if (device->simulated)
    hint = device->count ? "FLASHJIT_SIM_DEVICES says how many the simulator has"
                         : "the simulator is looked for beside the command, then where the loader looks";
  const size_t length = strlen(device->error);
  snprintf(device->error + length, sizeof device->error - length, " (%s)", hint);
}

bool device_open_number(struct device *device, const char *driver, int number) {
  *device = (struct device){.number = number};
  if (open_library(device, driver) && retain_context(device))
    return true;
  add_hint(device);
  forget_driver(device);
  return false;
}

bool device_open(struct device *device, const char *driver) {
  return device_open_number(device, driver, 0);
}

void device_close(struct device *device) {
  if (!device->driver)
    return;
  device->driver->cuDevicePrimaryCtxRelease(device->driver->device);
  forget_driver(device);
}

int device_driver_version(const char *driver, bool *simulated) {
  struct device device = {0};
  open_library(&device, driver);
  forget_driver(&device);
  *simulated = device.simulated;
  return device.version;
}

/* ------------------------------------------------------------------------------------------------ memory */

void *device_alloc(struct device *device, size_t bytes) {
  CUdeviceptr memory = 0;
  if (!device)
    return NULL;
  CALL(device, cuMemAlloc, &memory, bytes > 0 ? bytes : 1);
  return (void *)(uintptr_t)memory;
}

/* Also after a failure, so that an error does not leak. */
void device_free(struct device *device, void *memory) {
  if (memory)
    device->driver->cuMemFree((CUdeviceptr)(uintptr_t)memory);
}

/* Copies from pageable memory may be under way when the call returns, and streams made here do not wait for them. */
void device_upload(struct device *device, void *to, const void *from, size_t bytes) {
  if (bytes == 0 || !device)
    return;
  CALL(device, cuMemcpyHtoD, (CUdeviceptr)(uintptr_t)to, from, bytes);
  device_sync(device, NULL);
}

void device_download(struct device *device, void *to, const void *from, size_t bytes) {
  if (bytes > 0 && device)
    CALL(device, cuMemcpyDtoH, to, (CUdeviceptr)(uintptr_t)from, bytes);
}

/* So may fills. */
void device_fill(struct device *device, void *to, unsigned char value, size_t bytes) {
  if (bytes == 0 || !device)
    return;
  CALL(device, cuMemsetD8, (CUdeviceptr)(uintptr_t)to, value, bytes);
  device_sync(device, NULL);
}

/* ------------------------------------------------------------------------------------------------ kernels */

void *device_library_load(struct device *device, const char *image, char *log, size_t log_bytes) {
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, (void *)(uintptr_t)log_bytes};
  CUlibrary library = NULL;
  snprintf(log, log_bytes, "%s", device->error);
  if (device_failed(device))
    return NULL;
  if (device->driver->cuLibraryLoadData(&library, image, options, values, 2, NULL, NULL, 0) != CUDA_SUCCESS)
    return NULL;
  return library;
}

void device_library_unload(struct device *device, void *library) {
  if (library)
    device->driver->cuLibraryUnload(library);
}

void *device_kernel(struct device *device, void *library, const char *name) {
  CUkernel kernel = NULL;
  CALL(device, cuLibraryGetKernel, &kernel, library, name);
  return kernel;
}

void device_launch(struct device *device, void *kernel, unsigned blocks, unsigned threads, void **parameters) {
  CALL(device, cuLaunchKernel, kernel, blocks, 1, 1, threads, 1, 1, 0, NULL, parameters, NULL);
}

/* ------------------------------------------------------------------------------------------------ streams */

void *device_stream_create(struct device *device) {
  CUstream stream = NULL;
  CALL(device, cuStreamCreate, &stream, CU_STREAM_NON_BLOCKING);
  return stream;
}

void device_stream_destroy(struct device *device, void *stream) {
  if (stream)
    device->driver->cuStreamDestroy(stream);
}

void device_sync(struct device *device, void *stream) {
  CALL(device, cuStreamSynchronize, stream);
}

/* ------------------------------------------------------------------------------------------------ graphs */

void device_capture_begin(struct device *device, void *stream) {
  CALL(device, cuStreamBeginCapture, stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
}

void *device_capture_stop(struct device *device, void *stream) {
  CUgraph graph = NULL;
  CALL(device, cuStreamEndCapture, stream, &graph);
  return graph;
}

void *device_graph_make(struct device *device, void *captured) {
  CUgraphExec executable = NULL;
  if (!captured)
    return NULL;
  CALL(device, cuGraphInstantiateWithFlags, &executable, captured, 0);
  device->driver->cuGraphDestroy(captured);
  return executable;
}

void *device_capture_end(struct device *device, void *stream) {
  return device_graph_make(device, device_capture_stop(device, stream));
}

void device_graph_launch(struct device *device, void *graph, void *stream) {
  CALL(device, cuGraphLaunch, graph, stream);
}

void device_graph_destroy(struct device *device, void *graph) {
  if (graph)
    device->driver->cuGraphExecDestroy(graph);
}

/* ------------------------------------------------------------------------------------------------ events */

void *device_event_create(struct device *device) {
  CUevent event = NULL;
  CALL(device, cuEventCreate, &event, CU_EVENT_DEFAULT);
  return event;
}

void device_event_record(struct device *device, void *event, void *stream) {
  CALL(device, cuEventRecord, event, stream);
}

void device_event_destroy(struct device *device, void *event) {
  if (event)
    device->driver->cuEventDestroy(event);
}

double device_event_elapsed(struct device *device, void *begin, void *end) {
  float milliseconds = 0;
  if (CALL(device, cuEventSynchronize, end))
    CALL(device, cuEventElapsedTime, &milliseconds, begin, end);
  return (double)milliseconds;
}
