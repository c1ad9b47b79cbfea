/* A set of template files. The library's own are embedded in it at build time, packed; tests bring theirs. */
#ifndef GENERATOR_TEMPLATES_H
#define GENERATOR_TEMPLATES_H

#include <stdbool.h>
#include <stddef.h>

struct template_file {
  const char *name; /* "kernels/plan.cu", "tile/softmax.cuh", "flashjit_args.h" */
  const char *text;
};

struct template_set {
  const struct template_file *files;
  size_t count;
};

/* A set whose texts, each with its zero, are packed as one block (cache/lz.h). */
struct template_pack {
  struct template_set set;
  const unsigned char *packed;
  size_t packed_size;
  char *texts; /* where the texts of the set will be */
  size_t size;
};

/* templates/ and the records that C shares with them, in a source file that the build makes. */
extern const struct template_pack templates_packed;

/* Fills in the texts of the set. False when the block does not stand for as many bytes. */
bool templates_unpack(const struct template_pack *pack);

/* The set of templates_packed, which the process's first call unpacks into memory of the library's own: nothing is
 * allocated. NULL when its block is damaged. */
const struct template_set *templates_embedded(void);

#endif
