/* Is an image the kernel it is said to be? Looks at bytes only: needs no GPU, no driver and no compiler. */
#ifndef FLASHJIT_CACHE_IMAGE_H
#define FLASHJIT_CACHE_IMAGE_H

#include "cache/reason.h"

#include <stddef.h>

/* For a target like "sm_90a": a cubin for that SM with code for `symbol`. For one like "compute_90a":
 * NUL-terminated PTX for that target with an entry of that name. This catches images of another architecture,
 * truncated ones, and successful compilations that made no kernel. The letter after an SM number is not in
 * every cubin and not compared. */
bool cache_image_check(const void *image, size_t size, const char *target, const char *symbol,
                       struct cache_reason *reason);

#endif
