/* What the subcommands share: exit codes, and how they complain. */
#ifndef TOOLS_FLASHJIT_CLI_H
#define TOOLS_FLASHJIT_CLI_H

#include <stdbool.h>
#include <stddef.h>

enum {
  CLI_OK = 0,
  CLI_FAILED = 1, /* a wrong output, a kernel that could not be had, an unreadable file */
  CLI_USAGE = 2   /* the command line */
};

/* A line on stderr: "flashjit: ...". */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for a mistake on the command line, with a pointer to the help. Returns CLI_USAGE. */
int usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What getopt_long complained about by returning '?' or ':'. Returns CLI_USAGE. */
int unknown_option(const char *command, int code, char **argv);

/* After a write to stdout that failed: complains once, of errno. Returns CLI_FAILED. */
int output_failed(void);

/* At the end of a command: its exit code, which is not CLI_OK when something of what it prints could not be written. */
int output_finish(int code);

#endif
