/* Entries of the cache as JSON, and as a table of it. */
#ifndef TOOLS_FLASHJIT_ENTRY_REPORT_H
#define TOOLS_FLASHJIT_ENTRY_REPORT_H

#include "cache/entry.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* `size` is that of its file, or what it takes in a bundle. */
json_t *entry_json(const struct cache_entry *entry, size_t size);

/* One entry a line, of what entry_json makes. */
void entry_print_table(const json_t *entries);

/*
 * Prints a document of the command on stdout: the object with its schema, the name of the subcommand, and the schema's
 * version. Takes the reference. A version only gains members; what changes the meaning of one is another version.
 */
void document_print(const char *schema, json_t *document);

/* The same into a file; false when it cannot be written. */
bool document_write(FILE *file, const char *schema, json_t *document);

#endif
