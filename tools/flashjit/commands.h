/* All subcommands. */
#ifndef TOOLS_FLASHJIT_COMMANDS_H
#define TOOLS_FLASHJIT_COMMANDS_H

#include "tools/flashjit/option_table.h"

extern const struct cli_command run_command, bench_command, verify_command, build_command, specs_command, show_command,
    explain_command, doctor_command;
extern const struct cli_command cache_path, cache_ls, cache_stats, cache_verify_command, cache_prune, cache_rm;
extern const struct cli_command bundle_create, bundle_ls, bundle_verify, bundle_install;
extern const struct cli_command completion_command, manual_command;

/* Prints the library, and which compiler and driver it would find. Returns an exit code. */
int command_version(void);

#endif
