/* Parsing by a table, and what it says of itself. */
#include "tools/flashjit/option_table.h"

#include "tools/flashjit/cli.h"

#include <getopt.h>
#include <string.h>

enum { MOST_OPTIONS = 40, FIRST_CODE = 256, HELP_CODE = FIRST_CODE + MOST_OPTIONS, NAME_WIDTH = 20 };

/* getopt's form of the rows. A code there is the row's number, so that rows may have any codes. */
struct parser {
  const struct cli_option *rows[MOST_OPTIONS];
  int count;
  struct option long_options[MOST_OPTIONS + 2];
  char letters[3 + 2 * MOST_OPTIONS];
};

static void add_rows(struct parser *parser, const struct cli_option *rows) {
  for (; rows && rows->name && parser->count < MOST_OPTIONS; rows++) {
    parser->long_options[parser->count] = (struct option){
        .name = rows->name,
        .has_arg = rows->value ? required_argument : no_argument,
        .val = FIRST_CODE + parser->count,
    };
    const size_t used = strlen(parser->letters);
    if (rows->letter)
      snprintf(parser->letters + used, sizeof parser->letters - used, "%c%s", rows->letter, rows->value ? ":" : "");
    parser->rows[parser->count++] = rows;
  }
}

static void make_parser(struct parser *parser, const struct cli_command *command) {
  *parser = (struct parser){.letters = ":h"};
  add_rows(parser, command->options);
  add_rows(parser, command->more_options);
  parser->long_options[parser->count] = (struct option){.name = "help", .val = HELP_CODE};
}

static const struct cli_option *row_of(const struct parser *parser, int code) {
  if (code >= FIRST_CODE)
    return parser->rows[code - FIRST_CODE];
  for (int i = 0; i < parser->count; i++) {
    if (parser->rows[i]->letter == code)
      return parser->rows[i];
  }
  return NULL;
}

int cli_parse(const struct cli_command *command, int argc, char **argv, cli_take *take, void *choice, int *first) {
  struct parser parser;
  int code;
  make_parser(&parser, command);
  optind = 1;
  while ((code = getopt_long(argc, argv, parser.letters, parser.long_options, NULL)) != -1) {
    if (code == 'h' || code == HELP_CODE) {
      cli_print_help(command, stdout);
      return CLI_OK;
    }
    if (code == '?' || code == ':')
      return unknown_option(command->name, code, argv);
    if (!take(choice, row_of(&parser, code)->code, optarg))
      return CLI_USAGE;
  }
  *first = optind;
  return -1;
}

/* -------------------------------------------------------------------------------- help */

/* Prints lines, each after `indent` blanks, the first after what is there already. */
static void print_lines(FILE *file, const char *text, int indent) {
  while (*text) {
    const int length = (int)strcspn(text, "\n");
    fprintf(file, "%.*s\n", length, text);
    text += length + (text[length] == '\n');
    if (*text)
      fprintf(file, "%*s", indent, "");
  }
}

static void print_options(FILE *file, const struct cli_option *rows) {
  for (; rows && rows->name; rows++) {
    char name[64];
    char letter[8] = "";
    if (rows->letter)
      snprintf(letter, sizeof letter, "-%c, ", rows->letter);
    snprintf(name, sizeof name, "%s--%s%s%s", letter, rows->name, rows->value ? " " : "",
             rows->value ? rows->value : "");
    fprintf(file, "  %-*s", NAME_WIDTH, name);
    if (strlen(name) >= NAME_WIDTH)
      fprintf(file, "\n  %*s", NAME_WIDTH, "");
    print_lines(file, rows->help, NAME_WIDTH + 2);
  }
}

void cli_print_help(const struct cli_command *command, FILE *file) {
  const char *way = command->arguments;
  do {
    const int length = (int)strcspn(way, "\n");
    fprintf(file, "%s flashjit %s%s%.*s\n", way == command->arguments ? "usage:" : "      ", command->name,
            length ? " " : "", length, way);
    way += length + (way[length] == '\n');
  } while (*way);
  fputc('\n', file);
  print_lines(file, command->about ? command->about : command->summary, 0);
  if (command->options && command->options->name) {
    fputc('\n', file);
    print_options(file, command->options);
  }
  if (command->more_options) {
    fprintf(file, "\n%s\n", command->more_title);
    print_options(file, command->more_options);
  }
}
