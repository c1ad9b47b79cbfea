/* The CUDA driver, opened at run time. The only file that includes cuda.h. */
#include "runtime/driver.h"

#include "generator/error.h"
#include "runtime/driver_path.h"

#include <cuda.h>
#include <cudaTypedefs.h>
#include <dlfcn.h>
#include <stdlib.h>

/*
 * The functions in use, each with the driver version whose form of it is meant: PFN_<name>_v<version> is its
 * type. One that is optional is NULL in older drivers.
 */
#define DRIVER_FUNCTIONS(REQUIRED, OPTIONAL)                                                                           \
  REQUIRED(cuInit, 2000)                                                                                               \
  REQUIRED(cuDriverGetVersion, 2020)                                                                                   \
  REQUIRED(cuGetErrorName, 6000)                                                                                       \
  REQUIRED(cuGetErrorString, 6000)                                                                                     \
  REQUIRED(cuCtxGetCurrent, 4000)                                                                                      \
  REQUIRED(cuCtxSetCurrent, 4000)                                                                                      \
  REQUIRED(cuCtxGetDevice, 2000)                                                                                       \
  REQUIRED(cuDeviceGetAttribute, 2000)                                                                                 \
  REQUIRED(cuThreadExchangeStreamCaptureMode, 10010)                                                                   \
  REQUIRED(cuStreamIsCapturing, 10000)                                                                                 \
  REQUIRED(cuLibraryLoadData, 12000)                                                                                   \
  REQUIRED(cuLibraryUnload, 12000)                                                                                     \
  REQUIRED(cuLibraryGetKernel, 12000)                                                                                  \
  REQUIRED(cuKernelGetFunction, 12000)                                                                                 \
  REQUIRED(cuKernelSetAttribute, 12000)                                                                                \
  REQUIRED(cuOccupancyMaxActiveBlocksPerMultiprocessor, 6050)                                                          \
  REQUIRED(cuLaunchKernelEx, 11060)                                                                                    \
  OPTIONAL(cuTensorMapEncodeTiled, 12000)                                                                              \
  OPTIONAL(cuFuncLoad, 12040)                                                                                          \
  OPTIONAL(cuKernelGetParamInfo, 12040)

struct cuda {
  struct driver base;
  bool can_overlap; /* older drivers cannot capture launches that overlap in a graph */
#define POINTER(name, version) PFN_##name##_v##version name;
  DRIVER_FUNCTIONS(POINTER, POINTER)
#undef POINTER
};

static const struct cuda *cuda_of(const struct driver *self) {
  return (const struct cuda *)self;
}

/* FI_OK, or the driver's name and text of the error. */
static fi_status check(const struct cuda *cuda, CUresult result, const char *what) {
  if (result == CUDA_SUCCESS)
    return FI_OK;
  const char *name = NULL;
  const char *text = NULL;
  cuda->cuGetErrorName(result, &name);
  cuda->cuGetErrorString(result, &text);
  return error_set(FI_ERROR_DRIVER, "%s: %s (%d): %s", what, name ? name : "unknown error", (int)result,
                   text ? text : "no text");
}

/* -------------------------------------------------------------------------------- devices */

static void *cuda_get_context(struct driver *self) {
  const struct cuda *cuda = cuda_of(self);
  CUcontext context = NULL;
  return cuda->cuCtxGetCurrent(&context) == CUDA_SUCCESS ? context : NULL;
}

/* One that cannot be set shows when the device is asked for. */
static void cuda_set_context(struct driver *self, void *context) {
  const struct cuda *cuda = cuda_of(self);
  cuda->cuCtxSetCurrent(context);
}

static fi_status cuda_current_device(struct driver *self, int *ordinal) {
  const struct cuda *cuda = cuda_of(self);
  const CUresult result = cuda->cuCtxGetDevice(ordinal);
  if (result == CUDA_ERROR_INVALID_CONTEXT)
    return error_set(FI_ERROR_DRIVER, "no CUDA context is current in this thread");
  return check(cuda, result, "cuCtxGetDevice");
}

static fi_status cuda_describe_device(struct driver *self, int ordinal, struct device *device) {
  const struct cuda *cuda = cuda_of(self);
  const struct {
    CUdevice_attribute attribute;
    uint32_t *value;
  } wanted[] = {
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, &device->major},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, &device->minor},
      {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, &device->sms},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, &device->shared_per_block},
  };
  fi_status status = FI_OK;
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted && !status; i++) {
    int value = 0;
    status = check(cuda, cuda->cuDeviceGetAttribute(&value, wanted[i].attribute, ordinal), "cuDeviceGetAttribute");
    *wanted[i].value = (uint32_t)value;
  }
  return status;
}

/* -------------------------------------------------------------------------------- modules */

/* Loads while any thread may be capturing a stream: the default mode would make that capture fail. Undo with
 * the result. */
static CUstreamCaptureMode relax_capture(const struct cuda *cuda) {
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  cuda->cuThreadExchangeStreamCaptureMode(&mode);
  return mode;
}

static void restore_capture(const struct cuda *cuda, CUstreamCaptureMode mode) {
  cuda->cuThreadExchangeStreamCaptureMode(&mode);
}

static bool blames_image(CUresult result) {
  static const CUresult blaming[] = {
      CUDA_ERROR_INVALID_IMAGE,           CUDA_ERROR_NO_BINARY_FOR_GPU, CUDA_ERROR_INVALID_PTX,
      CUDA_ERROR_UNSUPPORTED_PTX_VERSION, CUDA_ERROR_INVALID_SOURCE,    CUDA_ERROR_NOT_FOUND,
  };
  for (size_t i = 0; i < sizeof blaming / sizeof *blaming; i++) {
    if (result == blaming[i])
      return true;
  }
  return false;
}

/* Older drivers look at an image no sooner than this. */
static fi_status check_code(const struct cuda *cuda, CUkernel kernel, bool *rejected) {
  CUfunction function;
  const CUresult result = cuda->cuKernelGetFunction(&function, kernel);
  *rejected = blames_image(result);
  return check(cuda, result, "cuKernelGetFunction");
}

/* Host and device must agree on the argument, else the kernel reads garbage. */
static fi_status check_argument(const struct cuda *cuda, CUkernel kernel, const struct image *image, bool *rejected) {
  size_t offset = 0;
  size_t size = 0;
  if (!cuda->cuKernelGetParamInfo)
    return FI_OK;
  const CUresult result = cuda->cuKernelGetParamInfo(kernel, 0, &offset, &size);
  *rejected = blames_image(result);
  if (result != CUDA_SUCCESS)
    return check(cuda, result, "cuKernelGetParamInfo");
  *rejected = size != image->args_size;
  if (*rejected)
    return error_set(FI_ERROR_DRIVER, "kernel %s takes %zu bytes of arguments; this library passes %zu", image->symbol,
                     size, image->args_size);
  return FI_OK;
}

static void cuda_unload(struct driver *self, const struct module *module) {
  cuda_of(self)->cuLibraryUnload(module->library);
}

static fi_status load_kernel(const struct cuda *cuda, const struct image *image, struct module *module,
                             bool *rejected) {
  CUlibrary library;
  CUkernel kernel;
  CUresult result = cuda->cuLibraryLoadData(&library, image->bytes, NULL, NULL, 0, NULL, NULL, 0);
  *rejected = blames_image(result);
  if (result != CUDA_SUCCESS)
    return check(cuda, result, "cuLibraryLoadData");
  result = cuda->cuLibraryGetKernel(&kernel, library, image->symbol);
  *rejected = blames_image(result);
  fi_status status = check(cuda, result, "cuLibraryGetKernel");
  if (!status)
    status = check_code(cuda, kernel, rejected);
  if (!status)
    status = check_argument(cuda, kernel, image, rejected);
  if (status) {
    cuda->cuLibraryUnload(library);
    return status;
  }
  *module = (struct module){.library = library, .kernel = kernel};
  return FI_OK;
}

static fi_status cuda_load(struct driver *self, const struct image *image, struct module *module, bool *rejected) {
  const struct cuda *cuda = cuda_of(self);
  const CUstreamCaptureMode mode = relax_capture(cuda);
  const fi_status status = load_kernel(cuda, image, module, rejected);
  restore_capture(cuda, mode);
  return status;
}

static fi_status prepare_kernel(const struct cuda *cuda, CUkernel kernel, const struct shape *shape, int ordinal,
                                int *ctas_per_sm) {
  CUfunction function;
  fi_status status = FI_OK;
  if (shape->dynamic_shared)
    status = check(cuda,
                   cuda->cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                              (int)shape->dynamic_shared, kernel, ordinal),
                   "cuKernelSetAttribute");
  if (!status)
    status = check(cuda, cuda->cuKernelGetFunction(&function, kernel), "cuKernelGetFunction");
  if (!status && cuda->cuFuncLoad)
    status = check(cuda, cuda->cuFuncLoad(function), "cuFuncLoad");
  if (!status)
    status = check(cuda,
                   cuda->cuOccupancyMaxActiveBlocksPerMultiprocessor(ctas_per_sm, function, (int)shape->threads,
                                                                     shape->dynamic_shared),
                   "cuOccupancyMaxActiveBlocksPerMultiprocessor");
  return status;
}

static fi_status cuda_prepare(struct driver *self, const struct module *module, const struct shape *shape, int ordinal,
                              uint32_t *ctas_per_sm) {
  const struct cuda *cuda = cuda_of(self);
  int ctas = 0;
  const CUstreamCaptureMode mode = relax_capture(cuda);
  const fi_status status = prepare_kernel(cuda, module->kernel, shape, ordinal, &ctas);
  restore_capture(cuda, mode);
  *ctas_per_sm = (uint32_t)ctas;
  return status;
}

/* -------------------------------------------------------------------------------- streams */

static fi_status cuda_is_capturing(struct driver *self, void *stream, bool *capturing) {
  const struct cuda *cuda = cuda_of(self);
  CUstreamCaptureStatus capture = CU_STREAM_CAPTURE_STATUS_NONE;
  const CUresult result = cuda->cuStreamIsCapturing(stream, &capture);
  *capturing = capture != CU_STREAM_CAPTURE_STATUS_NONE || result == CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  return *capturing ? FI_OK : check(cuda, result, "cuStreamIsCapturing");
}

static fi_status cuda_launch(struct driver *self, const struct module *module, const struct launch *launch) {
  const struct cuda *cuda = cuda_of(self);
  CUlaunchAttribute attributes[2];
  unsigned count = 0;
  if (launch->shape.overlaps && cuda->can_overlap)
    attributes[count++] = (CUlaunchAttribute){.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
                                              .value.programmaticStreamSerializationAllowed = 1};
  if (launch->shape.pairs && launch->ctas % 2 == 0)
    attributes[count++] =
        (CUlaunchAttribute){.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, .value.clusterDim = {2, 1, 1}};
  const CUlaunchConfig config = {
      .gridDimX = launch->ctas,
      .gridDimY = 1,
      .gridDimZ = 1,
      .blockDimX = launch->shape.threads,
      .blockDimY = 1,
      .blockDimZ = 1,
      .sharedMemBytes = launch->shape.dynamic_shared,
      .hStream = launch->stream,
      .attrs = attributes,
      .numAttrs = count,
  };
  void *parameters[] = {(void *)(uintptr_t)launch->args}; /* copied by the launch, never written */
  return check(cuda, cuda->cuLaunchKernelEx(&config, (CUfunction)module->kernel, parameters, NULL), "cuLaunchKernelEx");
}

/* -------------------------------------------------------------------------------- tensor maps */

/* Rows of a box lie in shared memory as wgmma reads them; what is outside of the tensor is 0. */
static fi_status cuda_map_tensor(struct driver *self, const struct tensor *tensor, void *map) {
  const struct cuda *cuda = cuda_of(self);
  const cuuint32_t steps[MOST_TENSOR_RANK] = {1, 1, 1, 1, 1};
  cuuint64_t extents[MOST_TENSOR_RANK];
  cuuint64_t strides[MOST_TENSOR_RANK - 1];
  for (int i = 0; i < MOST_TENSOR_RANK; i++)
    extents[i] = tensor->extents[i];
  for (int i = 0; i < MOST_TENSOR_RANK - 1; i++)
    strides[i] = tensor->strides[i];
  if (!cuda->cuTensorMapEncodeTiled)
    return error_set(FI_ERROR_OLD_DRIVER, "the driver lacks cuTensorMapEncodeTiled");
  void *data = (void *)(uintptr_t)tensor->data; /* its address is part of the map, nothing is read or written */
  return check(cuda,
               cuda->cuTensorMapEncodeTiled(map, CU_TENSOR_MAP_DATA_TYPE_UINT16, tensor->rank, data, extents, strides,
                                            tensor->box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
                                            CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                                            CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
               "cuTensorMapEncodeTiled");
}

/* -------------------------------------------------------------------------------- open */

static PFN_cuGetProcAddress_v12000 newer_lookup(void *library) {
  PFN_cuGetProcAddress_v12000 lookup;
  *(void **)&lookup = dlsym(library, "cuGetProcAddress_v2");
  return lookup;
}

static PFN_cuGetProcAddress_v11030 older_lookup(void *library) {
  PFN_cuGetProcAddress_v11030 lookup;
  *(void **)&lookup = dlsym(library, "cuGetProcAddress");
  return lookup;
}

static void *find_function(void *library, const char *name, int version) {
  const PFN_cuGetProcAddress_v12000 newer = newer_lookup(library);
  const PFN_cuGetProcAddress_v11030 older = older_lookup(library);
  void *function = NULL;
  if (newer)
    newer(name, &function, version, CU_GET_PROC_ADDRESS_DEFAULT, NULL);
  else if (older)
    older(name, &function, version, CU_GET_PROC_ADDRESS_DEFAULT);
  return function;
}

static fi_status find_functions(struct cuda *cuda, void *library) {
#define OPTIONAL(name, version) *(void **)&cuda->name = find_function(library, #name, version);
#define REQUIRED(name, version)                                                                                        \
  OPTIONAL(name, version)                                                                                              \
  if (!cuda->name)                                                                                                     \
    return error_set(FI_ERROR_OLD_DRIVER,                                                                              \
                     "the driver lacks %s of CUDA %d.%d; a driver for CUDA 12.0 or newer is needed", #name,            \
                     version / 1000, version % 1000 / 10);
  DRIVER_FUNCTIONS(REQUIRED, OPTIONAL)
#undef REQUIRED
#undef OPTIONAL
  return FI_OK;
}

static fi_status start(struct cuda *cuda) {
  enum { CAPTURES_OVERLAP = 12030 };
  int version = 0;
  const CUresult result = cuda->cuInit(0);
  if (cuda->cuDriverGetVersion(&version) == CUDA_SUCCESS)
    cuda->base.version = (uint32_t)version;
  cuda->can_overlap = version >= CAPTURES_OVERLAP;
  if (result == CUDA_ERROR_NO_DEVICE || result == CUDA_ERROR_STUB_LIBRARY)
    return error_set(FI_ERROR_NO_DRIVER, "the driver found no device (cuInit: %d)", (int)result);
  return check(cuda, result, "cuInit");
}

/* The library stays open: it has threads of its own, and the application uses it too. */
static void cuda_close(struct driver *self) {
  free(self);
}

fi_status driver_open(const char *path, struct driver **driver) {
  bool simulated;
  void *library = driver_path_open(path, &simulated);
  if (!library)
    return error_set(FI_ERROR_NO_DRIVER,
                     "the CUDA driver cannot be opened (FLASHJIT_DRIVER names its path; \"sim\" is the simulator): %s",
                     dlerror());
  struct cuda *cuda = calloc(1, sizeof *cuda);
  if (!cuda) {
    dlclose(library);
    return error_set(FI_ERROR_MEMORY, "no memory for the driver");
  }
  cuda->base = (struct driver){
      .simulated = simulated,
      .get_context = cuda_get_context,
      .set_context = cuda_set_context,
      .current_device = cuda_current_device,
      .describe_device = cuda_describe_device,
      .load = cuda_load,
      .unload = cuda_unload,
      .prepare = cuda_prepare,
      .is_capturing = cuda_is_capturing,
      .map_tensor = cuda_map_tensor,
      .launch = cuda_launch,
      .close = cuda_close,
  };
  fi_status status = find_functions(cuda, library);
  if (!status)
    status = start(cuda);
  if (status) {
    free(cuda);
    dlclose(library);
    return status;
  }
  *driver = &cuda->base;
  return FI_OK;
}
