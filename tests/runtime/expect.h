/* Expectations of plain programs, which go on after one that does not hold. */
#ifndef TESTS_RUNTIME_EXPECT_H
#define TESTS_RUNTIME_EXPECT_H

#include <stdbool.h>

/* Of all calls of expect. */
extern unsigned failures;

/* Counts what does not hold, and prints what it is. */
void expect(bool holds, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
