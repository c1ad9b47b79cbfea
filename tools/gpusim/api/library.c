/* Driver interface: libraries, kernels and their attributes. */
#include "api/library.h"

#include "api/device.h"
#include "api/kernel.h"
#include "api/module.h"
#include "api/settings.h"
#include "api/state.h"
#include "machine/memory.h"
#include "machine/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CUlib_st {
  char *text;
  struct sim_module *modules[SIM_MAX_DEVICES]; /* by device; NULL until it is loaded there */
  size_t kernel_count;
  struct api_kernel *kernels;
};

static struct api_kernel *as_kernel(CUkernel kernel) {
  return (struct api_kernel *)(void *)kernel;
}

/* Gives the message to CU_JIT_ERROR_LOG_BUFFER, whose size is an option of its own. */
static void write_log(const char *message, unsigned count, const CUjit_option *options, void *const *values) {
  char *buffer = NULL;
  size_t bytes = 0;
  for (unsigned i = 0; i < count; i++) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER)
      buffer = values[i];
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
      bytes = (size_t)(uintptr_t)values[i];
  }
  if (buffer && bytes)
    snprintf(buffer, bytes, "%s", message);
}

static CUresult reject(const char *reason, unsigned count, const CUjit_option *options, void *const *values) {
  char text[SIM_REPORT_BYTES];
  snprintf(text, sizeof text, "flashjit simulator: cannot load PTX: %s", reason);
  sim_report_set(text, sim_settings()->quiet);
  write_log(text, count, options, values);
  return CUDA_ERROR_INVALID_PTX;
}

/* Under the lock. */
static bool load_on(CUlibrary library, uint32_t device, char error[PTX_ERROR_BYTES]) {
  if (!library->modules[device])
    library->modules[device] = sim_module_load(library->text, device, (uint32_t)sim_settings()->architecture, error);
  return library->modules[device] != NULL;
}

const struct sim_program *api_kernel_code(const struct api_kernel *kernel, uint32_t device) {
  const struct sim_module *module = kernel->library->modules[device];
  return module ? module->programs[kernel->entry] : NULL;
}

CUresult api_kernel_load(const struct api_kernel *kernel, uint32_t device) {
  char error[PTX_ERROR_BYTES];
  return load_on(kernel->library, device, error) ? CUDA_SUCCESS : reject(error, 0, NULL, NULL);
}

static void name_kernels(CUlibrary library, const struct sim_module *module) {
  library->kernel_count = module->program_count;
  library->kernels = sim_allocate(module->program_count * sizeof *library->kernels);
  for (size_t i = 0; i < module->program_count; i++) {
    struct api_kernel *kernel = &library->kernels[i];
    *kernel = (struct api_kernel){.program = module->programs[i], .library = library, .entry = i};
    for (size_t device = 0; device < SIM_MAX_DEVICES; device++)
      kernel->on[device].carveout = -1;
  }
}

static void destroy(CUlibrary library) {
  for (size_t device = 0; device < SIM_MAX_DEVICES; device++)
    if (library->modules[device])
      sim_module_unload(library->modules[device]);
  free(library->kernels);
  free(library->text);
  free(library);
}

static CUresult library_load(CUlibrary *library, const void *code, CUjit_option *options, void **values,
                             unsigned option_count, CUlibraryOption *library_options, void **library_values,
                             unsigned library_option_count) {
  static const char elf[] = {0x7f, 'E', 'L', 'F'};
  char error[PTX_ERROR_BYTES];
  (void)library_options;
  (void)library_values;
  (void)library_option_count;
  if (!code || !library)
    return CUDA_ERROR_INVALID_VALUE;
  if (memcmp(code, elf, sizeof elf) == 0)
    return CUDA_ERROR_INVALID_IMAGE;
  if (!sim_memory_start())
    return CUDA_ERROR_OUT_OF_MEMORY;
  CUlibrary loaded = sim_allocate(sizeof *loaded);
  loaded->text = sim_allocate(strlen(code) + 1);
  strcpy(loaded->text, code);
  const uint32_t device = api_current_device();
  api_lock();
  const bool fits = load_on(loaded, device, error);
  api_unlock();
  if (!fits) {
    destroy(loaded);
    return reject(error, option_count, options, values);
  }
  name_kernels(loaded, loaded->modules[device]);
  *library = loaded;
  return CUDA_SUCCESS;
}

static CUresult library_unload(CUlibrary library) {
  api_lock();
  destroy(library);
  api_unlock();
  return CUDA_SUCCESS;
}

static CUresult library_kernel(CUkernel *kernel, CUlibrary library, const char *name) {
  for (size_t i = 0; i < library->kernel_count; i++)
    if (strcmp(library->kernels[i].program->name, name) == 0) {
      *kernel = (CUkernel)(void *)&library->kernels[i];
      return CUDA_SUCCESS;
    }
  return CUDA_ERROR_NOT_FOUND;
}

static CUresult library_kernel_count(unsigned *count, CUlibrary library) {
  *count = (unsigned)library->kernel_count;
  return CUDA_SUCCESS;
}

static CUresult library_kernels(CUkernel *kernels, unsigned count, CUlibrary library) {
  for (size_t i = 0; i < count && i < library->kernel_count; i++)
    kernels[i] = (CUkernel)(void *)&library->kernels[i];
  return CUDA_SUCCESS;
}

/* Of device memory, by its name; NULL: there is none. */
static struct ptx_variable *find_variable(const struct ptx_module *source, const char *name) {
  for (size_t i = 0; i < source->variable_count; i++) {
    struct ptx_variable *variable = source->variables[i];
    if ((variable->space == PTX_GLOBAL || variable->space == PTX_CONST) && strcmp(variable->name, name) == 0)
      return variable;
  }
  return NULL;
}

static CUresult library_global(CUdeviceptr *address, size_t *bytes, CUlibrary library, const char *name) {
  char error[PTX_ERROR_BYTES];
  const uint32_t device = api_current_device();
  api_lock();
  const bool fits = load_on(library, device, error);
  struct ptx_variable *variable = fits ? find_variable(library->modules[device]->source, name) : NULL;
  const bool placed = variable && sim_variable_place(variable, device);
  api_unlock();
  if (!fits)
    return reject(error, 0, NULL, NULL);
  if (!variable)
    return CUDA_ERROR_NOT_FOUND;
  if (!placed)
    return CUDA_ERROR_OUT_OF_MEMORY;
  if (address)
    *address = variable->address;
  if (bytes)
    *bytes = variable->size;
  return CUDA_SUCCESS;
}

/* Loads the code of the current device, as a driver does. */
static CUresult kernel_function(CUfunction *function, CUkernel kernel) {
  api_lock();
  const CUresult result = api_kernel_load(as_kernel(kernel), api_current_device());
  api_unlock();
  *function = (CUfunction)(void *)kernel;
  return result;
}

static CUresult kernel_name(const char **name, CUkernel kernel) {
  *name = as_kernel(kernel)->program->name;
  return CUDA_SUCCESS;
}

static CUresult kernel_parameter(CUkernel kernel, size_t index, size_t *offset, size_t *bytes) {
  const struct ptx_function *entry = as_kernel(kernel)->program->entry;
  if (index >= entry->parameter_count)
    return CUDA_ERROR_INVALID_VALUE;
  *offset = as_kernel(kernel)->program->parameter_offsets[index];
  if (bytes)
    *bytes = entry->parameters[index]->size;
  return CUDA_SUCCESS;
}

static CUresult attribute_get(int *value, CUfunction_attribute attribute, const struct api_kernel *kernel,
                              uint32_t device) {
  const struct sim_program *program = kernel->program;
  switch (attribute) {
  case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    *value = (int)program->max_threads;
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
    *value = (int)program->static_shared;
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
    *value = (int)program->local_bytes;
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
    *value = (int)kernel->on[device].max_dynamic_shared;
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
    *value = kernel->on[device].carveout;
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_PTX_VERSION:
  case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
    *value = (int)sim_settings()->architecture;
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_NUM_REGS:
  case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    *value = 0; /* only ptxas knows */
    return CUDA_SUCCESS;
  default:
    return CUDA_ERROR_INVALID_VALUE;
  }
}

static CUresult attribute_set(CUfunction_attribute attribute, int value, struct api_kernel *kernel, uint32_t device) {
  int limit = api_architecture()->shared_optin - (int)kernel->program->static_shared;
  if (attribute == CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED) {
    kernel->large_clusters = value != 0;
    return CUDA_SUCCESS;
  }
  if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT) {
    kernel->on[device].carveout = value;
    return CUDA_SUCCESS;
  }
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 || value > limit)
    return CUDA_ERROR_INVALID_VALUE;
  kernel->on[device].max_dynamic_shared = (uint32_t)value;
  return CUDA_SUCCESS;
}

static CUresult kernel_attribute(int *value, CUfunction_attribute attribute, CUkernel kernel, CUdevice device) {
  return api_device_exists(device) ? attribute_get(value, attribute, as_kernel(kernel), (uint32_t)device)
                                   : CUDA_ERROR_INVALID_DEVICE;
}

static CUresult kernel_set_attribute(CUfunction_attribute attribute, int value, CUkernel kernel, CUdevice device) {
  return api_device_exists(device) ? attribute_set(attribute, value, as_kernel(kernel), (uint32_t)device)
                                   : CUDA_ERROR_INVALID_DEVICE;
}

static CUresult function_attribute(int *value, CUfunction_attribute attribute, CUfunction function) {
  return attribute_get(value, attribute, (const struct api_kernel *)(void *)function, api_current_device());
}

static CUresult function_set_attribute(CUfunction function, CUfunction_attribute attribute, int value) {
  return attribute_set(attribute, value, (struct api_kernel *)(void *)function, api_current_device());
}

static CUresult function_load(CUfunction function) {
  CUfunction same;
  return kernel_function(&same, (CUkernel)(void *)function);
}

static CUresult function_is_loaded(CUfunctionLoadingState *state, CUfunction function) {
  const struct sim_program *code = api_kernel_code((const struct api_kernel *)(void *)function, api_current_device());
  *state = code ? CU_FUNCTION_LOADING_STATE_LOADED : CU_FUNCTION_LOADING_STATE_UNLOADED;
  return CUDA_SUCCESS;
}

static const struct api_entry entries[] = {
    API_ENTRY("cuLibraryLoadData", library_load),
    API_ENTRY("cuLibraryUnload", library_unload),
    API_ENTRY("cuLibraryGetKernel", library_kernel),
    API_ENTRY("cuLibraryGetKernelCount", library_kernel_count),
    API_ENTRY("cuLibraryEnumerateKernels", library_kernels),
    API_ENTRY("cuLibraryGetGlobal", library_global),
    API_ENTRY("cuKernelGetFunction", kernel_function),
    API_ENTRY("cuKernelGetName", kernel_name),
    API_ENTRY("cuKernelGetParamInfo", kernel_parameter),
    API_ENTRY("cuKernelGetAttribute", kernel_attribute),
    API_ENTRY("cuKernelSetAttribute", kernel_set_attribute),
    API_ENTRY("cuFuncGetAttribute", function_attribute),
    API_ENTRY("cuFuncSetAttribute", function_set_attribute),
    API_ENTRY("cuFuncLoad", function_load),
    API_ENTRY("cuFuncIsLoaded", function_is_loaded),
};

const struct api_table api_library_table = API_TABLE(entries);
