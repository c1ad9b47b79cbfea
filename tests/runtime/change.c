/* One change to a call that works, and what the call must then answer. */
#include "change.h"

#include <criterion/criterion.h>
#include <string.h>

void change_apply(const struct change *change, void *record) {
  const uint32_t narrow = (uint32_t)change->value;
  const void *value = change->size == sizeof narrow ? (const void *)&narrow : (const void *)&change->value;
  memcpy((char *)record + change->offset, value, change->size);
}

void change_expect(const struct change *change, fi_status status) {
  cr_expect_eq(status, change->status, "%s: %s: %s", change->message, fi_status_name(status), fi_last_error());
  cr_expect(strstr(fi_last_error(), change->message), "%s: %s", change->message, fi_last_error());
}
