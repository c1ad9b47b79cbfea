/* What the library reads from the environment, read by the library's own table; and the store that it would open. */
#ifndef TOOLS_FLASHJIT_ENVIRONMENT_H
#define TOOLS_FLASHJIT_ENVIRONMENT_H

#include "cache/store.h"
#include "runtime/options.h"

/* False after a complaint when a variable has a value that is not allowed. */
bool environment_read(struct options *options);

/* The user's cache directory, to be freed; NULL after a complaint when there is none. */
char *environment_cache_directory(void);

/* The store of a context without options; NULL after a complaint. What cannot be used of it is told on stderr. */
struct cache_store *environment_open_store(void);

/* The same, with what cannot be used of it in `reason`. */
struct cache_store *environment_open_store_quietly(struct cache_reason *reason);

#endif
