/* The driver functions: memory, graphs, limits, errors. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* out[thread] += add; 64 threads */
static const char increment[] = ".version 8.5\n.target sm_90\n.address_size 64\n"
                                ".visible .entry k(.param .u64 out, .param .align 8 .b8 s[16])\n.maxntid 64\n{\n"
                                ".reg .b32 %a, %t; .reg .b64 %p, %o;\n"
                                "ld.param.u64 %p, [out]; ld.param.u32 %a, [s+8]; mov.u32 %t, %tid.x;\n"
                                "mul.wide.u32 %o, %t, 4; add.s64 %p, %p, %o; ld.global.u32 %t, [%p];\n"
                                "add.u32 %t, %t, %a; st.global.u32 [%p], %t;\nret;\n}\n";

struct by_value {
  uint64_t unused;
  uint32_t add;
  uint32_t tail;
};

static CUkernel load_increment(void) {
  CUlibrary library;
  cr_assert_eq(sim_load(increment, &library), CUDA_SUCCESS);
  return sim_kernel(library, "k");
}

static CUfunction as_function(CUkernel kernel) {
  return (CUfunction)(void *)kernel;
}

Test(gpusim_api, lookup) {
  void *function = NULL;
  CUdriverProcAddressQueryResult status;
  CUresult (*lookup)(const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *) = (CUresult(*)(
      const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *))sim_function("cuGetProcAddress");
  cr_expect_eq(lookup("cuNoSuchThing", &function, 13000, 0, &status), CUDA_ERROR_NOT_FOUND);
  cr_expect_eq(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
  cr_expect_eq(lookup("cuGraphInstantiate", &function, 11000, 0, &status), CUDA_ERROR_NOT_FOUND);
  cr_expect_eq(status, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
}

Test(gpusim_api, device) {
  char name[64];
  int value;
  CUdevice device;
  cr_assert_eq(((CUresult(*)(CUdevice *, int))sim_function("cuDeviceGet"))(&device, 0), CUDA_SUCCESS);
  ((CUresult(*)(char *, int, CUdevice))sim_function("cuDeviceGetName"))(name, sizeof name, device);
  cr_expect_str_eq(name, "flashjit simulator");
  __typeof__(cuDeviceGetAttribute) *attribute =
      (__typeof__(cuDeviceGetAttribute) *)sim_function("cuDeviceGetAttribute");
  static const struct {
    const char *architecture;
    int major;
    int minor;
    int shared;
  } expected[] = {{"80", 8, 0, 163 * 1024},  {"87", 8, 7, 163 * 1024},   {"89", 8, 9, 99 * 1024},
                  {"90", 9, 0, 227 * 1024},  {"103", 10, 3, 227 * 1024}, {"110", 11, 0, 227 * 1024},
                  {"120", 12, 0, 99 * 1024}, {"121", 12, 1, 99 * 1024},  {"127", 12, 7, 99 * 1024}};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    sim_set("FLASHJIT_SIM_ARCH", expected[i].architecture);
    attribute(&value, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
    cr_expect_eq(value, expected[i].major);
    attribute(&value, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
    cr_expect_eq(value, expected[i].minor);
    attribute(&value, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, device);
    cr_expect_eq(value, expected[i].shared);
  }
}

/* A process may have some 30,000 pieces of memory with protections of their own. */
Test(gpusim_api, variables_that_no_instruction_names_take_no_memory) {
  enum { VARIABLES = 40000, LINE = 48 };
  static const char kernel[] = ".visible .entry k()\n{\nret;\n}\n";
  CUlibrary library;
  CUdeviceptr address;
  size_t bytes, before, loaded, asked, total;
  uint32_t word;
  char *text = malloc(VARIABLES * LINE);
  int used = sprintf(text, ".version 8.5\n.target sm_90\n.address_size 64\n");
  for (int i = 0; i < VARIABLES; i++)
    used += sprintf(text + used, ".global .align 4 .u32 v%d = %d;\n", i, i);
  strcpy(text + used, kernel);
  __typeof__(cuLibraryLoadData) *load = (__typeof__(cuLibraryLoadData) *)sim_function("cuLibraryLoadData");
  __typeof__(cuLibraryUnload) *unload = (__typeof__(cuLibraryUnload) *)sim_function("cuLibraryUnload");
  __typeof__(cuMemGetInfo) *info = (__typeof__(cuMemGetInfo) *)sim_function("cuMemGetInfo");
  __typeof__(cuLibraryGetGlobal) *global = (__typeof__(cuLibraryGetGlobal) *)sim_function("cuLibraryGetGlobal");
  info(&before, &total);
  cr_assert_eq(load(&library, text, NULL, NULL, 0, NULL, NULL, 0), CUDA_SUCCESS);
  free(text);
  sim_kernel(library, "k");
  info(&loaded, &total);
  cr_expect_eq(before, loaded);
  for (int time = 0; time < 2; time++) {
    cr_assert_eq(global(&address, &bytes, library, "v39999"), CUDA_SUCCESS);
    cr_expect_eq(bytes, 4);
    sim_download(&word, address, sizeof word);
    cr_expect_eq(word, 39999);
    info(&asked, &total);
    cr_expect_eq(loaded - asked, 4);
  }
  cr_expect_eq(global(&address, &bytes, library, "v40000"), CUDA_ERROR_NOT_FOUND);
  cr_expect_eq(unload(library), CUDA_SUCCESS);
  info(&asked, &total);
  cr_expect_eq(before, asked);
}

/* As a driver: PTX of the same or an older GPU, that with a letter on its own GPU or family; no machine code. */
Test(gpusim_api, images_for_other_devices_are_refused) {
  static const struct {
    const char *target;
    const char *device;
    CUresult result;
  } rows[] = {
      {"sm_80", "80", CUDA_SUCCESS},
      {"sm_80", "87", CUDA_SUCCESS},
      {"sm_80", "121", CUDA_SUCCESS},
      {"sm_89", "90", CUDA_SUCCESS},
      {"sm_90", "110", CUDA_SUCCESS},
      {"sm_89", "86", CUDA_ERROR_INVALID_PTX},
      {"sm_90", "89", CUDA_ERROR_INVALID_PTX},
      {"sm_120", "103", CUDA_ERROR_INVALID_PTX},
      {"sm_90a", "90", CUDA_SUCCESS},
      {"sm_90a", "100", CUDA_ERROR_INVALID_PTX},
      {"sm_100a", "103", CUDA_ERROR_INVALID_PTX},
      {"sm_100a", "90", CUDA_ERROR_INVALID_PTX},
      {"sm_120a", "121", CUDA_ERROR_INVALID_PTX},
      {"sm_100f", "103", CUDA_SUCCESS},
      {"sm_103f", "100", CUDA_ERROR_INVALID_PTX},
      {"sm_100f", "110", CUDA_ERROR_INVALID_PTX},
      {"sm_120f", "121", CUDA_SUCCESS},
      {"sm_90x", "90", CUDA_ERROR_INVALID_PTX},
      {"compute_90", "90", CUDA_ERROR_INVALID_PTX},
  };
  sim_set("FLASHJIT_SIM_QUIET", "1");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[256];
    CUlibrary library;
    sim_set("FLASHJIT_SIM_ARCH", rows[i].device);
    snprintf(text, sizeof text, ".version 8.7\n.target %s\n.address_size 64\n.entry k()\n{\nret;\n}\n", rows[i].target);
    cr_expect_eq(sim_load(text, &library), rows[i].result, "%s on %s", rows[i].target, rows[i].device);
  }
  CUlibrary library;
  cr_expect_eq(sim_load(".version 8.7\n.address_size 64\n.entry k()\n{\nret;\n}\n", &library), CUDA_ERROR_INVALID_PTX);
  cr_expect_eq(sim_load("\177ELF\2\1\1", &library), CUDA_ERROR_INVALID_IMAGE);
}

/* cuInit refuses them by name, with what is allowed; an empty value is the default. */
Test(gpusim_api, wrong_settings_are_refused) {
  static const struct {
    const char *name;
    const char *value;
    const char *allowed; /* NULL: the value is */
  } rows[] = {
      {"FLASHJIT_SIM_SMS", "0", "1 to 1024"},
      {"FLASHJIT_SIM_SMS", "many", "1 to 1024"},
      {"FLASHJIT_SIM_SMS", "1025", "1 to 1024"},
      {"FLASHJIT_SIM_SMS", "-1", "1 to 1024"},
      {"FLASHJIT_SIM_SMS", "132", NULL},
      {"FLASHJIT_SIM_SMS", "", NULL},
      {"FLASHJIT_SIM_DEVICES", "0", "1 to 8"},
      {"FLASHJIT_SIM_DEVICES", "9", "1 to 8"},
      {"FLASHJIT_SIM_DEVICES", "8", NULL},
      {"FLASHJIT_SIM_CHECKS", "off", "0 to 1"},
      {"FLASHJIT_SIM_CHECKS", "2", "0 to 1"},
      {"FLASHJIT_SIM_CHECKS", "0", NULL},
      {"FLASHJIT_SIM_ARCH", "9.0", "80 to 129"},
      {"FLASHJIT_SIM_ARCH", "75", "80 to 129"},
      {"FLASHJIT_SIM_ARCH", "103", NULL},
      {"FLASHJIT_SIM_SEED", " 1", "0 to 18446744073709551615"},
      {"FLASHJIT_SIM_SEED", "18446744073709551616", "0 to 18446744073709551615"},
      {"FLASHJIT_SIM_SEED", "18446744073709551615", NULL},
      {"FLASHJIT_SIM_LIMIT", "0", "1 to 18446744073709551615"},
      {"FLASHJIT_SIM_LIMIT", "1e6", "1 to 18446744073709551615"},
      {"FLASHJIT_SIM_THREADS", "0", "1 to 256"},
      {"FLASHJIT_SIM_THREADS", "257", "1 to 256"},
      {"FLASHJIT_SIM_THREADS", "256", NULL},
      {"FLASHJIT_SIM_QUIET", "yes", "0 to 1"},
  };
  CUresult (*init)(unsigned) = (CUresult(*)(unsigned))sim_function("cuInit");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char report[2048];
    char expected[256];
    sim_set("FLASHJIT_SIM_QUIET", "1");
    sim_set(rows[i].name, rows[i].value);
    cr_expect_eq(init(0), rows[i].allowed ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS, "%s=%s", rows[i].name,
                 rows[i].value);
    sim_report_text(report, sizeof report);
    snprintf(expected, sizeof expected, "flashjit simulator: %s is \"%s\"; allowed are %s", rows[i].name, rows[i].value,
             rows[i].allowed);
    if (rows[i].allowed)
      cr_expect_str_eq(report, expected);
    unsetenv(rows[i].name);
    sim_forget_fault();
  }
}

Test(gpusim_api, memory) {
  char data[100];
  char back[100];
  __typeof__(cuMemsetD8) *set = (__typeof__(cuMemsetD8) *)sim_function("cuMemsetD8");
  __typeof__(cuMemFree) *release = (__typeof__(cuMemFree) *)sim_function("cuMemFree");
  __typeof__(cuMemcpyDtoD) *copy = (__typeof__(cuMemcpyDtoD) *)sim_function("cuMemcpyDtoD");
  __typeof__(cuMemcpyDtoH) *fetch = (__typeof__(cuMemcpyDtoH) *)sim_function("cuMemcpyDtoH");
  CUdeviceptr a = sim_buffer(sizeof data);
  CUdeviceptr b = sim_buffer(sizeof data);
  cr_expect_gt(a, UINT32_MAX);
  cr_expect_eq(a % 256, 0);
  memset(data, 7, sizeof data);
  cr_expect_eq(set(a, 7, sizeof data), CUDA_SUCCESS);
  cr_expect_eq(copy(b, a, sizeof data), CUDA_SUCCESS);
  cr_expect_eq(fetch(back, b, sizeof back), CUDA_SUCCESS);
  cr_expect_arr_eq(back, data, sizeof data);
  cr_expect_eq(set(a, 7, sizeof data + 1), CUDA_ERROR_INVALID_VALUE);
  cr_expect_eq(fetch(back, b + 1, sizeof back), CUDA_ERROR_INVALID_VALUE);
  cr_expect_eq(release(a + 4), CUDA_ERROR_INVALID_VALUE);
  cr_expect_eq(release(a), CUDA_SUCCESS);
  cr_expect_eq(release(a), CUDA_ERROR_INVALID_VALUE);
  cr_expect_eq(fetch(back, a, 1), CUDA_ERROR_INVALID_VALUE);
}

/* Its way depends on the word at in. */
static const char condition[] = ".version 8.5\n.target sm_90\n.address_size 64\n.visible .entry k(.param .u64 in)\n{\n"
                                ".reg .b32 %a; .reg .b64 %p; .reg .pred %q;\nld.param.u64 %p, [in];\n"
                                "ld.global.u32 %a, [%p]; setp.eq.u32 %q, %a, 0; @%q bra END;\nEND: ret;\n}\n";

/* An address that is given out again is undefined again, at both ends and inside, and freeing much is quick.
 */
Test(gpusim_api, freed_memory_is_forgotten, .timeout = 10) {
  const size_t bytes = ((size_t)15 << 30) + 5 * 4096;
  const size_t offsets[] = {0, 4096, bytes / 8 * 4, bytes - 4};
  CUlibrary library;
  __typeof__(cuMemAlloc) *allocate = (__typeof__(cuMemAlloc) *)sim_function("cuMemAlloc");
  __typeof__(cuMemFree) *release = (__typeof__(cuMemFree) *)sim_function("cuMemFree");
  __typeof__(cuMemsetD8) *set = (__typeof__(cuMemsetD8) *)sim_function("cuMemsetD8");
  cr_assert_eq(sim_load(condition, &library), CUDA_SUCCESS);
  const CUkernel kernel = sim_kernel(library, "k");
  const CUdeviceptr first = sim_buffer(4096); /* the bits of the next do not begin with a page */
  CUdeviceptr block;
  sim_set("FLASHJIT_SIM_QUIET", "1");
  cr_assert_eq(allocate(&block, bytes), CUDA_SUCCESS);
  const CUdeviceptr base = block;
  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    CUdeviceptr at = base + offsets[i];
    void *parameters[] = {&at};
    cr_assert_eq(set(at, 1, 4), CUDA_SUCCESS);
    cr_expect_eq(sim_launch(kernel, 1, 1, 0, parameters), CUDA_SUCCESS);
  }
  do {
    cr_assert_eq(release(block), CUDA_SUCCESS);
    cr_assert_eq(allocate(&block, bytes), CUDA_SUCCESS);
  } while (block != base);
  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    CUdeviceptr at = base + offsets[i];
    void *parameters[] = {&at};
    cr_expect_eq(sim_launch(kernel, 1, 1, 0, parameters), CUDA_ERROR_ASSERT, "offset %zu", offsets[i]);
    sim_forget_fault();
  }
  cr_assert_eq(release(first), CUDA_SUCCESS);
}

/* Captured parameters are those of the capture; a replay sees the memory of the replay. */
Test(gpusim_api, graphs) {
  uint32_t zeros[64] = {0};
  uint32_t result[64];
  CUdeviceptr out = sim_upload(zeros, sizeof zeros);
  struct by_value by = {0, 5, 0};
  void *parameters[] = {&out, &by};
  CUstream stream;
  CUgraph graph;
  CUgraphExec executable;
  CUkernel kernel = load_increment();
  __typeof__(cuLaunchKernel) *launch = (__typeof__(cuLaunchKernel) *)sim_function("cuLaunchKernel");
  cr_assert_eq(((__typeof__(cuStreamCreate) *)sim_function("cuStreamCreate"))(&stream, 0), CUDA_SUCCESS);
  ((CUresult(*)(CUstream, CUstreamCaptureMode))sim_function("cuStreamBeginCapture"))(stream, 0);
  cr_assert_eq(launch(as_function(kernel), 1, 1, 1, 64, 1, 1, 0, stream, parameters, NULL), CUDA_SUCCESS);
  by.add = 100;
  cr_assert_eq(((CUresult(*)(CUstream, CUgraph *))sim_function("cuStreamEndCapture"))(stream, &graph), CUDA_SUCCESS);
  cr_assert_eq(((CUresult(*)(CUgraphExec *, CUgraph, unsigned long long))sim_function("cuGraphInstantiate"))(
                   &executable, graph, 0),
               CUDA_SUCCESS);
  cr_assert_eq(((CUresult(*)(CUgraph))sim_function("cuGraphDestroy"))(graph), CUDA_SUCCESS);
  sim_download(result, out, sizeof result);
  cr_expect_eq(result[63], 0, "a captured launch ran");
  for (int i = 0; i < 3; i++)
    ((CUresult(*)(CUgraphExec, CUstream))sim_function("cuGraphLaunch"))(executable, stream);
  sim_download(result, out, sizeof result);
  cr_expect_eq(result[63], 15);
  cr_expect_eq(((CUresult(*)(CUgraphExec))sim_function("cuGraphExecDestroy"))(executable), CUDA_SUCCESS);
  cr_expect_eq(((__typeof__(cuStreamDestroy) *)sim_function("cuStreamDestroy"))(stream), CUDA_SUCCESS);
}

Test(gpusim_api, launch_limits) {
  CUdeviceptr out = sim_buffer(256);
  struct by_value by = {0};
  void *parameters[] = {&out, &by};
  CUkernel kernel = load_increment();
  __typeof__(cuKernelSetAttribute) *set = (__typeof__(cuKernelSetAttribute) *)sim_function("cuKernelSetAttribute");
  __typeof__(cuMemsetD32) *fill = (__typeof__(cuMemsetD32) *)sim_function("cuMemsetD32");
  fill(out, 0, 64);
  cr_expect_eq(sim_launch(kernel, 1, 128, 0, parameters), CUDA_ERROR_INVALID_VALUE, "more threads than .maxntid");
  cr_expect_eq(sim_launch(kernel, 0, 64, 0, parameters), CUDA_ERROR_INVALID_VALUE);
  cr_expect_eq(sim_launch(kernel, 1, 64, 48 * 1024 + 1, parameters), CUDA_ERROR_INVALID_VALUE);
  cr_expect_eq(set(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 227 * 1024 + 1, kernel, 0),
               CUDA_ERROR_INVALID_VALUE);
  cr_expect_eq(set(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 100 * 1024, kernel, 0), CUDA_SUCCESS);
  cr_expect_eq(sim_launch(kernel, 1, 64, 100 * 1024, parameters), CUDA_SUCCESS);
  cr_expect_eq(sim_launch(kernel, 1, 64, 101 * 1024, parameters), CUDA_ERROR_INVALID_VALUE);
}

/* A fault stays until it is forgotten, and tells kernel, line, thread and allocation. */
Test(gpusim_api, faults_are_sticky) {
  char report[2048];
  struct by_value by = {0};
  uint32_t zeros[64] = {0};
  CUdeviceptr out = sim_upload(zeros, 128);
  void *parameters[] = {&out, &by};
  CUkernel kernel = load_increment();
  sim_set("FLASHJIT_SIM_QUIET", "1");
  cr_expect_eq(sim_launch(kernel, 1, 64, 0, parameters), CUDA_ERROR_ILLEGAL_ADDRESS);
  cr_expect_eq(sim_launch(kernel, 1, 64, 0, parameters), CUDA_ERROR_ILLEGAL_ADDRESS);
  sim_report_text(report, sizeof report);
  static const char *const parts[] = {"kernel k",      "block (0,0,0)", "thread (32,0,0)", "PTX line 9",
                                      "ld.global.u32", "allocation #",  "128 bytes]"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    cr_expect(strstr(report, parts[i]), "no '%s' in: %s", parts[i], report);
  sim_forget_fault();
  out = sim_upload(zeros, sizeof zeros);
  cr_expect_eq(sim_launch(kernel, 1, 64, 0, parameters), CUDA_SUCCESS);
}

Test(gpusim_api, use_after_free) {
  struct by_value by = {0};
  CUdeviceptr out = sim_buffer(256);
  void *parameters[] = {&out, &by};
  sim_set("FLASHJIT_SIM_QUIET", "1");
  ((__typeof__(cuMemFree) *)sim_function("cuMemFree"))(out);
  cr_expect_eq(sim_launch(load_increment(), 1, 64, 0, parameters), CUDA_ERROR_ILLEGAL_ADDRESS);
}

Test(gpusim_api, parameters) {
  size_t offset;
  size_t bytes;
  __typeof__(cuKernelGetParamInfo) *info = (__typeof__(cuKernelGetParamInfo) *)sim_function("cuKernelGetParamInfo");
  CUkernel kernel = load_increment();
  cr_expect_eq(info(kernel, 1, &offset, &bytes), CUDA_SUCCESS);
  cr_expect_eq(offset, 8);
  cr_expect_eq(bytes, 16);
  cr_expect_eq(info(kernel, 2, &offset, &bytes), CUDA_ERROR_INVALID_VALUE);
}

/* Block 0 waits for the last block: blocks that wait must not keep others from starting. */
Test(gpusim_api, blocks_wait_for_later_blocks) {
  static const char text[] =
      ".version 8.5\n.target sm_90\n.address_size 64\n.visible .entry k(.param .u64 flag)\n{\n"
      ".reg .b32 %a; .reg .b64 %p; .reg .pred %q;\nld.param.u64 %p, [flag];\n"
      "mov.u32 %a, %ctaid.x; setp.eq.u32 %q, %a, 0; @%q bra WAIT;\n"
      "red.release.gpu.global.add.u32 [%p], 1; ret;\n"
      "WAIT: ld.acquire.gpu.global.u32 %a, [%p]; setp.lt.u32 %q, %a, 39; @%q bra WAIT;\nret;\n}\n";
  uint32_t zero = 0;
  uint32_t result = 0;
  CUlibrary library;
  CUdeviceptr flag = sim_upload(&zero, sizeof zero);
  void *parameters[] = {&flag};
  sim_set("FLASHJIT_SIM_THREADS", "1");
  cr_assert_eq(sim_load(text, &library), CUDA_SUCCESS);
  cr_expect_eq(sim_launch(sim_kernel(library, "k"), 40, 1, 0, parameters), CUDA_SUCCESS);
  sim_download(&result, flag, sizeof result);
  cr_expect_eq(result, 39);
}
