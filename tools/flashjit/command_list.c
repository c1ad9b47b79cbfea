/* The table of subcommands. */
#include "tools/flashjit/command_list.h"

#include <string.h>

const struct cli_command *const command_list[] = {
    &run_command,  &bench_command,        &verify_command, &build_command,      &specs_command,
    &show_command, &explain_command,      &doctor_command, &cache_path,         &cache_ls,
    &cache_stats,  &cache_verify_command, &cache_prune,    &cache_rm,           &bundle_create,
    &bundle_ls,    &bundle_verify,        &bundle_install, &completion_command, &manual_command,
    NULL,
};

const struct command_group command_groups[] = {
    {"cache", "list, check and clear the cache"},
    {"bundle", "make and use single files of kernels"},
    {NULL, NULL},
};

bool command_has_word(const struct cli_command *command, const char *word, const char **verb) {
  const size_t size = strcspn(command->name, " ");
  *verb = command->name[size] ? command->name + size + 1 : NULL;
  return strlen(word) == size && strncmp(command->name, word, size) == 0;
}
