/* The one place that includes xxHash. Its output is frozen since release 0.8.0, so what is stored stays
 * valid. */
#ifndef FLASHJIT_CACHE_HASH_H
#define FLASHJIT_CACHE_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#if XXH_VERSION_NUMBER < 800
#error "XXH3 is stable since xxHash 0.8.0"
#endif

#endif
