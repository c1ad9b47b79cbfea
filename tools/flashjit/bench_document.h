/* What an earlier `flashjit bench` has written, as a part of another document. */
#ifndef TOOLS_FLASHJIT_BENCH_DOCUMENT_H
#define TOOLS_FLASHJIT_BENCH_DOCUMENT_H

#include <jansson.h>

/* The document of a file that bench has written with -o json or jsonl, redacted; NULL, with a problem. */
json_t *bench_document_read(const char *path);

#endif
