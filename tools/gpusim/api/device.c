/* Driver interface: the devices, which are all alike, their attributes and their contexts. */
#include "api/device.h"

#include "api/settings.h"
#include "api/state.h"
#include "machine/memory.h"
#include "machine/report.h"
#include "program/program.h"

#include <stdio.h>
#include <string.h>

enum { DRIVER_VERSION = 13000, MAX_CONTEXT_STACK = 32 };

/* In ascending order: a GPU without a row has the limits of the nearest older one. */
static const struct api_limits architectures[] = {
    {80, 163 * 1024, 164 * 1024, 2048, 32},  {86, 99 * 1024, 100 * 1024, 1536, 16},
    {87, 163 * 1024, 164 * 1024, 1536, 16},  {89, 99 * 1024, 100 * 1024, 1536, 24},
    {90, 227 * 1024, 228 * 1024, 2048, 32},  {100, 227 * 1024, 228 * 1024, 2048, 32},
    {103, 227 * 1024, 228 * 1024, 2048, 32}, {110, 227 * 1024, 228 * 1024, 1536, 24},
    {120, 99 * 1024, 100 * 1024, 1536, 24},  {121, 99 * 1024, 100 * 1024, 1536, 24},
};

/* The primary context of each device; its address is the handle. */
static struct CUctx_st { uint32_t device; } primary[SIM_MAX_DEVICES] = {{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}};

static _Thread_local CUcontext stack[MAX_CONTEXT_STACK];
static _Thread_local int depth;

const struct api_limits *api_architecture(void) {
  const struct api_limits *best = &architectures[0];
  for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
    if (architectures[i].architecture <= sim_settings()->architecture)
      best = &architectures[i];
  return best;
}

bool api_device_exists(CUdevice device) {
  return device >= 0 && (uint64_t)device < sim_settings()->devices;
}

static CUresult check_device(CUdevice device) {
  return api_device_exists(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

static bool is_context(CUcontext context) {
  for (size_t i = 0; i < sim_settings()->devices; i++)
    if (context == &primary[i])
      return true;
  return false;
}

uint32_t api_current_device(void) {
  return depth ? stack[depth - 1]->device : 0;
}

static CUresult init(unsigned flags) {
  const char *problem = sim_settings_problem();
  if (problem)
    sim_report_set(problem, sim_settings()->quiet);
  if (flags || problem)
    return CUDA_ERROR_INVALID_VALUE;
  return sim_memory_start() ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult driver_version(int *version) {
  *version = DRIVER_VERSION;
  return CUDA_SUCCESS;
}

static CUresult device_count(int *count) {
  *count = (int)sim_settings()->devices;
  return CUDA_SUCCESS;
}

static CUresult device_get(CUdevice *device, int ordinal) {
  *device = ordinal;
  return check_device(ordinal);
}

static CUresult device_name(char *name, int bytes, CUdevice device) {
  if (!api_device_exists(device) || bytes <= 0)
    return bytes > 0 ? CUDA_ERROR_INVALID_DEVICE : CUDA_ERROR_INVALID_VALUE;
  snprintf(name, (size_t)bytes, "flashjit simulator");
  return CUDA_SUCCESS;
}

static CUresult device_total_memory(size_t *bytes, CUdevice device) {
  *bytes = sim_memory_total();
  return check_device(device);
}

static CUresult device_uuid(CUuuid *uuid, CUdevice device) {
  memset(uuid, 0, sizeof *uuid);
  memcpy(uuid->bytes, "flashjit-sim", 12);
  uuid->bytes[sizeof uuid->bytes - 1] = (char)device;
  return check_device(device);
}

static CUresult device_attribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  const struct api_limits *limits = api_architecture();
  int major = (int)sim_settings()->architecture / 10;
  int minor = (int)sim_settings()->architecture % 10;
  const struct {
    CUdevice_attribute attribute;
    int value;
  } table[] = {
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, major},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, minor},
      {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, (int)sim_settings()->multiprocessors},
      {CU_DEVICE_ATTRIBUTE_WARP_SIZE, SIM_LANES},
      {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, SIM_MAX_THREADS},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, SIM_MAX_THREADS},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, SIM_MAX_THREADS},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 64},
      {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, 0x7fffffff},
      {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, 65535},
      {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, 65535},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, API_SHARED_DEFAULT},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, limits->shared_optin},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, limits->shared_per_multiprocessor},
      {CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK, API_SHARED_RESERVED},
      {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, limits->threads_per_multiprocessor},
      {CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR, limits->blocks_per_multiprocessor},
      {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, 65536},
      {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR, 65536},
      {CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY, 65536},
      {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 50 << 20},
      {CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 1000000},
      {CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 1},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i].attribute == attribute) {
      *value = table[i].value;
      return check_device(device);
    }
  *value = 0; /* a feature the simulator does not have */
  return check_device(device);
}

static CUresult primary_retain(CUcontext *context, CUdevice device) {
  *context = api_device_exists(device) ? &primary[device] : NULL;
  return check_device(device);
}

static CUresult primary_release(CUdevice device) {
  return check_device(device);
}

static CUresult context_current(CUcontext *context) {
  *context = depth ? stack[depth - 1] : NULL;
  return CUDA_SUCCESS;
}

static CUresult context_set(CUcontext context) {
  if (context && !is_context(context))
    return CUDA_ERROR_INVALID_CONTEXT;
  depth -= depth > 0;
  if (context)
    stack[depth++] = context;
  return CUDA_SUCCESS;
}

static CUresult context_push(CUcontext context) {
  if (!is_context(context) || depth == MAX_CONTEXT_STACK)
    return CUDA_ERROR_INVALID_CONTEXT;
  stack[depth++] = context;
  return CUDA_SUCCESS;
}

static CUresult context_pop(CUcontext *context) {
  if (depth == 0)
    return CUDA_ERROR_INVALID_CONTEXT;
  depth--;
  if (context)
    *context = stack[depth];
  return CUDA_SUCCESS;
}

static CUresult context_device(CUdevice *device) {
  *device = (CUdevice)api_current_device();
  return depth ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

static CUresult context_id(CUcontext context, unsigned long long *id) {
  const CUcontext asked = context || !depth ? context : stack[depth - 1];
  if (!is_context(asked))
    return CUDA_ERROR_INVALID_CONTEXT;
  *id = asked->device + 1;
  return CUDA_SUCCESS;
}

static CUresult context_synchronize(void) {
  api_lock();
  CUresult result = api_failure();
  api_unlock();
  return result;
}

static const struct api_entry entries[] = {
    API_ENTRY("cuInit", init),
    API_ENTRY("cuDriverGetVersion", driver_version),
    API_ENTRY("cuDeviceGetCount", device_count),
    API_ENTRY("cuDeviceGet", device_get),
    API_ENTRY("cuDeviceGetName", device_name),
    API_ENTRY("cuDeviceGetUuid", device_uuid),
    API_ENTRY("cuDeviceTotalMem", device_total_memory),
    API_ENTRY("cuDeviceGetAttribute", device_attribute),
    API_ENTRY("cuDevicePrimaryCtxRetain", primary_retain),
    API_ENTRY("cuDevicePrimaryCtxRelease", primary_release),
    API_ENTRY("cuCtxGetCurrent", context_current),
    API_ENTRY("cuCtxSetCurrent", context_set),
    API_ENTRY("cuCtxPushCurrent", context_push),
    API_ENTRY("cuCtxPopCurrent", context_pop),
    API_ENTRY("cuCtxGetDevice", context_device),
    API_ENTRY("cuCtxGetId", context_id),
    API_ENTRY("cuCtxSynchronize", context_synchronize),
};

const struct api_table api_device_table = API_TABLE(entries);
