/* Several devices: whose memory, code and settings are whose. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define DRIVER(name) ((__typeof__(&name))sim_function(#name))

enum { DEVICES = 3 };

/* word += 1, where word is a variable of the module for %a 0, else the parameter's. */
static const char count[] = ".version 8.5\n.target sm_90\n.address_size 64\n"
                            ".visible .global .align 4 .u32 calls;\n"
                            ".visible .entry k(.param .u64 word)\n{\n"
                            ".reg .b32 %a; .reg .b64 %p; .reg .pred %q;\n"
                            "ld.param.u64 %p, [word]; setp.ne.u64 %q, %p, 0; @%q bra ADD;\n"
                            "mov.u64 %p, calls;\nADD: ld.global.u32 %a, [%p]; add.u32 %a, %a, 1;\n"
                            "st.global.u32 [%p], %a;\nret;\n}\n";

static void use_device(int device) {
  CUcontext context;
  cr_assert_eq(DRIVER(cuDevicePrimaryCtxRetain)(&context, device), CUDA_SUCCESS);
  cr_assert_eq(DRIVER(cuCtxSetCurrent)(context), CUDA_SUCCESS);
}

static void set_up(void) {
  sim_set("FLASHJIT_SIM_QUIET", "1");
  sim_set("FLASHJIT_SIM_DEVICES", "3");
  use_device(0);
}

TestSuite(gpusim_devices, .init = set_up);

static CUkernel load_count(void) {
  CUlibrary library;
  cr_assert_eq(sim_load(count, &library), CUDA_SUCCESS);
  return sim_kernel(library, "k");
}

static CUdeviceptr zero_word(int device) {
  static const uint32_t zero = 0;
  use_device(device);
  return sim_upload(&zero, sizeof zero);
}

static uint32_t word_at(CUdeviceptr address) {
  uint32_t word;
  sim_download(&word, address, sizeof word);
  return word;
}

static void expect_report(const char *part) {
  char report[2048];
  sim_report_text(report, sizeof report);
  cr_expect(strstr(report, part), "no '%s' in: %s", part, report);
  sim_forget_fault();
}

Test(gpusim_devices, ordinals) {
  int number;
  char name[32];
  CUdevice device;
  CUcontext context;
  CUuuid uuids[2];
  cr_expect_eq(DRIVER(cuDeviceGetCount)(&number), CUDA_SUCCESS);
  cr_expect_eq(number, DEVICES);
  cr_expect_eq(DRIVER(cuDeviceGet)(&device, DEVICES - 1), CUDA_SUCCESS);
  cr_expect_eq(device, DEVICES - 1);
  for (int i = 0; i < 2; i++)
    cr_expect_eq(((CUresult(*)(CUuuid *, CUdevice))sim_function("cuDeviceGetUuid"))(&uuids[i], i), CUDA_SUCCESS);
  cr_expect_arr_neq(uuids[0].bytes, uuids[1].bytes, sizeof uuids[0].bytes);
  for (int wrong = -1; wrong <= DEVICES; wrong += DEVICES + 1) {
    cr_expect_eq(DRIVER(cuDeviceGet)(&device, wrong), CUDA_ERROR_INVALID_DEVICE);
    cr_expect_eq(DRIVER(cuDeviceGetName)(name, sizeof name, wrong), CUDA_ERROR_INVALID_DEVICE);
    cr_expect_eq(DRIVER(cuDeviceGetAttribute)(&number, CU_DEVICE_ATTRIBUTE_WARP_SIZE, wrong),
                 CUDA_ERROR_INVALID_DEVICE);
    cr_expect_eq(DRIVER(cuDevicePrimaryCtxRetain)(&context, wrong), CUDA_ERROR_INVALID_DEVICE);
  }
  sim_set("FLASHJIT_SIM_DEVICES", "");
  cr_expect_eq(DRIVER(cuDeviceGetCount)(&number), CUDA_SUCCESS);
  cr_expect_eq(number, 1);
}

Test(gpusim_devices, contexts) {
  CUcontext contexts[DEVICES];
  CUcontext popped;
  CUdevice device;
  unsigned long long ids[DEVICES];
  for (int i = 0; i < DEVICES; i++) {
    cr_expect_eq(DRIVER(cuDevicePrimaryCtxRetain)(&contexts[i], i), CUDA_SUCCESS);
    cr_expect_eq(DRIVER(cuCtxPushCurrent)(contexts[i]), CUDA_SUCCESS);
    cr_expect_eq(DRIVER(cuCtxGetDevice)(&device), CUDA_SUCCESS);
    cr_expect_eq(device, i);
    cr_expect_eq(DRIVER(cuCtxGetId)(NULL, &ids[i]), CUDA_SUCCESS);
    cr_expect(i == 0 || ids[i] != ids[i - 1]);
  }
  cr_expect_eq(DRIVER(cuCtxPopCurrent)(&popped), CUDA_SUCCESS);
  cr_expect_eq(popped, contexts[DEVICES - 1]);
  cr_expect_eq(DRIVER(cuCtxGetDevice)(&device), CUDA_SUCCESS);
  cr_expect_eq(device, DEVICES - 2);
  cr_expect_eq(DRIVER(cuCtxSetCurrent)((CUcontext)(void *)&device), CUDA_ERROR_INVALID_CONTEXT);
}

Test(gpusim_devices, memory_has_an_owner) {
  size_t before;
  size_t after;
  size_t total;
  int owner = -1;
  use_device(1);
  const CUdeviceptr word = sim_buffer(1 << 20);
  cr_expect_eq(DRIVER(cuPointerGetAttribute)(&owner, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, word), CUDA_SUCCESS);
  cr_expect_eq(owner, 1);
  use_device(2);
  DRIVER(cuMemGetInfo)(&before, &total);
  sim_buffer(1 << 20);
  DRIVER(cuMemGetInfo)(&after, &total);
  cr_expect_eq(before, total);
  cr_expect_eq(after, total - (1 << 20));
}

/* Each way to touch memory of device 1 while device 0 is current. */
Test(gpusim_devices, copies_of_another_device_are_refused) {
  static const char told[] = "they are memory of device 1, and it runs on device 0";
  uint32_t host = 5;
  CUstream stream;
  const CUdeviceptr theirs = zero_word(1);
  cr_assert_eq(DRIVER(cuStreamCreate)(&stream, 0), CUDA_SUCCESS);
  const CUdeviceptr ours = zero_word(0);
  cr_expect_eq(DRIVER(cuMemcpyHtoD)(theirs, &host, 4), CUDA_ERROR_INVALID_VALUE);
  expect_report(told);
  cr_expect_eq(DRIVER(cuMemcpyDtoH)(&host, theirs, 4), CUDA_ERROR_INVALID_VALUE);
  expect_report(told);
  cr_expect_eq(DRIVER(cuMemcpyDtoD)(ours, theirs, 4), CUDA_ERROR_INVALID_VALUE);
  expect_report(told);
  cr_expect_eq(DRIVER(cuMemcpyDtoD)(theirs, ours, 4), CUDA_ERROR_INVALID_VALUE);
  expect_report(told);
  cr_expect_eq(DRIVER(cuMemcpyHtoD)(ours, (const void *)(uintptr_t)theirs, 4), CUDA_ERROR_INVALID_VALUE,
               "its address as one of the host");
  expect_report(told);
  cr_expect_eq(DRIVER(cuMemsetD32)(theirs, 7, 1), CUDA_ERROR_INVALID_VALUE);
  expect_report(told);
  cr_expect_eq(DRIVER(cuMemcpyHtoDAsync)(ours, &host, 4, stream), CUDA_ERROR_INVALID_VALUE);
  expect_report("they are memory of device 0, and it runs on device 1");
  cr_expect_eq(DRIVER(cuMemcpyHtoDAsync)(theirs, &host, 4, stream), CUDA_SUCCESS, "the stream's device counts");
  cr_expect_eq(word_at(theirs), 5);
  cr_expect_eq(word_at(ours), 0);
  cr_expect_eq(DRIVER(cuStreamDestroy)(stream), CUDA_SUCCESS);
}

Test(gpusim_devices, kernels_run_on_the_device_of_the_stream) {
  CUstream stream;
  CUdeviceptr theirs = zero_word(1);
  cr_assert_eq(DRIVER(cuStreamCreate)(&stream, 0), CUDA_SUCCESS);
  use_device(0);
  const CUkernel kernel = load_count();
  void *parameters[] = {&theirs};
  cr_expect_eq(DRIVER(cuLaunchKernel)((CUfunction)(void *)kernel, 1, 1, 1, 1, 1, 1, 0, stream, parameters, NULL),
               CUDA_SUCCESS);
  cr_expect_eq(DRIVER(cuStreamSynchronize)(stream), CUDA_SUCCESS);
  cr_expect_eq(word_at(theirs), 1);
  cr_expect_eq(sim_launch(kernel, 1, 1, 0, parameters), CUDA_ERROR_ILLEGAL_ADDRESS);
  expect_report("are memory of device 1, and the kernel runs on device 0: allocation #");
  cr_expect_eq(word_at(theirs), 1);
  cr_expect_eq(DRIVER(cuStreamDestroy)(stream), CUDA_SUCCESS);
}

Test(gpusim_devices, variables_are_of_each_device) {
  CUlibrary library;
  CUdeviceptr calls[DEVICES];
  CUdeviceptr none = 0;
  void *parameters[] = {&none};
  cr_assert_eq(sim_load(count, &library), CUDA_SUCCESS);
  const CUkernel kernel = sim_kernel(library, "k");
  for (int device = 0; device < DEVICES; device++) {
    use_device(device);
    for (int i = 0; i <= device; i++)
      cr_expect_eq(sim_launch(kernel, 1, 1, 0, parameters), CUDA_SUCCESS);
    cr_assert_eq(DRIVER(cuLibraryGetGlobal)(&calls[device], NULL, library, "calls"), CUDA_SUCCESS);
  }
  for (int device = 0; device < DEVICES; device++)
    cr_expect_eq(word_at(calls[device]), (uint32_t)device + 1);
}

Test(gpusim_devices, shared_memory_is_granted_on_each_device) {
  enum { MUCH = 100 * 1024 };
  const CUkernel kernel = load_count();
  CUdeviceptr words[2] = {zero_word(0), zero_word(1)};
  cr_expect_eq(DRIVER(cuKernelSetAttribute)(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, MUCH, kernel, 0),
               CUDA_SUCCESS);
  for (int device = 0; device < 2; device++) {
    void *parameters[] = {&words[device]};
    use_device(device);
    cr_expect_eq(sim_launch(kernel, 1, 1, MUCH, parameters), device ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS);
  }
}

/* A launch would load the code of the stream's device first, which a capture does not allow. */
Test(gpusim_devices, capture_needs_code_on_the_device) {
  CUstream stream;
  CUgraph graph;
  CUfunction function;
  const CUkernel kernel = load_count();
  CUdeviceptr word = zero_word(1);
  void *parameters[] = {&word};
  cr_assert_eq(DRIVER(cuStreamCreate)(&stream, 0), CUDA_SUCCESS);
  for (int loaded = 0; loaded < 2; loaded++) {
    cr_assert_eq(((CUresult(*)(CUstream, CUstreamCaptureMode))sim_function("cuStreamBeginCapture"))(stream, 0),
                 CUDA_SUCCESS);
    cr_expect_eq(DRIVER(cuLaunchKernel)((CUfunction)(void *)kernel, 1, 1, 1, 1, 1, 1, 0, stream, parameters, NULL),
                 loaded ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    cr_assert_eq(DRIVER(cuStreamEndCapture)(stream, &graph), CUDA_SUCCESS);
    cr_assert_eq(DRIVER(cuGraphDestroy)(graph), CUDA_SUCCESS);
    cr_assert_eq(DRIVER(cuKernelGetFunction)(&function, kernel), CUDA_SUCCESS);
  }
  cr_expect_eq(DRIVER(cuStreamDestroy)(stream), CUDA_SUCCESS);
}
