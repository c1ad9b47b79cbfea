/* flashjit completion: what bash, zsh and fish read to complete the command's words, made from its tables. */
#include "tools/flashjit/cli.h"
#include "tools/flashjit/command_list.h"

#include <stdio.h>
#include <string.h>

/* -------------------------------------------------------------------------------- words */

static void print_rows(const struct cli_option *rows) {
  for (; rows && rows->name; rows++) {
    if (rows->letter)
      printf("-%c ", rows->letter);
    printf("--%s ", rows->name);
  }
}

static void print_options(const struct cli_command *command) {
  print_rows(command->options);
  print_rows(command->more_options);
  fputs("--help", stdout);
}

static void print_verbs(const char *group) {
  const char *verb;
  const char *blank = "";
  for (const struct cli_command *const *command = command_list; *command; command++) {
    if (!command_has_word(*command, group, &verb))
      continue;
    printf("%s%s", blank, verb);
    blank = " ";
  }
}

static void print_first_words(void) {
  const char *verb;
  for (const struct cli_command *const *command = command_list; *command; command++) {
    command_has_word(*command, "", &verb);
    if (!verb)
      printf("%s ", (*command)->name);
  }
  for (const struct command_group *group = command_groups; group->name; group++)
    printf("%s ", group->name);
  fputs("--help --version", stdout);
}

/* Of what stands before the word, to the words that may follow: bash and zsh have the same form of it. Commands come
 * before their group, whose pattern fits them, too. */
static void print_cases(void) {
  fputs("  case \"$line \" in\n    ' ') words='", stdout);
  print_first_words();
  puts("' ;;");
  for (const struct cli_command *const *command = command_list; *command; command++) {
    printf("    '%s '*) words='", (*command)->name);
    print_options(*command);
    puts("' ;;");
  }
  for (const struct command_group *group = command_groups; group->name; group++) {
    printf("    '%s '*) words='", group->name);
    print_verbs(group->name);
    puts("' ;;");
  }
  puts("  esac");
}

/* -------------------------------------------------------------------------------- shells */

static void print_bash(void) {
  puts("# Completions of flashjit for bash: flashjit completion bash\n"
       "_flashjit() {\n"
       "  local line=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\" words=");
  print_cases();
  puts("  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
       "}\n"
       "complete -o default -F _flashjit flashjit");
}

static void print_zsh(void) {
  puts("#compdef flashjit\n"
       "# Completions of flashjit for zsh: flashjit completion zsh\n"
       "local line=\"${(j: :)words[2,CURRENT-1]}\"\n"
       "() {\n"
       "  local words=");
  print_cases();
  puts("  compadd -- ${(s: :)words}\n"
       "  [[ $words == -* ]] && _files\n"
       "}");
}

/* In single quotes, on one line. */
static void print_quoted(const char *text) {
  putchar('\'');
  for (; *text; text++) {
    if (*text == '\'' || *text == '\\')
      putchar('\\');
    putchar(*text == '\n' ? ' ' : *text);
  }
  putchar('\'');
}

static void print_fish_rows(const struct cli_option *rows, const char *condition) {
  for (; rows && rows->name; rows++) {
    printf("complete -c flashjit -n '%s' -l %s", condition, rows->name);
    if (rows->letter)
      printf(" -s %c", rows->letter);
    printf("%s -d ", rows->value ? " -r" : "");
    print_quoted(rows->help);
    putchar('\n');
  }
}

static void print_fish_command(const struct cli_command *command) {
  const char *verb;
  char word[32];
  char condition[160];
  snprintf(word, sizeof word, "%.*s", (int)strcspn(command->name, " "), command->name);
  command_has_word(command, word, &verb);
  snprintf(condition, sizeof condition, "__fish_seen_subcommand_from %s%s%s", word,
           verb ? "; and __fish_seen_subcommand_from " : "", verb ? verb : "");
  if (verb)
    printf("complete -c flashjit -n '__fish_seen_subcommand_from %s' -f -a %s -d ", word, verb);
  else
    printf("complete -c flashjit -n __fish_use_subcommand -f -a %s -d ", word);
  print_quoted(command->summary);
  putchar('\n');
  print_fish_rows(command->options, condition);
  print_fish_rows(command->more_options, condition);
}

static void print_fish(void) {
  puts("# Completions of flashjit for fish: flashjit completion fish");
  for (const struct command_group *group = command_groups; group->name; group++) {
    printf("complete -c flashjit -n __fish_use_subcommand -f -a %s -d ", group->name);
    print_quoted(group->summary);
    putchar('\n');
  }
  for (const struct cli_command *const *command = command_list; *command; command++)
    print_fish_command(*command);
}

/* -------------------------------------------------------------------------------- completion */

static bool take_none(void *user, int code, char *text) {
  (void)user, (void)code, (void)text;
  return true;
}

static int run(const struct cli_command *command, int argc, char **argv) {
  static const struct {
    const char *name;
    void (*print)(void);
  } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
  int first;
  const int code = cli_parse(command, argc, argv, take_none, NULL, &first);
  if (code >= 0)
    return code;
  for (size_t i = 0; argc - first == 1 && i < sizeof shells / sizeof *shells; i++) {
    if (strcmp(shells[i].name, argv[first]) != 0)
      continue;
    shells[i].print();
    return CLI_OK;
  }
  return usage_error(command->name, "name a shell: bash, zsh or fish");
}

static const struct cli_option options[] = {{0}};

const struct cli_command completion_command = {
    .name = "completion",
    .summary = "print completions for bash, zsh or fish",
    .arguments = "bash|zsh|fish",
    .about = "Prints what a shell reads to complete the command's words. An installation has it in its place.",
    .options = options,
    .run = run,
};
