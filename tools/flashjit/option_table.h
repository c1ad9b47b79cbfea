/* A subcommand as a table: its options are parsed, and its help, completions and manual page written, from the same
 * rows. */
#ifndef TOOLS_FLASHJIT_OPTION_TABLE_H
#define TOOLS_FLASHJIT_OPTION_TABLE_H

#include <stdbool.h>
#include <stdio.h>

struct cli_option {
  const char *name;  /* "target"; NULL ends the rows */
  char letter;       /* 'j'; 0: none */
  const char *value; /* "TARGET"; NULL: takes none */
  const char *help;
  int code; /* what cli_take is told */
};

struct cli_command {
  const char *name; /* "bundle create" */
  const char *summary;
  const char *arguments; /* of the usage line; several lines are several ways to call it */
  const char *about;     /* more, in lines; may be NULL */
  const struct cli_option *options;
  const struct cli_option *more_options; /* likewise; may be NULL */
  const char *more_title;                /* of these */
  int (*run)(const struct cli_command *command, int argc, char **argv);
};

/* Takes one option. False after a complaint when its value is wrong. */
typedef bool cli_take(void *choice, int code, char *text);

/*
 * Parses the options of a command, whose name is not among argv. Returns -1, with the number of the first argument that
 * is no option in *first, or the exit code of what has been done: --help, or a complaint.
 */
int cli_parse(const struct cli_command *command, int argc, char **argv, cli_take *take, void *choice, int *first);

void cli_print_help(const struct cli_command *command, FILE *file);

#endif
