/* Driver interface: device memory, copies and fills. */
#include "api/memory.h"

#include "api/device.h"
#include "api/settings.h"
#include "api/state.h"
#include "api/stream.h"
#include "machine/memory.h"
#include "machine/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static CUresult memory_alloc(CUdeviceptr *address, size_t bytes) {
  if (bytes == 0)
    return CUDA_ERROR_INVALID_VALUE;
  api_lock();
  CUresult result = api_failure();
  *address = result == CUDA_SUCCESS ? sim_memory_allocate(api_current_device(), bytes, NULL) : 0;
  if (result == CUDA_SUCCESS && !*address)
    result = CUDA_ERROR_OUT_OF_MEMORY;
  api_unlock();
  return result;
}

static CUresult memory_free(CUdeviceptr address) {
  if (!address)
    return CUDA_SUCCESS;
  api_lock();
  bool freed = sim_memory_free(address);
  api_unlock();
  return freed ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult memory_info(size_t *available, size_t *total) {
  api_lock();
  *total = sim_memory_total();
  *available = sim_memory_total() - sim_memory_used(api_current_device());
  api_unlock();
  return CUDA_SUCCESS;
}

static CUresult memory_range(CUdeviceptr *base, size_t *bytes, CUdeviceptr address) {
  api_lock();
  const struct sim_allocation *allocation = sim_memory_find(address);
  if (allocation && base)
    *base = allocation->base;
  if (allocation && bytes)
    *bytes = allocation->size;
  api_unlock();
  return allocation ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

static CUresult pointer_attribute(void *value, CUpointer_attribute attribute, CUdeviceptr address) {
  api_lock();
  const struct sim_allocation *allocation = sim_memory_find(address);
  const uint32_t device = allocation ? allocation->device : 0;
  api_unlock();
  if (!allocation)
    return CUDA_ERROR_INVALID_VALUE;
  if (attribute == CU_POINTER_ATTRIBUTE_MEMORY_TYPE)
    *(unsigned *)value = CU_MEMORYTYPE_DEVICE;
  else if (attribute == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
    *(int *)value = (int)device;
  else if (attribute == CU_POINTER_ATTRIBUTE_DEVICE_POINTER)
    *(CUdeviceptr *)value = address;
  else
    return CUDA_ERROR_NOT_SUPPORTED;
  return CUDA_SUCCESS;
}

static void tell_owner(const struct sim_allocation *allocation, uint64_t address, uint64_t bytes, uint32_t device) {
  char place[256];
  char text[SIM_REPORT_BYTES];
  sim_memory_describe(address, place, sizeof place);
  snprintf(text, sizeof text,
           "flashjit simulator: a copy or fill of %" PRIu64 " bytes at %#" PRIx64
           ": they are memory of device %u, and it runs on device %u: %s",
           bytes, address, allocation->device, device, place);
  sim_report_set(text, sim_settings()->quiet);
}

/* Whether all of it is memory of the device. */
static bool inside(uint64_t address, uint64_t bytes, uint32_t device) {
  const struct sim_allocation *allocation = sim_memory_find(address);
  if (!allocation || address + bytes > allocation->base + allocation->size)
    return false;
  if (allocation->device != device)
    tell_owner(allocation, address, bytes, device);
  return allocation->device == device;
}

/* Which ends of a copy are device memory is told by the addresses: the ranges do not overlap with host
 * memory. */
static bool device_end(uint64_t address) {
  return address >= sim_window_shared() && sim_memory_find(address);
}

static bool end_is_usable(uint64_t address, uint64_t bytes, uint32_t device, bool on_device) {
  return (!on_device && !device_end(address)) || inside(address, bytes, device);
}

static CUresult run_fill(const struct api_operation *operation) {
  uint8_t *to = (uint8_t *)(uintptr_t)operation->destination;
  if (operation->value_bytes == 1)
    memset(to, (int)operation->value, operation->bytes);
  for (uint64_t at = 0; operation->value_bytes > 1 && at < operation->bytes; at += operation->value_bytes)
    memcpy(to + at, &operation->value, operation->value_bytes);
  sim_memory_define(operation->destination, operation->bytes);
  return CUDA_SUCCESS;
}

/* Undefined bytes stay undefined when the device copies them. */
static void copy_definedness(uint64_t to, uint64_t from, uint64_t bytes) {
  if (!device_end(from)) {
    sim_memory_define(to, bytes);
    return;
  }
  for (uint64_t i = 0; i < bytes; i++)
    if (!sim_memory_undefined(from + i, 1))
      sim_memory_define(to + i, 1);
}

static CUresult run_copy(const struct api_operation *operation) {
  memmove((void *)(uintptr_t)operation->destination, (const void *)(uintptr_t)operation->source, operation->bytes);
  if (device_end(operation->destination))
    copy_definedness(operation->destination, operation->source, operation->bytes);
  return CUDA_SUCCESS;
}

static CUresult copy(CUstream stream, uint64_t to, uint64_t from, size_t bytes, bool to_device, bool from_device) {
  struct api_operation operation = {.run = run_copy, .destination = to, .source = from, .bytes = bytes};
  api_lock();
  const uint32_t device = api_stream_device(stream);
  CUresult result = CUDA_SUCCESS;
  if (bytes && !(end_is_usable(to, bytes, device, to_device) && end_is_usable(from, bytes, device, from_device)))
    result = CUDA_ERROR_INVALID_VALUE;
  if (result == CUDA_SUCCESS)
    result = api_enqueue(stream, &operation);
  api_unlock();
  return result;
}

static CUresult copy_to_device(CUdeviceptr to, const void *from, size_t bytes) {
  return copy(NULL, to, (uint64_t)(uintptr_t)from, bytes, true, false);
}

static CUresult copy_to_device_async(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  return copy(stream, to, (uint64_t)(uintptr_t)from, bytes, true, false);
}

static CUresult copy_to_host(void *to, CUdeviceptr from, size_t bytes) {
  return copy(NULL, (uint64_t)(uintptr_t)to, from, bytes, false, true);
}

static CUresult copy_to_host_async(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return copy(stream, (uint64_t)(uintptr_t)to, from, bytes, false, true);
}

static CUresult copy_on_device(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return copy(NULL, to, from, bytes, true, true);
}

static CUresult copy_on_device_async(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return copy(stream, to, from, bytes, true, true);
}

static CUresult set(CUstream stream, CUdeviceptr to, uint32_t value, uint32_t width, size_t count) {
  uint64_t bytes = (uint64_t)count * width;
  struct api_operation operation = {
      .run = run_fill, .destination = to, .bytes = bytes, .value = value, .value_bytes = width};
  api_lock();
  const uint32_t device = api_stream_device(stream);
  CUresult result = bytes && (!inside(to, bytes, device) || to % width) ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
  if (result == CUDA_SUCCESS)
    result = api_enqueue(stream, &operation);
  api_unlock();
  return result;
}

static CUresult set_bytes(CUdeviceptr to, unsigned char value, size_t count) {
  return set(NULL, to, value, 1, count);
}

static CUresult set_bytes_async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return set(stream, to, value, 1, count);
}

static CUresult set_halves(CUdeviceptr to, unsigned short value, size_t count) {
  return set(NULL, to, value, 2, count);
}

static CUresult set_words(CUdeviceptr to, unsigned value, size_t count) {
  return set(NULL, to, value, 4, count);
}

static CUresult set_words_async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  return set(stream, to, value, 4, count);
}

static const struct api_entry entries[] = {
    API_ENTRY("cuMemAlloc", memory_alloc),
    API_ENTRY("cuMemFree", memory_free),
    API_ENTRY("cuMemGetInfo", memory_info),
    API_ENTRY("cuMemGetAddressRange", memory_range),
    API_ENTRY("cuPointerGetAttribute", pointer_attribute),
    API_ENTRY("cuMemcpyHtoD", copy_to_device),
    API_ENTRY("cuMemcpyHtoDAsync", copy_to_device_async),
    API_ENTRY("cuMemcpyDtoH", copy_to_host),
    API_ENTRY("cuMemcpyDtoHAsync", copy_to_host_async),
    API_ENTRY("cuMemcpyDtoD", copy_on_device),
    API_ENTRY("cuMemcpyDtoDAsync", copy_on_device_async),
    API_ENTRY("cuMemsetD8", set_bytes),
    API_ENTRY("cuMemsetD8Async", set_bytes_async),
    API_ENTRY("cuMemsetD16", set_halves),
    API_ENTRY("cuMemsetD32", set_words),
    API_ENTRY("cuMemsetD32Async", set_words_async),
};

const struct api_table api_memory_table = API_TABLE(entries);
