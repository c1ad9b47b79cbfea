/* Driver interface: streams and events. Work is done when it is enqueued, so synchronising only reports
 * failures. */
#include "api/stream.h"

#include "api/device.h"
#include "api/graph.h"
#include "api/state.h"

#include <stdlib.h>
#include <time.h>

struct CUstream_st {
  CUgraph capture; /* NULL unless capturing */
  uint32_t device;
};

struct CUevent_st {
  double milliseconds; /* 0: not recorded */
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

/* The default streams have handles that are no pointers. */
static CUstream real_stream(CUstream stream) {
  return stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD ? NULL : stream;
}

static CUresult stream_create(CUstream *stream, unsigned flags) {
  (void)flags;
  *stream = sim_allocate(sizeof **stream);
  (*stream)->device = api_current_device();
  return CUDA_SUCCESS;
}

static CUresult stream_create_priority(CUstream *stream, unsigned flags, int priority) {
  (void)priority;
  return stream_create(stream, flags);
}

static CUresult stream_destroy(CUstream stream) {
  if (!real_stream(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture)
    api_count_capture(-1);
  api_graph_destroy(stream->capture);
  free(stream);
  return CUDA_SUCCESS;
}

static CUresult stream_synchronize(CUstream stream) {
  api_lock();
  CUresult result = api_stream_captures(stream) ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : api_failure();
  api_unlock();
  return result;
}

static CUresult stream_wait_event(CUstream stream, CUevent event, unsigned flags) {
  (void)stream;
  (void)event;
  (void)flags;
  return CUDA_SUCCESS;
}

static CUresult begin_capture(CUstream stream, CUstreamCaptureMode mode) {
  (void)mode;
  if (!real_stream(stream) || stream->capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  stream->capture = api_graph_create();
  api_count_capture(1);
  return CUDA_SUCCESS;
}

static CUresult end_capture(CUstream stream, CUgraph *graph) {
  if (!real_stream(stream) || !stream->capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  *graph = stream->capture;
  stream->capture = NULL;
  api_count_capture(-1);
  return CUDA_SUCCESS;
}

uint32_t api_stream_device(CUstream stream) {
  stream = real_stream(stream);
  return stream ? stream->device : api_current_device();
}

bool api_stream_captures(CUstream stream) {
  stream = real_stream(stream);
  return stream && stream->capture;
}

static CUresult is_capturing(CUstream stream, CUstreamCaptureStatus *status) {
  *status = api_stream_captures(stream) ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}

static CUresult exchange_capture_mode(CUstreamCaptureMode *mode) {
  static _Thread_local CUstreamCaptureMode current = CU_STREAM_CAPTURE_MODE_GLOBAL;
  CUstreamCaptureMode previous = current;
  current = *mode;
  *mode = previous;
  return CUDA_SUCCESS;
}

CUresult api_enqueue(CUstream stream, struct api_operation *operation) {
  operation->device = api_stream_device(stream);
  if (api_stream_captures(stream)) {
    api_graph_append(stream->capture, operation);
    return CUDA_SUCCESS;
  }
  CUresult result = api_execute(operation);
  api_operation_destroy(operation);
  return result;
}

static CUresult event_create(CUevent *event, unsigned flags) {
  (void)flags;
  *event = sim_allocate(sizeof **event);
  return CUDA_SUCCESS;
}

static CUresult event_destroy(CUevent event) {
  free(event);
  return CUDA_SUCCESS;
}

static CUresult event_record(CUevent event, CUstream stream) {
  (void)stream;
  event->milliseconds = now();
  return CUDA_SUCCESS;
}

static CUresult event_synchronize(CUevent event) {
  (void)event;
  return stream_synchronize(NULL);
}

static CUresult event_elapsed(float *milliseconds, CUevent start, CUevent end) {
  if (start->milliseconds == 0 || end->milliseconds == 0)
    return CUDA_ERROR_INVALID_HANDLE;
  *milliseconds = (float)(end->milliseconds - start->milliseconds);
  return CUDA_SUCCESS;
}

static const struct api_entry entries[] = {
    API_ENTRY("cuStreamCreate", stream_create),
    API_ENTRY("cuStreamCreateWithPriority", stream_create_priority),
    API_ENTRY("cuStreamDestroy", stream_destroy),
    API_ENTRY("cuStreamSynchronize", stream_synchronize),
    API_ENTRY("cuStreamQuery", stream_synchronize),
    API_ENTRY("cuStreamWaitEvent", stream_wait_event),
    {"cuStreamBeginCapture", (void *)begin_capture, 10010},
    API_ENTRY("cuStreamEndCapture", end_capture),
    API_ENTRY("cuStreamIsCapturing", is_capturing),
    API_ENTRY("cuThreadExchangeStreamCaptureMode", exchange_capture_mode),
    API_ENTRY("cuEventCreate", event_create),
    API_ENTRY("cuEventDestroy", event_destroy),
    API_ENTRY("cuEventRecord", event_record),
    API_ENTRY("cuEventSynchronize", event_synchronize),
    API_ENTRY("cuEventQuery", event_synchronize),
    API_ENTRY("cuEventElapsedTime", event_elapsed),
};

const struct api_table api_stream_table = API_TABLE(entries);
