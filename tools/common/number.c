/* Numbers in text. */
#include "tools/common/number.h"

#include <errno.h>
#include <stdlib.h>

bool parse_number(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *number) {
  if (text[0] < '0' || text[0] > '9')
    return false;
  char *end;
  errno = 0;
  *number = strtoull(text, &end, 10);
  return errno == 0 && *end == '\0' && *number >= minimum && *number <= maximum;
}
