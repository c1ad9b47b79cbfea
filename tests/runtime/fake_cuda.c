/*
 * A library that looks like libcuda and does nothing, to test how the driver is opened. LACKING, a string, is
 * a function that it does not have; with OLD_LOOKUP there is only the first cuGetProcAddress; INIT_RESULT is
 * what cuInit returns, and VERSION the CUDA version of the driver.
 */
#include <cuda.h>
#include <stdlib.h>
#include <string.h>

#ifndef LACKING
#define LACKING ""
#endif
#ifndef INIT_RESULT
#define INIT_RESULT CUDA_SUCCESS
#endif

#ifndef VERSION
#define VERSION 13000
#endif

#define EXPORTED __attribute__((visibility("default")))

static CUresult init(unsigned flags) {
  (void)flags;
  return INIT_RESULT;
}

static CUresult error_text(CUresult error, const char **text) {
  *text = error == CUDA_ERROR_UNKNOWN ? "the text of the fake driver" : NULL;
  return CUDA_SUCCESS;
}

static CUresult get_device(CUdevice *device) {
  const char *result = getenv("FAKE_CUDA_GET_DEVICE");
  *device = 3;
  return result ? (CUresult)atoi(result) : CUDA_SUCCESS;
}

/* An H200. */
static CUresult device_attribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  (void)device;
  *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR   ? 9
           : attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR ? 0
           : attribute == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT     ? 132
                                                                       : 227 << 10;
  return CUDA_SUCCESS;
}

static CUresult driver_version(int *version) {
  *version = VERSION;
  return CUDA_SUCCESS;
}

/* The stream is where the test wants the first attribute's id; 0 if there is none. */
static CUresult launch(const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra) {
  (void)function;
  (void)parameters;
  (void)extra;
  *(CUlaunchAttributeID *)(void *)config->hStream = config->numAttrs > 0 ? config->attrs[0].id : 0;
  return CUDA_SUCCESS;
}

/* FAKE_CUDA_REFUSES: the function of these that refuses the image, with CUDA_ERROR_UNSUPPORTED_PTX_VERSION. */
static CUresult refuse_in(const char *name) {
  const char *refusing = getenv("FAKE_CUDA_REFUSES");
  if (!refusing)
    return CUDA_ERROR_UNKNOWN;
  return strcmp(refusing, name) == 0 ? CUDA_ERROR_UNSUPPORTED_PTX_VERSION : CUDA_SUCCESS;
}

static CUresult load_data(CUlibrary *library) {
  *library = NULL;
  return refuse_in("cuLibraryLoadData");
}

static CUresult get_kernel(CUkernel *kernel) {
  *kernel = NULL;
  return refuse_in("cuLibraryGetKernel");
}

static CUresult get_function(CUfunction *function) {
  *function = NULL;
  return refuse_in("cuKernelGetFunction");
}

static CUresult get_parameter(CUkernel kernel, size_t number, size_t *offset, size_t *size) {
  (void)kernel;
  (void)number;
  *offset = 0;
  *size = 8;
  return refuse_in("cuKernelGetParamInfo");
}

/* Takes any arguments; nothing that the tests call is looked at. */
static CUresult fail(void) {
  return CUDA_ERROR_UNKNOWN;
}

static void *function_of(const char *name) {
  static const struct {
    const char *name;
    void (*function)(void);
  } special[] = {
      {"cuInit", (void (*)(void))init},
      {"cuGetErrorName", (void (*)(void))error_text},
      {"cuGetErrorString", (void (*)(void))error_text},
      {"cuCtxGetDevice", (void (*)(void))get_device},
      {"cuDriverGetVersion", (void (*)(void))driver_version},
      {"cuDeviceGetAttribute", (void (*)(void))device_attribute},
      {"cuLaunchKernelEx", (void (*)(void))launch},
      {"cuLibraryLoadData", (void (*)(void))load_data},
      {"cuLibraryGetKernel", (void (*)(void))get_kernel},
      {"cuKernelGetFunction", (void (*)(void))get_function},
      {"cuKernelGetParamInfo", (void (*)(void))get_parameter},
  };
  if (strcmp(name, LACKING) == 0)
    return NULL;
  for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
    if (strcmp(name, special[i].name) == 0)
      return (void *)(uintptr_t)special[i].function;
  }
  return (void *)(uintptr_t)fail;
}

#ifdef OLD_LOOKUP
#undef cuGetProcAddress
EXPORTED CUresult cuGetProcAddress(const char *name, void **function, int version, cuuint64_t flags);

EXPORTED CUresult cuGetProcAddress(const char *name, void **function, int version, cuuint64_t flags) {
  (void)version;
  (void)flags;
  *function = function_of(name);
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
#else
EXPORTED CUresult cuGetProcAddress_v2(const char *name, void **function, int version, cuuint64_t flags,
                                      CUdriverProcAddressQueryResult *found) {
  (void)version;
  (void)flags;
  (void)found;
  *function = function_of(name);
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
#endif
