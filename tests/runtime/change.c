/* One change to a call that works, and what the call must then answer. */
#include "change.h"

#include "fakes.h"

#include <criterion/criterion.h>
#include <string.h>

void change_apply(const struct change *change, void *record) {
  const uint32_t narrow = (uint32_t)change->value;
  const void *value = change->size == sizeof narrow ? (const void *)&narrow : (const void *)&change->value;
  memcpy((char *)record + change->offset, value, change->size);
}

fi_workspace good_workspace(const fi_kernel *kernel, uint32_t max_tokens) {
  fi_workspace workspace = {.struct_size = sizeof workspace,
                            .max_requests = 8,
                            .max_tokens = max_tokens,
                            .max_kv_len = 1000,
                            .kv_heads = 2,
                            .max_selected = 32,
                            .memory = address(0x200000),
                            .scratch = address(0x900000)};
  cr_assert_eq(fi_workspace_size(kernel, &workspace), FI_OK, "%s", fi_last_error());
  return workspace;
}

void change_expect(const struct change *change, fi_status status) {
  cr_expect_eq(status, change->status, "%s: %s: %s", change->message, fi_status_name(status), fi_last_error());
  cr_expect(strstr(fi_last_error(), change->message), "%s: %s", change->message, fi_last_error());
}
