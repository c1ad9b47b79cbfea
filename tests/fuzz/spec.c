/* Texts of specs. One that is read is printed as a text of the same spec. */
#include "fuzz.h"

#include "generator/spec.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = fuzz_text(data, size);
  char printed[FI_SPEC_TEXT_SIZE];
  fi_spec spec;
  fi_spec canonical;
  fi_spec again;
  if (fi_spec_parse(text, &spec) == FI_OK && spec_canonical(&spec, &canonical) == FI_OK) {
    fuzz_expect(fi_spec_print(&canonical, printed, sizeof printed) == FI_OK);
    fuzz_expect(fi_spec_parse(printed, &spec) == FI_OK && spec_canonical(&spec, &again) == FI_OK);
    fuzz_expect(memcmp(&canonical, &again, sizeof again) == 0);
    fi_spec_supported(&canonical, NULL);
  }
  free(text);
  return 0;
}
