/* A set of template files. The library's own are embedded in it at build time; tests bring theirs. */
#ifndef GENERATOR_TEMPLATES_H
#define GENERATOR_TEMPLATES_H

#include <stddef.h>

struct template_file {
  const char *name; /* "kernels/plan.cu", "tile/softmax.cuh", "flashjit_args.h" */
  const char *text;
};

struct template_set {
  const struct template_file *files;
  size_t count;
};

/* templates/ and include/flashjit_args.h, in a source file that the build makes. */
extern const struct template_set templates_embedded;

#endif
