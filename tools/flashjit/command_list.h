/* The subcommands in the order in which help, completions and the manual page have them. */
#ifndef TOOLS_FLASHJIT_COMMAND_LIST_H
#define TOOLS_FLASHJIT_COMMAND_LIST_H

#include "tools/flashjit/commands.h"

/* NULL at the end. Commands of two words follow each other when the first is the same. */
extern const struct cli_command *const command_list[];

/* Of commands that share their first word. */
struct command_group {
  const char *name; /* NULL at the end */
  const char *summary;
};

extern const struct command_group command_groups[];

/* Whether the command has this first word; *verb is its second one, or NULL. */
bool command_has_word(const struct cli_command *command, const char *word, const char **verb);

#endif
