/* Pseudo-random specs that are the same in every run. */
#ifndef TESTS_GENERATOR_RANDOM_SPEC_H
#define TESTS_GENERATOR_RANDOM_SPEC_H

#include "flashjit.h"

#include <stdint.h>

struct random_source {
  uint64_t state; /* not 0 */
};

/* A number below the limit. */
uint32_t random_below(struct random_source *source, uint32_t limit);

/* Each axis is left at 0 or gets a value that it allows; rules and targets may still refuse the whole. */
fi_spec random_spec(struct random_source *source, uint32_t op);

#endif
