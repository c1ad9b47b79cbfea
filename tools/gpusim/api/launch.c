/* Driver interface: launches and occupancy. */
#include "api/launch.h"

#include "api/device.h"
#include "api/settings.h"
#include "api/state.h"
#include "api/stream.h"
#include "check/global.h"
#include "check/ordering.h"
#include "exec/launch.h"
#include "gpusim.h"
#include "machine/cluster.h"
#include "machine/fault.h"
#include "machine/report.h"

#include <string.h>

enum { PORTABLE_CLUSTER = 8 }; /* blocks */

static _Atomic uint64_t executed;
static uint32_t launch_tag;

__attribute__((visibility("default"))) uint64_t gpusim_executed(void) {
  return executed;
}

static CUresult fault_code(int fault) {
  switch (fault) {
  case SIM_FAULT_NONE:
    return CUDA_SUCCESS;
  case SIM_FAULT_ADDRESS:
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  case SIM_FAULT_CHECK:
    return CUDA_ERROR_ASSERT;
  default:
    return CUDA_ERROR_LAUNCH_FAILED;
  }
}

static uint32_t product(const uint32_t values[3]) {
  return values[0] * values[1] * values[2];
}

/* Tags tell the writes of this launch from older ones; when they run out all cells are forgotten. */
static uint32_t next_tag(void) {
  if (++launch_tag > SIM_TAG_MAX) {
    sim_memory_clear_cells();
    launch_tag = 1;
  }
  return launch_tag;
}

/*
 * Whether the launch that this thread has done last has let the next begin. Launches that count on it follow each other
 * in one thread.
 */
static _Thread_local bool next_released;

/* The first of the launches that the one after them may be beside, and the strong accesses of all of them. */
static _Thread_local uint32_t first_beside;
static _Thread_local struct sim_sync_table *sync_beside;

/* Where all blocks have begun without waiting, one of them must wait, so that the launch does not end first. */
static bool ends_too_soon(const struct sim_launch *launch) {
  if (!launch->checks || !launch->released || launch->fault || atomic_load(&launch->waited))
    return false;
  sim_report_set("gpusim: no thread executes griddepcontrol.wait: the launch after this one would not wait for the one "
                 "before, which let it begin",
                 launch->quiet);
  return true;
}

static CUresult run_launch(const struct api_operation *operation) {
  const struct sim_configuration *settings = sim_settings();
  struct sim_launch launch = {.program = operation->program,
                              .device = operation->device,
                              .dynamic_shared = operation->dynamic_shared,
                              .parameters = operation->parameters,
                              .tag = next_tag(),
                              .checks = settings->checks,
                              .quiet = settings->quiet,
                              .workers = (uint32_t)settings->threads,
                              .overlaps = operation->overlaps,
                              .released = operation->overlaps && next_released,
                              .block_limit = settings->block_limit,
                              .seed = settings->seed,
                              .multiprocessors = (uint32_t)settings->multiprocessors};
  memcpy(launch.grid, operation->grid, sizeof launch.grid);
  memcpy(launch.cluster, operation->cluster, sizeof launch.cluster);
  memcpy(launch.threads, operation->threads, sizeof launch.threads);
  if (!launch.released || first_beside > launch.tag) /* tags have begun anew */
    first_beside = launch.tag;
  launch.beside = first_beside;
  if (!launch.released && sync_beside) { /* what is beside nothing learns nothing of the launches before */
    sim_sync_table_destroy(sync_beside);
    sync_beside = NULL;
  }
  launch.sync = sync_beside ? sync_beside : sim_sync_table_create();
  sim_launch_run(&launch);
  executed += launch.executed;
  next_released = launch.releasing == product(launch.grid);
  sync_beside = next_released ? launch.sync : NULL;
  if (!next_released)
    sim_sync_table_destroy(launch.sync);
  CUresult result = ends_too_soon(&launch) ? CUDA_ERROR_ASSERT : fault_code(launch.fault);
  api_set_failure(result);
  return CUDA_SUCCESS; /* like a GPU, which reports the fault to whoever synchronises */
}

/* The grid is whole clusters, of as many blocks as the kernel says, if it does. */
static CUresult check_cluster(struct api_operation *operation) {
  const uint32_t *required = operation->kernel->program->entry->cluster;
  uint32_t count = 1;
  for (int d = 0; d < 3; d++) {
    uint32_t *size = &operation->cluster[d];
    if (*size && required[0] && *size != required[d])
      return CUDA_ERROR_INVALID_CLUSTER_SIZE;
    *size = *size ? *size : required[0] ? required[d] : 1;
    if (operation->grid[d] % *size)
      return CUDA_ERROR_INVALID_VALUE;
    count *= *size;
  }
  if (count > 1 && sim_settings()->architecture < 90)
    return CUDA_ERROR_NOT_SUPPORTED;
  const uint32_t most = operation->kernel->large_clusters ? SIM_MAX_CLUSTER : PORTABLE_CLUSTER;
  return count <= most ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CLUSTER_SIZE;
}

static CUresult check_launch(const struct api_operation *operation, uint32_t device) {
  const struct api_kernel *kernel = operation->kernel;
  uint32_t threads = product(operation->threads);
  uint32_t total;
  if (!threads || !product(operation->grid) || threads > SIM_MAX_THREADS)
    return CUDA_ERROR_INVALID_VALUE;
  if (threads > kernel->program->max_threads)
    return CUDA_ERROR_INVALID_VALUE;
  total = kernel->program->static_shared + operation->dynamic_shared;
  if (total > API_SHARED_DEFAULT && operation->dynamic_shared > kernel->on[device].max_dynamic_shared)
    return CUDA_ERROR_INVALID_VALUE;
  return total > (uint32_t)api_architecture()->shared_optin ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

static uint8_t *copy_parameters(const struct sim_program *program, void **values) {
  uint8_t *parameters = sim_allocate(program->parameter_bytes);
  for (uint32_t i = 0; i < program->entry->parameter_count; i++)
    memcpy(parameters + program->parameter_offsets[i], values[i], program->entry->parameters[i]->size);
  return parameters;
}

/* Code is loaded at the first launch on a device; but not while the stream is being captured. */
static CUresult find_code(CUstream stream, struct api_operation *operation, uint32_t device) {
  operation->program = api_kernel_code(operation->kernel, device);
  if (operation->program)
    return CUDA_SUCCESS;
  if (api_stream_captures(stream))
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  const CUresult result = api_kernel_load(operation->kernel, device);
  operation->program = api_kernel_code(operation->kernel, device);
  return result;
}

static CUresult launch_operation(CUstream stream, struct api_operation *operation, void **parameters, void **extra) {
  if (!operation->kernel || extra || (!parameters && operation->kernel->program->entry->parameter_count))
    return CUDA_ERROR_INVALID_VALUE;
  api_lock();
  const uint32_t device = api_stream_device(stream);
  CUresult result = check_launch(operation, device);
  if (result == CUDA_SUCCESS)
    result = check_cluster(operation);
  if (result == CUDA_SUCCESS)
    result = find_code(stream, operation, device);
  if (result == CUDA_SUCCESS) {
    operation->parameters = copy_parameters(operation->program, parameters);
    result = api_enqueue(stream, operation);
  }
  api_unlock();
  return result;
}

static CUresult launch_kernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                              unsigned threads_x, unsigned threads_y, unsigned threads_z, unsigned dynamic_shared,
                              CUstream stream, void **parameters, void **extra) {
  struct api_operation operation = {.run = run_launch,
                                    .kernel = (struct api_kernel *)(void *)function,
                                    .grid = {grid_x, grid_y, grid_z},
                                    .threads = {threads_x, threads_y, threads_z},
                                    .dynamic_shared = dynamic_shared};
  return launch_operation(stream, &operation, parameters, extra);
}

/* Attributes that only tune are accepted, as are launches that overlap, and clusters. */
static bool attribute_known(const CUlaunchAttribute *attribute) {
  switch (attribute->id) {
  case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
  case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
  case CU_LAUNCH_ATTRIBUTE_IGNORE:
  case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
  case CU_LAUNCH_ATTRIBUTE_PRIORITY:
  case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
    return true;
  default:
    return false;
  }
}

static void set_cluster(struct api_operation *operation, const CUlaunchAttribute *attribute) {
  operation->cluster[0] = attribute->value.clusterDim.x;
  operation->cluster[1] = attribute->value.clusterDim.y;
  operation->cluster[2] = attribute->value.clusterDim.z;
}

static CUresult launch_kernel_ex(const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra) {
  struct api_operation operation = {.run = run_launch,
                                    .kernel = (struct api_kernel *)(void *)function,
                                    .grid = {config->gridDimX, config->gridDimY, config->gridDimZ},
                                    .threads = {config->blockDimX, config->blockDimY, config->blockDimZ},
                                    .dynamic_shared = config->sharedMemBytes};
  for (unsigned i = 0; i < config->numAttrs; i++) {
    const CUlaunchAttribute *attribute = &config->attrs[i];
    if (!attribute_known(attribute))
      return CUDA_ERROR_NOT_SUPPORTED;
    if (attribute->id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION)
      operation.overlaps = attribute->value.programmaticStreamSerializationAllowed != 0;
    if (attribute->id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
      set_cluster(&operation, attribute);
  }
  return launch_operation(config->hStream, &operation, parameters, extra);
}

static CUresult occupancy(int *blocks, CUfunction function, int threads, size_t dynamic_shared) {
  const struct api_limits *limits = api_architecture();
  const struct api_kernel *kernel = (const struct api_kernel *)(void *)function;
  if (threads <= 0)
    return CUDA_ERROR_INVALID_VALUE;
  int rounded = (threads + SIM_LANES - 1) / SIM_LANES * SIM_LANES;
  int by_threads = limits->threads_per_multiprocessor / rounded;
  size_t shared = dynamic_shared + kernel->program->static_shared + API_SHARED_RESERVED;
  int by_shared = (int)((size_t)limits->shared_per_multiprocessor / shared);
  *blocks = limits->blocks_per_multiprocessor;
  *blocks = by_threads < *blocks ? by_threads : *blocks;
  *blocks = by_shared < *blocks ? by_shared : *blocks;
  return CUDA_SUCCESS;
}

static CUresult occupancy_flags(int *blocks, CUfunction function, int threads, size_t dynamic_shared, unsigned flags) {
  (void)flags;
  return occupancy(blocks, function, threads, dynamic_shared);
}

static const struct api_entry entries[] = {
    API_ENTRY("cuLaunchKernel", launch_kernel),
    API_ENTRY("cuLaunchKernelEx", launch_kernel_ex),
    API_ENTRY("cuOccupancyMaxActiveBlocksPerMultiprocessor", occupancy),
    API_ENTRY("cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags", occupancy_flags),
};

const struct api_table api_launch_table = API_TABLE(entries);
