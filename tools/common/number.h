/* Numbers in text: of options, variables and files. */
#ifndef TOOLS_COMMON_NUMBER_H
#define TOOLS_COMMON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* The decimal number in [minimum, maximum] that the whole text is; no sign, no space. */
bool parse_number(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *number);

#endif
