/* What the verbs of `flashjit cache` share. */
#ifndef TOOLS_FLASHJIT_CACHE_H
#define TOOLS_FLASHJIT_CACHE_H

#include "cache/walk.h"
#include "tools/flashjit/option_table.h"

extern const struct cli_command cache_path, cache_ls, cache_stats, cache_verify_command, cache_prune, cache_rm;

/* Goes through the user's cache directory. False after a complaint. */
bool cache_go_through(cache_walk_visit *visit, void *visitor, struct cache_walk_result *result);

#endif
