/* Memory, graphs and events through the simulator, and how errors are kept. */
#include "tools/common/mirror.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct device device;

static void open_simulator(void) {
  cr_assert(device_open(&device, "sim"), "%s", device.error);
}

static void close_device(void) {
  device_close(&device);
}

TestSuite(device, .init = open_simulator, .fini = close_device);

Test(device, says_what_it_is) {
  bool simulated = false;
  cr_expect(device.simulated);
  cr_expect_gt(device.sms, 0);
  cr_expect_gt(device.l2_bytes, 0);
  cr_expect_eq(device_driver_version("sim", &simulated), device.version);
  cr_expect(simulated);
  cr_expect_eq(device_driver_version("/no/libcuda.so", &simulated), 0);
  cr_expect_not(simulated);
}

Test(device, copies_and_fills) {
  char host[64] = "what goes there";
  char back[64] = "";
  char *memory = device_alloc(&device, sizeof host);
  device_upload(&device, memory, host, sizeof host);
  device_fill(&device, memory + 5, '-', 4);
  device_download(&device, back, memory, sizeof back);
  cr_expect_not(device_failed(&device), "%s", device.error);
  cr_expect_str_eq(back, "what ---- there");
  device_free(&device, memory);
}

/* What one copy has and the other has not is found, also after the first of the parts that are compared. */
Test(device, mirrors_are_compared) {
  static const size_t places[] = {0, 17, (1 << 24) - 1, 1 << 24, (1 << 24) + 99};
  struct mirror mirror;
  size_t offset;
  cr_assert(mirror_create(&mirror, &device, (1 << 24) + 100), "%s", device.error);
  cr_expect(mirror_is_equal(&mirror, &device, &offset));
  cr_expect_eq(offset, mirror.bytes);
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    ((unsigned char *)mirror.host)[places[i]] ^= 1;
    cr_expect_not(mirror_is_equal(&mirror, &device, &offset));
    cr_expect_eq(offset, places[i]);
    device_fill(&device, (char *)mirror.device + places[i], POISON ^ 1, 1);
    cr_expect(mirror_is_equal(&mirror, &device, &offset));
    memset((char *)mirror.host + places[i], 0, 1);
    mirror_download_part(&mirror, &device, places[i], 1);
    cr_expect(mirror_is_equal(&mirror, &device, &offset));
  }
  mirror_free(&mirror, &device);
}

/* The path of time measurement: capture, replay, events around it. */
Test(device, graphs_and_events) {
  void *stream = device_stream_create(&device);
  void *begin = device_event_create(&device);
  void *end = device_event_create(&device);
  device_capture_begin(&device, stream);
  void *graph = device_capture_end(&device, stream);
  device_event_record(&device, begin, stream);
  device_graph_launch(&device, graph, stream);
  device_event_record(&device, end, stream);
  cr_expect_geq(device_event_elapsed(&device, begin, end), 0);
  device_sync(&device, stream);
  cr_expect_not(device_failed(&device), "%s", device.error);
  cr_expect_not_null(graph);
  device_graph_destroy(&device, graph);
  device_event_destroy(&device, begin);
  device_event_destroy(&device, end);
  device_stream_destroy(&device, stream);
}

/* Of several captures at once, each must have stopped before the first graph is made. */
Test(device, captures_at_once) {
  void *streams[] = {device_stream_create(&device), device_stream_create(&device)};
  for (int i = 0; i < 2; i++)
    device_capture_begin(&device, streams[i]);
  void *captured[] = {device_capture_stop(&device, streams[0]), device_capture_stop(&device, streams[1])};
  for (int i = 0; i < 2; i++) {
    void *graph = device_graph_make(&device, captured[i]);
    cr_expect_not_null(graph);
    device_graph_destroy(&device, graph);
  }
  cr_expect_not(device_failed(&device), "%s", device.error);
  for (int i = 0; i < 2; i++)
    device_capture_begin(&device, streams[i]);
  cr_expect_null(device_capture_end(&device, streams[0]));
  cr_expect_not_null(strstr(device.error, "CAPTURE_UNSUPPORTED"), "%s", device.error);
  device_graph_destroy(&device, device_capture_end(&device, streams[1]));
  for (int i = 0; i < 2; i++)
    device_stream_destroy(&device, streams[i]);
}

/* The first error stays, and nothing is done after it. */
Test(device, first_error_is_kept) {
  char host[4] = "abc";
  char *memory = device_alloc(&device, sizeof host);
  device_fill(&device, memory, 0, sizeof host);
  device_download(&device, host, memory + 1000000000, sizeof host);
  cr_expect(device_failed(&device));
  cr_expect_not_null(strstr(device.error, "cuMemcpyDtoH failed: CUDA_ERROR_"), "%s", device.error);
  char error[sizeof device.error];
  memcpy(error, device.error, sizeof error);
  cr_expect_null(device_alloc(&device, 16));
  device_download(&device, host, memory, sizeof host);
  cr_expect_str_eq(host, "abc");
  cr_expect_str_eq(device.error, error);
  device_free(&device, memory);
}

Test(device, missing_drivers_are_named) {
  struct device missing;
  cr_expect_not(device_open(&missing, "/no/libcuda.so"));
  cr_expect_not_null(strstr(missing.error, "/no/libcuda.so"), "%s", missing.error);
  cr_expect_not(device_open(&missing, "libm.so.6"));
  cr_expect_not_null(strstr(missing.error, "the driver has no cuInit"), "%s", missing.error);
  device_close(&missing);
}

Test(device, what_else_may_be_tried_is_said) {
  struct device missing;
  cr_expect_not(device_open(&missing, "/no/libcuda.so"));
  cr_expect_not_null(strstr(missing.error, "(FLASHJIT_DRIVER=sim runs on the simulator)"), "%s", missing.error);
  cr_expect_not(device_open(&missing, "/no/libflashjit-sim.so"));
  cr_expect_not_null(strstr(missing.error, "(the simulator is looked for beside"), "%s", missing.error);
  cr_expect_null(strstr(missing.error, "FLASHJIT_DRIVER=sim"), "%s", missing.error);
  cr_expect_not(device_open_number(&missing, "sim", 64));
  cr_expect_not_null(strstr(missing.error, "only 1 (FLASHJIT_SIM_DEVICES says"), "%s", missing.error);
}
