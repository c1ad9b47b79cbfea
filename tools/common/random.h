/* Random tensors, page orders and samples: the same for the same seed on every machine. */
#ifndef TOOLS_COMMON_RANDOM_H
#define TOOLS_COMMON_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* The generator's state; any value is a good seed. */
typedef uint64_t random_state;

uint64_t random_next(random_state *state);

/* A whole number below limit, which is not 0. */
uint32_t random_below(random_state *state, uint32_t limit);

/* Elements of a normal distribution with deviation 1, rounded to a dtype. */
void random_normal(random_state *state, uint32_t dtype, void *data, size_t count);

/*
 * So many bytes of such elements, of which some are random and fill gigabytes again and again: 8 times a prime number,
 * so that rows of no dim repeat within as many tokens as they are.
 */
void random_pattern(random_state *state, uint32_t dtype, void *data, size_t bytes);

/* 0 .. count - 1 in random order. */
void random_permutation(random_state *state, int32_t *order, uint32_t count);

#endif
