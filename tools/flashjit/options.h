/* Options that several subcommands take. */
#ifndef TOOLS_FLASHJIT_OPTIONS_H
#define TOOLS_FLASHJIT_OPTIONS_H

#include "tools/flashjit/option_table.h"
#include "tools/flashjit/roles.h"
#include "tools/flashjit/snippet.h"

/* Options on a model and its cache, which specs, build and run share. */
struct model_options {
  struct model_choice model;
  uint32_t page_size;
  struct snippet_option snippet;
  char settings[4096]; /* of --set, a line each */
};

enum {
  OPTION_MODEL = 1,
  OPTION_TP,
  OPTION_KV_DTYPE,
  OPTION_PAGE_SIZE,
  OPTION_TEXT_ONLY,
  OPTION_SET,
  OPTION_SNIPPET,
  OPTIONS_OF_MODEL /* codes of other options begin here */
};

/* What holds unless options say otherwise. */
void model_options_init(struct model_options *options);

/* Takes one of them. False after a complaint when its value is wrong. */
bool model_option(const char *command, int code, const char *text, struct model_options *options);

/* Reads a number for any other option. */
bool option_number(const char *command, const char *option, const char *text, uint64_t minimum, uint64_t maximum,
                   uint64_t *number);

/* Whether there is a target of this name. False after a complaint. */
bool option_target(const char *command, const char *text);

/* Their rows, and the line above them. */
extern const struct cli_option model_option_rows[];
extern const char model_option_title[];

#endif
