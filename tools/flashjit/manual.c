/* flashjit manual: the manual page, made from the command's tables and the library's table of variables. */
#include "runtime/options.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/command_list.h"
#include "tools/flashjit/version.h"

#include <stdio.h>
#include <string.h>

/* Text as roff takes it literally. A new line of it is a blank. */
static void print_text(const char *text) {
  for (; *text; text++) {
    if (*text == '\\')
      fputs("\\e", stdout);
    else if (*text == '-')
      fputs("\\-", stdout);
    else if (*text == '\'')
      fputs("\\(aq", stdout);
    else
      putchar(*text == '\n' ? ' ' : *text);
  }
}

static void print_line(const char *text) {
  print_text(text);
  putchar('\n');
}

static void print_ways(const struct cli_command *command) {
  const char *way = command->arguments;
  while (*way) {
    char line[256];
    const int length = (int)strcspn(way, "\n");
    snprintf(line, sizeof line, "%.*s", length, way);
    fputs(".PP\n.B flashjit ", stdout);
    print_line(command->name);
    print_line(line);
    way += length + (way[length] == '\n');
  }
}

static void print_options(const struct cli_option *rows) {
  for (; rows && rows->name; rows++) {
    fputs(".TP\n", stdout);
    if (rows->letter)
      printf("\\fB\\-%c\\fR, ", rows->letter);
    fputs("\\fB\\-\\-", stdout);
    print_text(rows->name);
    fputs("\\fR", stdout);
    if (rows->value) {
      fputs(" \\fI", stdout);
      print_text(rows->value);
      fputs("\\fR", stdout);
    }
    putchar('\n');
    print_line(rows->help);
  }
}

static void print_command(const struct cli_command *command) {
  printf(".SS %s\n", command->name);
  print_ways(command);
  puts(".PP");
  print_line(command->about ? command->about : command->summary);
  print_options(command->options);
  if (!command->more_options)
    return;
  puts(".PP");
  print_line(command->more_title);
  print_options(command->more_options);
}

static void print_exit_status(void) {
  static const struct {
    const char *code;
    const char *meaning;
  } codes[] = {
      {"0", "done"},
      {"1", "something failed, or is not as it should be: a wrong output, nothing that could be run, a damaged file, "
            "a kernel that could not be had"},
      {"2", "a mistake on the command line"},
      {"128+N", "stopped by signal N"},
  };
  puts(".SH EXIT STATUS");
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    printf(".TP\n.B %s\n%s\n", codes[i].code, codes[i].meaning);
}

static void print_environment(void) {
  puts(".SH ENVIRONMENT");
  for (size_t i = 0; options_variable_name(i); i++) {
    printf(".TP\n.B %s\n", options_variable_name(i));
    print_line(options_variable_meaning(i));
  }
}

static void print_manual(void) {
  char version[LIBRARY_VERSION_SIZE];
  library_version(version);
  printf(".TH FLASHJIT 1 \"\" \"flashjit %s\" \"User Commands\"\n", version);
  puts(
      ".SH NAME\nflashjit \\- attention kernels, generated and compiled at run time\n"
      ".SH SYNOPSIS\n.B flashjit\n.I COMMAND\n[options]\n"
      ".SH DESCRIPTION\n"
      "Compiles attention kernels for LLM serving into a cache, runs and verifies a model\\(aqs attention layers, and\n"
      "looks after caches and bundles of kernels. Data goes to standard output, talk to standard error. "
      "\\fB\\-\\-json\\fR\n"
      "prints a document with the name of its schema and the version of it. Nothing is coloured, with NO_COLOR or\n"
      "without; progress is drawn on a terminal alone.\n"
      ".SH COMMANDS");
  for (const struct cli_command *const *command = command_list; *command; command++)
    print_command(*command);
  print_exit_status();
  print_environment();
}

static bool take_none(void *user, int code, char *text) {
  (void)user, (void)code, (void)text;
  return true;
}

static int run(const struct cli_command *command, int argc, char **argv) {
  int first;
  const int code = cli_parse(command, argc, argv, take_none, NULL, &first);
  if (code >= 0)
    return code;
  if (first < argc)
    return usage_error(command->name, "unexpected argument \"%s\"", argv[first]);
  print_manual();
  return CLI_OK;
}

static const struct cli_option options[] = {{0}};

const struct cli_command manual_command = {
    .name = "manual",
    .summary = "print the manual page",
    .arguments = "",
    .about = "Prints the manual page, as man reads it. An installation has it in its place.",
    .options = options,
    .run = run,
};
