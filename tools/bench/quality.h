/*
 * What quantising KV costs in accuracy, apart from any kernel: the error of attention in doubles over quantised K and
 * V, held against attention over the same K and V in bf16. K is random, or has outlier channels as real K has: a few
 * channels 20 to 100 times larger than the others. Needs no device.
 */
#ifndef TOOLS_BENCH_QUALITY_H
#define TOOLS_BENCH_QUALITY_H

#include "tools/bench/bench_write.h"

#include <stdint.h>

/*
 * A row a type: kv, scales, bits (of an element, with its scales), k_random, o_random, k_outliers, o_outliers (relative
 * norms of the errors of K and of O), plain_outliers (the error of the channels of such a K that are no outliers). NULL
 * without memory.
 */
json_t *quality_rows(uint64_t seed);

extern const struct bench_layout bench_quality;

#endif
