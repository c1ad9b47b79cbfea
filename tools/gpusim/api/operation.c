/* Operations: run by whoever made them. */
#include "api/operation.h"

#include "api/state.h"

#include <stdlib.h>
#include <string.h>

CUresult api_execute(const struct api_operation *operation) {
  CUresult result = api_failure();
  return result == CUDA_SUCCESS ? operation->run(operation) : result;
}

struct api_operation api_operation_copy(const struct api_operation *operation) {
  struct api_operation copy = *operation;
  if (!operation->parameters)
    return copy;
  size_t bytes = operation->kernel->program->parameter_bytes;
  copy.parameters = sim_allocate(bytes);
  memcpy(copy.parameters, operation->parameters, bytes);
  return copy;
}

void api_operation_destroy(struct api_operation *operation) {
  free(operation->parameters);
}
