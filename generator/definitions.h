/* Splits CUDA C++ text into its top-level definitions and finds what each one defines. */
#ifndef GENERATOR_DEFINITIONS_H
#define GENERATOR_DEFINITIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Whole lines text[begin .. end), with the comments directly above. */
struct definition {
  size_t begin;
  size_t end;
  bool comment; /* a comment that stands alone, between blank lines */
  bool root;    /* has a use that the text does not show: a kernel, a static_assert, an operator */
  bool blank_before;
};

struct defined_name {
  const char *text;
  size_t size;
  size_t definition;
};

struct definitions {
  struct definition *items;
  size_t count;
  size_t room;
  struct defined_name *names;
  size_t name_count;
  size_t name_room;
};

/* False when the host is out of memory. The names point into the text. */
bool definitions_split(const char *text, size_t size, struct definitions *definitions);

void definitions_free(struct definitions *definitions);

#endif
