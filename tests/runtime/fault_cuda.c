/* Wraps the functions that the library calls, apart from those that tell what an error is. */
#include "fault_cuda.h"

#include <cuda.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED struct fault_cuda fault_cuda;

static bool fails(const char *name) {
  struct fault_cuda *fault = &fault_cuda;
  fault->calls++;
  if (!fault->fail_at || fault->calls < fault->fail_at || (fault->calls > fault->fail_at && !fault->lasting))
    return false;
  fault->failed = name;
  return true;
}

#define FUNCTIONS(WRAP)                                                                                                \
  WRAP(cuInit, (unsigned flags), (flags))                                                                              \
  WRAP(cuDriverGetVersion, (int *version), (version))                                                                  \
  WRAP(cuCtxGetCurrent, (CUcontext * context), (context))                                                              \
  WRAP(cuCtxSetCurrent, (CUcontext context), (context))                                                                \
  WRAP(cuCtxGetDevice, (CUdevice * device), (device))                                                                  \
  WRAP(cuDeviceGetAttribute, (int *value, CUdevice_attribute which, CUdevice device), (value, which, device))          \
  WRAP(cuThreadExchangeStreamCaptureMode, (CUstreamCaptureMode * mode), (mode))                                        \
  WRAP(cuStreamIsCapturing, (CUstream stream, CUstreamCaptureStatus * status), (stream, status))                       \
  WRAP(cuLibraryGetKernel, (CUkernel * kernel, CUlibrary library, const char *name), (kernel, library, name))          \
  WRAP(cuKernelGetFunction, (CUfunction * function, CUkernel kernel), (function, kernel))                              \
  WRAP(cuKernelSetAttribute, (CUfunction_attribute which, int value, CUkernel kernel, CUdevice device),                \
       (which, value, kernel, device))                                                                                 \
  WRAP(cuOccupancyMaxActiveBlocksPerMultiprocessor, (int *blocks, CUfunction function, int threads, size_t shared),    \
       (blocks, function, threads, shared))                                                                            \
  WRAP(cuLaunchKernelEx, (const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra),         \
       (config, function, parameters, extra))                                                                          \
  WRAP(cuFuncLoad, (CUfunction function), (function))                                                                  \
  WRAP(cuKernelGetParamInfo, (CUkernel kernel, size_t number, size_t * offset, size_t * size),                         \
       (kernel, number, offset, size))

#define DEFINE(name, parameters, arguments)                                                                            \
  static CUresult(*real_##name) parameters;                                                                            \
  static CUresult wrapped_##name parameters {                                                                          \
    return fails(#name) ? (CUresult)fault_cuda.error : real_##name arguments;                                          \
  }
FUNCTIONS(DEFINE)
#undef DEFINE

static CUresult (*real_cuLibraryLoadData)(CUlibrary *, const void *, CUjit_option *, void **, unsigned,
                                          CUlibraryOption *, void **, unsigned);
static CUresult (*real_cuLibraryUnload)(CUlibrary);

static CUresult wrapped_cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *options, void **values,
                                          unsigned count, CUlibraryOption *library_options, void **library_values,
                                          unsigned library_count) {
  if (fails("cuLibraryLoadData"))
    return (CUresult)fault_cuda.error;
  const CUresult result =
      real_cuLibraryLoadData(library, code, options, values, count, library_options, library_values, library_count);
  fault_cuda.loaded += result == CUDA_SUCCESS;
  return result;
}

/* What is said to have failed has happened, so that a failed unloading leaves nothing behind. */
static CUresult wrapped_cuLibraryUnload(CUlibrary library) {
  const CUresult result = real_cuLibraryUnload(library);
  fault_cuda.loaded -= result == CUDA_SUCCESS;
  return fails("cuLibraryUnload") ? (CUresult)fault_cuda.error : result;
}

static const struct wrapped {
  const char *name;
  void *real; /* where the real function's address goes */
  void (*function)(void);
} functions[] = {
#define ROW(name, parameters, arguments) {#name, &real_##name, (void (*)(void))wrapped_##name},
    FUNCTIONS(ROW)
#undef ROW
        {"cuLibraryLoadData", &real_cuLibraryLoadData, (void (*)(void))wrapped_cuLibraryLoadData},
    {"cuLibraryUnload", &real_cuLibraryUnload, (void (*)(void))wrapped_cuLibraryUnload},
};

typedef CUresult lookup_function(const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *);

static lookup_function *real_lookup(void) {
  static lookup_function *lookup;
  void *library = lookup ? NULL : dlopen(getenv("FAULT_CUDA_DRIVER"), RTLD_NOW);
  void *symbol = library ? dlsym(library, "cuGetProcAddress_v2") : NULL;
  if (symbol)
    memcpy(&lookup, &symbol, sizeof symbol);
  return lookup;
}

EXPORTED CUresult cuGetProcAddress_v2(const char *name, void **function, int version, cuuint64_t flags,
                                      CUdriverProcAddressQueryResult *found) {
  const CUresult result = real_lookup()(name, function, version, flags, found);
  for (size_t i = 0; result == CUDA_SUCCESS && i < sizeof functions / sizeof *functions; i++) {
    if (strcmp(functions[i].name, name) != 0)
      continue;
    memcpy(functions[i].real, function, sizeof *function);
    *function = (void *)(uintptr_t)functions[i].function;
  }
  return result;
}
