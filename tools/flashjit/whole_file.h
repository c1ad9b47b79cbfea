/* Whole files, for the subcommands that read and write bundles, keys and reports; and whether what comes of long work
 * will have a place, which is asked before it. */
#ifndef TOOLS_FLASHJIT_WHOLE_FILE_H
#define TOOLS_FLASHJIT_WHOLE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* malloc'ed, with a NUL after the last byte; NULL after a complaint. */
unsigned char *whole_file_read(const char *path, size_t *size);

/* Written beside its place and renamed, so that nobody sees half of it. False after a complaint. */
bool whole_file_write(const char *path, const void *bytes, size_t size);

/* Whether whole_file_write can write there, as things stand. False after a complaint. */
bool whole_file_check(const char *path);

/* Likewise of fopen, which writes into what is there, devices and pipes as well. */
bool output_file_check(const char *path);

#endif
