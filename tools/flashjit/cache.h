/* What the verbs of `flashjit cache` share. */
#ifndef TOOLS_FLASHJIT_CACHE_H
#define TOOLS_FLASHJIT_CACHE_H

#include "cache/walk.h"

/* Goes through the user's cache directory. False after a complaint. */
bool cache_go_through(cache_walk_visit *visit, void *visitor, struct cache_walk_result *result);

#endif
