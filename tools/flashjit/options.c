/* Values of shared options. */
#include "tools/flashjit/options.h"

#include "tests/dtypes.h"
#include "tools/common/number.h"
#include "tools/flashjit/cli.h"

#include <inttypes.h>

const char cache_options_help[] = "  --kv-dtype TYPE     f16, bf16, e4m3 or e5m2 in the cache; default: the model's\n"
                                  "  --page-size N       tokens of a cache page, 0 for none; default: 16\n";

bool option_kv_dtype(const char *command, const char *text, uint32_t *dtype) {
  *dtype = dtype_find(text);
  if (*dtype == FI_DTYPE_DEFAULT)
    usage_error(command, "--kv-dtype is \"%s\"; allowed are f16, bf16, e4m3, e5m2", text);
  return *dtype != FI_DTYPE_DEFAULT;
}

/* By the plan kernel, which every target has. */
bool option_target(const char *command, const char *text) {
  const fi_spec plan = plan_spec();
  const bool known = fi_spec_supported(&plan, text) == FI_OK;
  if (!known)
    usage_error(command, "--target: %s", fi_last_error());
  return known;
}

bool option_number(const char *command, const char *option, const char *text, uint64_t minimum, uint64_t maximum,
                   uint64_t *number) {
  bool is_number = parse_number(text, minimum, maximum, number);
  if (!is_number)
    usage_error(command, "%s is \"%s\"; allowed are %" PRIu64 " to %" PRIu64, option, text, minimum, maximum);
  return is_number;
}

bool option_page_size(const char *command, const char *text, uint32_t *page_size) {
  uint64_t number = 0;
  bool is_number = option_number(command, "--page-size", text, 0, 1024, &number);
  *page_size = (uint32_t)number;
  return is_number;
}
