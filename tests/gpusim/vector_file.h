/*
 * The file of recorded results: lines of text, each a name and a value, then an empty line, then the results
 * of all cases in the order of the list, as little-endian words.
 *
 *   flashjit-vectors 1
 *   gpu NAME            that they were recorded on
 *   driver NUMBER       1000 * major + 10 * minor
 *   ptx VERSION         of the kernels
 *   list HASH           of the cases and their operands
 *   checksum HASH       of the lines above and of the results
 */
#ifndef GPUSIM_VECTOR_FILE_H
#define GPUSIM_VECTOR_FILE_H

#include "vectors.h"

struct vector_file {
  const struct vector_list *cases;
  char gpu[128];
  int driver;
  uint64_t list;   /* vector_list_hash, for which the operands of all cases are made */
  uint32_t *words; /* all results */
  size_t count;
};

/* With results of 0; false when there is no memory. */
bool vector_file_create(struct vector_file *file, const struct vector_list *list);
void vector_file_free(struct vector_file *file);

/* Where the results of a case begin. */
uint32_t *vector_file_results(const struct vector_file *file, const struct vector_case *vector);

/* False with the reason in why. */
bool vector_file_write(const struct vector_file *file, const char *path, char *why, size_t why_bytes);

/* Likewise; refuses a file of other cases than those of the list. Nothing is to be freed after a failure. */
bool vector_file_read(struct vector_file *file, const struct vector_list *list, const char *path, char *why,
                      size_t why_bytes);

#endif
