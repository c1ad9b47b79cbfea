/* How many bytes the device reads in a second when it does nothing else: the ceiling that rows are held against. */
#ifndef TOOLS_BENCH_CEILING_H
#define TOOLS_BENCH_CEILING_H

#include "tools/common/device.h"

#include <stdint.h>

/*
 * Reads a buffer of about `bytes` zeros several times and returns the bytes a second of the median; 0, with
 * device->error, when it cannot. Its first and its last word of 32 bits are ends[0] and ends[1]; *sum becomes the
 * exclusive or of all words that were read, which shows that it was all of it.
 */
double ceiling_read(struct device *device, size_t bytes, const uint32_t ends[2], uint32_t *sum);

/* On a device that has times: of a buffer much larger than its L2. 0: not known. */
double ceiling_of(struct device *device);

#endif
