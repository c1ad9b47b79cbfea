/* Entries of the cache as JSON, and as a table of it. */
#ifndef TOOLS_FLASHJIT_ENTRY_REPORT_H
#define TOOLS_FLASHJIT_ENTRY_REPORT_H

#include "cache/entry.h"

#include <jansson.h>

/* `size` is that of its file, or what it takes in a bundle. */
json_t *entry_json(const struct cache_entry *entry, size_t size);

/* One entry a line, of what entry_json makes. */
void entry_print_table(const json_t *entries);

#endif
