/* Options that several subcommands take. */
#ifndef TOOLS_FLASHJIT_OPTIONS_H
#define TOOLS_FLASHJIT_OPTIONS_H

#include "tools/flashjit/roles.h"

/* Reads the value of --kv-dtype or --page-size. False after a complaint. */
bool option_kv_dtype(const char *command, const char *text, uint32_t *dtype);
bool option_page_size(const char *command, const char *text, uint32_t *page_size);

/* Reads a number for any other option. */
bool option_number(const char *command, const char *option, const char *text, uint64_t minimum, uint64_t maximum,
                   uint64_t *number);

/* Whether there is a target of this name. False after a complaint. */
bool option_target(const char *command, const char *text);

/* What a cache looks like unless options say otherwise. */
enum { DEFAULT_PAGE_SIZE = 16 };

/* The lines of --help on these options. */
extern const char cache_options_help[];

#endif
