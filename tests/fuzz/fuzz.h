/*
 * Each program of this folder gives bytes to one reader of untrusted input. libFuzzer makes them up, or replay.c takes
 * them from files. A reader may refuse what it likes; it must not crash, leak, hang, or accept what it does not mean.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes as a text, which ends at the first zero among them. The caller frees it. */
char *fuzz_text(const uint8_t *data, size_t size);

/* The path of a file with these bytes, in memory, good until the next call. */
const char *fuzz_file(const uint8_t *data, size_t size);

/* Ends the program when a reader broke a promise. */
static inline void fuzz_expect(int holds) {
  if (!holds)
    abort();
}

#endif
