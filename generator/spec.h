/* The spec inside the library: one canonical form, so that equal kernels have equal specs. */
#ifndef GENERATOR_SPEC_H
#define GENERATOR_SPEC_H

#include "flashjit.h"
#include "target.h"

#include <stddef.h>

/*
 * Fills in every default, resets the axes that do not matter and checks the rest. FI_ERROR_SPEC,
 * FI_ERROR_UNSUPPORTED, FI_ERROR_ABI or FI_ERROR_ARGUMENT leave out undefined.
 */
fi_status spec_canonical(const fi_spec *in, fi_spec *out);

/* The text of a canonical spec; FI_SPEC_TEXT_SIZE bytes hold it. */
void spec_print(const fi_spec *canonical, char *text, size_t size);

/* That of the kernel which a canonical spec has first: of rows that are open it has the fewest. */
void spec_print_kernel(const fi_spec *canonical, char *text, size_t size);

/* The target of a name. FI_ERROR_UNSUPPORTED, with the names that there are, when it is none of them. */
fi_status spec_find_target(const char *name, const struct target **target);

#endif
