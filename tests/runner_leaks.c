/*
 * Criterion runs each test in a process of its own, and its runner now and then loses 48 bytes itself. Leaks are looked
 * for in the tests' processes alone, which boxfort starts with a variable in the environment.
 */
#include <stdlib.h>

int __lsan_is_turned_off(void);

__attribute__((visibility("default"))) int __lsan_is_turned_off(void) {
  return getenv("BXFI_MAP") == NULL;
}
