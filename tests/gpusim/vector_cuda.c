/* Compiles the cases that are written in CUDA C++. */
#include "vector_cuda.h"

#include "runtime/compiler.h"

#include <stdio.h>
#include <stdlib.h>

static const char kernel[] =
    "__device__ float ex2(float x) {\n"
    "  float y;\n"
    "  asm(\"ex2.approx.f32 %%0, %%1;\" : \"=f\"(y) : \"f\"(x));\n"
    "  return y;\n"
    "}\n"
    "extern \"C\" __global__ void vector(const unsigned long long *inputs, unsigned *outputs) {\n"
    "  const unsigned thread = blockIdx.x * 32 + threadIdx.x;\n"
    "  const float a = __uint_as_float((unsigned)inputs[thread * 4]);\n"
    "  const float b = __uint_as_float((unsigned)inputs[thread * 4 + 1]);\n"
    "  const float c = __uint_as_float((unsigned)inputs[thread * 4 + 2]);\n"
    "  const float d = __uint_as_float((unsigned)inputs[thread * 4 + 3]);\n"
    "  outputs[thread] = __float_as_uint(%s);\n"
    "}\n";

/* Opened once; the process keeps it. */
static struct compiler *open_compiler(void) {
  static struct compiler *compiler;
  uint32_t next = 0;
  if (!compiler && nvrtc_open(getenv("FLASHJIT_NVRTC"), &next, &compiler) != FI_OK)
    compiler = NULL;
  return compiler;
}

bool vector_cuda_available(void) {
  return open_compiler();
}

size_t vector_cuda_source(const struct vector_case *vector, char *text, size_t bytes) {
  return (size_t)snprintf(text, bytes, kernel, vector->code);
}

void *vector_cuda_load(struct device *device, const char *source, char *why, size_t why_bytes) {
  struct compiler *compiler = open_compiler();
  struct compile_output output = {.image = NULL};
  const struct compile_job job = {.source = source,
                                  .target = target_find(device->simulated ? "compute_90a" : "sm_90a")};
  void *library = NULL;
  if (compiler && compiler->compile(compiler, &job, &output) == FI_OK)
    library = device_library_load(device, output.image, why, why_bytes);
  else
    snprintf(why, why_bytes, "%s", fi_last_error());
  compile_output_free(&output);
  return library;
}
