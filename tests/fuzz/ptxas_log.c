/* What a compiler says of a kernel. */
#include "fuzz.h"

#include "runtime/ptxas_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = fuzz_text(data, size);
  struct ptxas_facts facts;
  ptxas_log_read(text, &facts);
  free(text);
  return 0;
}
