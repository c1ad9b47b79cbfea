/* Text that CUDA C++ cannot express by itself: wrappers whose operand lists depend on the spec. */
#ifndef GENERATOR_EMIT_H
#define GENERATOR_EMIT_H

#include "facts.h"
#include "text.h"

#include <stdbool.h>
#include <stddef.h>

/* An emitter adds whole definitions to the text. */
struct emitter {
  const char *name;
  void (*emit)(const struct facts *facts, struct text *text);
};

/* The emitter of "//@emit NAME"; NULL when there is none. */
const struct emitter *emit_find(const char *name, size_t size);

void emit_mma(const struct facts *facts, struct text *text);

/* emit_wgmma.c */
void emit_wgmma(const struct facts *facts, struct text *text);

#endif
