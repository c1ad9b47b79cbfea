/* Streams and events. */
#ifndef GPUSIM_API_STREAM_H
#define GPUSIM_API_STREAM_H

#include "api/entry.h"
#include "api/operation.h"

/* Runs the operation, or records it when the stream is being captured. Takes over what it owns. */
CUresult api_enqueue(CUstream stream, struct api_operation *operation);

extern const struct api_table api_stream_table;

#endif
