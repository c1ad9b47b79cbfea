/* Streams and events. */
#ifndef GPUSIM_API_STREAM_H
#define GPUSIM_API_STREAM_H

#include "api/entry.h"
#include "api/operation.h"

/* The stream's device; that of the current context for the default streams. */
uint32_t api_stream_device(CUstream stream);

bool api_stream_captures(CUstream stream);

/* Runs the operation on the stream's device, or records it when the stream is being captured. Takes over what it owns.
 */
CUresult api_enqueue(CUstream stream, struct api_operation *operation);

extern const struct api_table api_stream_table;

#endif
