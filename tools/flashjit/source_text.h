/* The generated source of a spec, and the numbers in it. */
#ifndef TOOLS_FLASHJIT_SOURCE_TEXT_H
#define TOOLS_FLASHJIT_SOURCE_TEXT_H

#include "flashjit.h"

#include <stdbool.h>

/* To be freed; NULL after a complaint. */
char *source_text(const fi_spec *spec, const char *target);

/*
 * Steps through its whole numbers ("constexpr int kRows = 16;"): those after *at, which is the source at first. False
 * after the last one. The name, "Rows", is cut to the size.
 */
bool source_next_number(const char **at, char *name, size_t size, int *value);

/* A number by its name; 0 when the source has none. */
int source_number(const char *source, const char *name);

#endif
