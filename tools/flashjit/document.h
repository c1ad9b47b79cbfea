/* JSON that the command prints: each says which schema it has. */
#ifndef TOOLS_FLASHJIT_DOCUMENT_H
#define TOOLS_FLASHJIT_DOCUMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* The members that every document begins with, and the version of all schemas. */
#define DOCUMENT_SCHEMA "schema"
#define DOCUMENT_VERSION "schema_version"
enum { DOCUMENT_SCHEMA_VERSION = 1 };

/*
 * An object with its schema, the name of the subcommand such as "flashjit.doctor", and the schema's version. A version
 * only gains members; what changes the meaning of one is another version. NULL without memory.
 */
json_t *document_new(const char *schema);

/* Prints a document on stdout: document_new with the members of an object, of which it takes the reference. */
void document_print(const char *schema, json_t *document);

/* The same into a file; false when it cannot be written. */
bool document_write(FILE *file, const char *schema, json_t *document);

#endif
