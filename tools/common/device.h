/*
 * Device memory, streams, graphs, events and kernels of their own for the programs around the library. Opens
 * the same driver as the library does, the simulator included.
 */
#ifndef TOOLS_COMMON_DEVICE_H
#define TOOLS_COMMON_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The first failure of any call stays in error, and later calls do nothing: check device_failed after a group
 * of calls. The rest is for reading only.
 */
struct device {
  char error[256];
  char name[128];
  bool simulated;
  int version; /* of the driver: 1000 * major + 10 * minor */
  int number;  /* which one it is, */
  int count;   /* of how many */
  int sms;
  size_t l2_bytes;
  struct driver *driver;
};

/*
 * Opens the driver and makes its first device current in this thread. driver is NULL (then FLASHJIT_DRIVER,
 * else libcuda.so.1), the path of a driver, or "sim": libflashjit-sim.so beside the executable.
 */
bool device_open(struct device *device, const char *driver);

/* Likewise, another one than the first. */
bool device_open_number(struct device *device, const char *driver, int number);

/* Makes the device current in this thread, which all calls on it need. False after any failure. */
bool device_use(struct device *device);

void device_close(struct device *device);
bool device_failed(const struct device *device);

/* Forgets a failure after which the device works on, as after one for want of memory. False when it does not: then the
 * failure stays. */
bool device_recover(struct device *device);

/* The version of the driver without any device: 0 when there is no driver. */
int device_driver_version(const char *driver, bool *simulated);

/* Of these, NULL for the device is none: nothing is there, and calls do nothing. */
void *device_alloc(struct device *device, size_t bytes);
void device_free(struct device *device, void *memory);
void device_upload(struct device *device, void *to, const void *from, size_t bytes);
void device_download(struct device *device, void *to, const void *from, size_t bytes);
void device_fill(struct device *device, void *to, unsigned char value, size_t bytes);

/*
 * A library of kernels from PTX, which ends with a zero, or from a cubin. An image that the driver refuses is
 * no failure of the device: NULL, and the compiler's messages in log.
 */
void *device_library_load(struct device *device, const char *image, char *log, size_t log_bytes);
void device_library_unload(struct device *device, void *library);

/* A kernel of the library; launched on the default stream, with one-dimensional blocks and grid. */
void *device_kernel(struct device *device, void *library, const char *name);
void device_launch(struct device *device, void *kernel, unsigned blocks, unsigned threads, void **parameters);

/* Both are for a stream from device_stream_create; device_sync takes NULL for the default stream. */
void *device_stream_create(struct device *device);
void device_stream_destroy(struct device *device, void *stream);
void device_sync(struct device *device, void *stream);

/*
 * What is enqueued on the stream between begin and end becomes an executable graph. Where several streams are captured
 * at once, each is stopped first: no graph can be made while a capture is under way.
 */
void device_capture_begin(struct device *device, void *stream);
void *device_capture_end(struct device *device, void *stream);
void *device_capture_stop(struct device *device, void *stream); /* what device_graph_make takes, and frees */
void *device_graph_make(struct device *device, void *captured);
void device_graph_launch(struct device *device, void *graph, void *stream);
void device_graph_destroy(struct device *device, void *graph);

void *device_event_create(struct device *device);
void device_event_record(struct device *device, void *event, void *stream);
void device_event_destroy(struct device *device, void *event);

/* Milliseconds between two recorded events; waits for the second. */
double device_event_elapsed(struct device *device, void *begin, void *end);

#endif
