/* What is fuzzed, and mutations of its input. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOST_BYTES = 1 << 17, MOST_SEEDS = 16 };

struct input {
  unsigned char bytes[MOST_BYTES];
  size_t size;
};

struct subject {
  const char *name;
  const char *const *seeds; /* files below tests/, or texts; NULL at the end */
  bool seeds_are_files;
  /* Reads the input. What holds of every input that is taken is checked: false when it does not. */
  bool (*read)(struct input *input, uint64_t random, bool *taken);
};

/* One row each; NULL after the last. */
const struct subject *subject_find(const char *name);

uint64_t next_random(uint64_t *state);

/* Changes the input in a few of many ways. `other` gives bytes to be put in. */
void mutate(struct input *input, const struct input *other, uint64_t *random);

#endif
