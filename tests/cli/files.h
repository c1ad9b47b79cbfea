/* Scratch files with given content. */
#ifndef TESTS_CLI_FILES_H
#define TESTS_CLI_FILES_H

/* Writes a file in a folder of this process under /tmp; returns its path, which lives for 16 further calls.
 */
const char *scratch_file(const char *name, const char *content);

/* The folder. */
const char *scratch_folder(void);

#endif
