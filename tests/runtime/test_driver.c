/* Opening the driver: libraries that are not there, not the driver, too old, or without a device. */
#include "runtime/driver.h"
#include "runtime/driver_path.h"

#include <criterion/criterion.h>
#include <cuda.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *path;
  fi_status status;
  const char *message;
} libraries[] = {
    {FAKE_CUDA, FI_OK, ""},
    {FAKE_CUDA_OLD_LOOKUP, FI_OK, ""},
    {FAKE_CUDA_NO_FUNC_LOAD, FI_OK, ""},
    {FAKE_CUDA_NO_LIBRARIES, FI_ERROR_OLD_DRIVER, "lacks cuLibraryLoadData of CUDA 12.0"},
    {FAKE_CUDA_NO_LAUNCH, FI_ERROR_OLD_DRIVER, "lacks cuLaunchKernelEx of CUDA 11.6"},
    {FAKE_CUDA_NO_DEVICE, FI_ERROR_NO_DRIVER, "found no device"},
    {FAKE_CUDA_BROKEN, FI_ERROR_DRIVER, "cuInit: the text of the fake driver (999): the text of the fake driver"},
    {"/dev/null", FI_ERROR_NO_DRIVER, "/dev/null"},
    {"/no/such/libcuda.so", FI_ERROR_NO_DRIVER, "FLASHJIT_DRIVER"},
};

Test(driver, open) {
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    struct driver *driver = NULL;
    const fi_status status = driver_open(libraries[i].path, &driver);
    cr_expect_eq(status, libraries[i].status, "%s: %s", libraries[i].path, fi_status_name(status));
    if (status)
      cr_expect(strstr(fi_last_error(), libraries[i].message), "%s: %s", libraries[i].path, fi_last_error());
    else
      driver->close(driver);
  }
}

Test(driver, current_device_and_its_errors) {
  struct driver *driver;
  int ordinal;
  cr_assert_eq(driver_open(FAKE_CUDA, &driver), FI_OK, "%s", fi_last_error());
  cr_expect_not(driver->simulated);
  cr_expect_eq(driver->current_device(driver, &ordinal), FI_OK);
  cr_expect_eq(ordinal, 3);
  setenv("FAKE_CUDA_GET_DEVICE", "201", 1);
  cr_expect_eq(driver->current_device(driver, &ordinal), FI_ERROR_DRIVER);
  cr_expect_str_eq(fi_last_error(), "no CUDA context is current in this thread");
  setenv("FAKE_CUDA_GET_DEVICE", "999", 1);
  cr_expect_eq(driver->current_device(driver, &ordinal), FI_ERROR_DRIVER);
  cr_expect(strstr(fi_last_error(), "cuCtxGetDevice: the text of the fake driver (999)"), "%s", fi_last_error());
  driver->close(driver);
}

/* What a launch asks of a driver first; 0 for nothing. */
static CUlaunchAttributeID attribute_of(const char *path, struct shape shape, uint32_t ctas) {
  struct driver *driver;
  CUlaunchAttributeID attribute = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
  const struct module module = {0};
  const struct launch request = {.ctas = ctas, .shape = shape, .stream = &attribute};
  cr_assert_eq(driver_open(path, &driver), FI_OK, "%s", fi_last_error());
  cr_expect_eq(driver->launch(driver, &module, &request), FI_OK);
  driver->close(driver);
  return attribute;
}

Test(driver, launches_overlap_from_12_3_on) {
  const struct shape overlaps = {.overlaps = true}, alone = {0};
  cr_expect_eq(attribute_of(FAKE_CUDA_12_2, overlaps, 1), 0);
  cr_expect_eq(attribute_of(FAKE_CUDA_12_3, overlaps, 1), CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
  cr_expect_eq(attribute_of(FAKE_CUDA_12_3, alone, 1), 0);
}

Test(driver, pairs_are_clusters_of_even_grids) {
  const struct shape pairs = {.pairs = true};
  cr_expect_eq(attribute_of(FAKE_CUDA_12_3, pairs, 132), CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
  cr_expect_eq(attribute_of(FAKE_CUDA_12_3, pairs, 133), 0);
}

/* Drivers look at an image at once, or only when a function of it is asked for. */
Test(driver, an_image_may_be_refused_in_each_step_of_loading) {
  static const struct {
    const char *refuses; /* "": nothing */
    size_t args_size;
    bool rejected;
  } cases[] = {
      {"cuLibraryLoadData", 8, true},
      {"cuLibraryGetKernel", 8, true},
      {"cuKernelGetFunction", 8, true},
      {"cuKernelGetParamInfo", 8, true},
      {"", 16, true},
      {"", 8, false},
  };
  struct driver *driver;
  cr_assert_eq(driver_open(FAKE_CUDA, &driver), FI_OK, "%s", fi_last_error());
  cr_expect_eq(driver->version, 13000);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct image image = {.bytes = "", .symbol = "kernel", .args_size = cases[i].args_size};
    struct module module;
    bool rejected = false;
    setenv("FAKE_CUDA_REFUSES", cases[i].refuses, 1);
    cr_expect_eq(driver->load(driver, &image, &module, &rejected), cases[i].rejected ? FI_ERROR_DRIVER : FI_OK);
    cr_expect_eq(rejected, cases[i].rejected, "case %zu", i);
    if (cases[i].refuses[0])
      cr_expect(strstr(fi_last_error(), cases[i].refuses), "%s", fi_last_error());
  }
  driver->close(driver);
}

Test(driver, only_the_simulator_is_simulated) {
  bool simulated = true;
  cr_expect_not_null(driver_path_open(FAKE_CUDA, &simulated));
  cr_expect_not(simulated);
  driver_path_open("/somewhere/libflashjit-sim.so", &simulated);
  cr_expect(simulated);
  simulated = false;
  driver_path_open("sim", &simulated);
  cr_expect(simulated);
}
