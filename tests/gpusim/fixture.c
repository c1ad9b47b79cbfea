/* Opens the simulator and NVRTC, and wraps the few driver calls that every test makes. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <math.h>
#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef CUresult (*get_proc)(const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *);

static void *simulator_symbol(const char *name) {
  static void *library;
  if (!library)
    library = dlopen(GPUSIM_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  cr_assert(library, "%s", dlerror());
  return dlsym(library, name);
}

void *sim_function(const char *name) {
  static get_proc lookup;
  void *function = NULL;
  if (!lookup) {
    lookup = (get_proc)simulator_symbol("cuGetProcAddress_v2");
    CUresult (*init)(unsigned) = (CUresult(*)(unsigned))sim_function("cuInit");
    cr_assert_eq(init(0), CUDA_SUCCESS);
  }
  cr_assert_eq(lookup(name, &function, 13000, 0, NULL), CUDA_SUCCESS, "%s", name);
  return function;
}

size_t sim_report_text(char *buffer, size_t bytes) {
  size_t (*report)(char *, size_t) = (size_t(*)(char *, size_t))simulator_symbol("gpusim_report");
  return report(buffer, bytes);
}

void sim_forget_fault(void) {
  ((void (*)(void))simulator_symbol("gpusim_reset"))();
}

void sim_set(const char *name, const char *value) {
  setenv(name, value, 1);
  ((void (*)(void))simulator_symbol("gpusim_configure"))();
}

void sim_become(const char *architecture) {
  char number[16];
  snprintf(number, sizeof number, "%.*s", (int)strspn(strchr(architecture, '_') + 1, "0123456789"),
           strchr(architecture, '_') + 1);
  sim_set("FLASHJIT_SIM_ARCH", number);
}

static struct {
  CUlibrary *items;
  size_t count;
} loaded;

static void unload_all(void) {
  __typeof__(cuLibraryUnload) *unload = (__typeof__(cuLibraryUnload) *)sim_function("cuLibraryUnload");
  for (size_t i = 0; i < loaded.count; i++)
    unload(loaded.items[i]);
  free(loaded.items);
}

static void unload_at_exit(CUlibrary library) {
  if (loaded.count == 0)
    cr_assert_eq(atexit(unload_all), 0);
  loaded.items = realloc(loaded.items, (loaded.count + 1) * sizeof *loaded.items);
  cr_assert(loaded.items);
  loaded.items[loaded.count++] = library;
}

CUresult sim_load(const char *ptx, CUlibrary *library) {
  __typeof__(cuLibraryLoadData) *load = (__typeof__(cuLibraryLoadData) *)sim_function("cuLibraryLoadData");
  CUresult result = load(library, ptx, NULL, NULL, 0, NULL, NULL, 0);
  if (result == CUDA_SUCCESS)
    unload_at_exit(*library);
  return result;
}

CUkernel sim_kernel(CUlibrary library, const char *name) {
  __typeof__(cuLibraryGetKernel) *get = (__typeof__(cuLibraryGetKernel) *)sim_function("cuLibraryGetKernel");
  CUkernel kernel = NULL;
  cr_assert_eq(get(&kernel, library, name), CUDA_SUCCESS, "no kernel %s", name);
  return kernel;
}

CUdeviceptr sim_buffer(size_t bytes) {
  __typeof__(cuMemAlloc) *alloc = (__typeof__(cuMemAlloc) *)sim_function("cuMemAlloc");
  CUdeviceptr buffer = 0;
  cr_assert_eq(alloc(&buffer, bytes), CUDA_SUCCESS);
  return buffer;
}

CUdeviceptr sim_upload(const void *data, size_t bytes) {
  __typeof__(cuMemcpyHtoD) *copy = (__typeof__(cuMemcpyHtoD) *)sim_function("cuMemcpyHtoD");
  CUdeviceptr buffer = sim_buffer(bytes);
  cr_assert_eq(copy(buffer, data, bytes), CUDA_SUCCESS);
  return buffer;
}

void sim_download(void *data, CUdeviceptr buffer, size_t bytes) {
  memcpy(data, (const void *)(uintptr_t)buffer, bytes); /* device addresses are host addresses */
}

CUresult sim_launch(CUkernel kernel, unsigned blocks, unsigned threads, unsigned dynamic_shared, void **parameters) {
  __typeof__(cuLaunchKernel) *launch = (__typeof__(cuLaunchKernel) *)sim_function("cuLaunchKernel");
  __typeof__(cuCtxSynchronize) *synchronize = (__typeof__(cuCtxSynchronize) *)sim_function("cuCtxSynchronize");
  CUresult result =
      launch((CUfunction)(void *)kernel, blocks, 1, 1, threads, 1, 1, dynamic_shared, NULL, parameters, NULL);
  return result == CUDA_SUCCESS ? synchronize() : result;
}

static void *nvrtc(void) {
  static const char *const names[] = {"libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"};
  static void *library;
  const char *chosen = getenv("FLASHJIT_NVRTC");
  if (!library && chosen)
    library = dlopen(chosen, RTLD_NOW);
  if (!library && !chosen)
    library = dlopen(GPUSIM_NVRTC, RTLD_NOW);
  for (size_t i = 0; !library && !chosen && i < sizeof names / sizeof *names; i++)
    library = dlopen(names[i], RTLD_NOW);
  return library;
}

#define NVRTC(name) ((__typeof__(name) *)dlsym(nvrtc(), #name))

static void print_log(nvrtcProgram program) {
  size_t bytes = 0;
  NVRTC(nvrtcGetProgramLogSize)(program, &bytes);
  char *log = calloc(1, bytes + 1);
  NVRTC(nvrtcGetProgramLog)(program, log);
  fputs(log, stderr);
  free(log);
}

char *compile_cuda(const char *source, const char *architecture, const char *definition) {
  if (!nvrtc()) {
    fputs("no NVRTC: set FLASHJIT_NVRTC to run this test\n", stderr);
    return NULL;
  }
  char target[64];
  snprintf(target, sizeof target, "-arch=%s", architecture);
  const char *options[] = {target, "-default-device", "--std=c++17", definition};
  nvrtcProgram program;
  NVRTC(nvrtcCreateProgram)(&program, source, "kernel.cu", 0, NULL, NULL);
  nvrtcResult result = NVRTC(nvrtcCompileProgram)(program, definition ? 4 : 3, options);
  if (result != NVRTC_SUCCESS)
    print_log(program);
  cr_assert_eq(result, NVRTC_SUCCESS);
  size_t bytes = 0;
  NVRTC(nvrtcGetPTXSize)(program, &bytes);
  char *ptx = calloc(1, bytes + 1);
  NVRTC(nvrtcGetPTX)(program, ptx);
  NVRTC(nvrtcDestroyProgram)(&program);
  return ptx;
}

double half_value(uint16_t bits) {
  int exponent = bits >> 10 & 31;
  int mantissa = bits & 1023;
  double magnitude = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
  if (exponent == 31)
    magnitude = mantissa ? NAN : INFINITY;
  return bits & 0x8000 ? -magnitude : magnitude;
}

uint16_t half_nearest(double value) {
  double magnitude = fabs(value);
  uint16_t sign = signbit(value) ? 0x8000 : 0;
  if (magnitude >= 65520.0)
    return sign | 0x7c00;
  int exponent = magnitude < ldexp(1, -14) ? -14 : ilogb(magnitude);
  double units = nearbyint(ldexp(magnitude, 10 - exponent));
  return sign | (uint16_t)((exponent + 14) * 1024 + (int)units);
}
