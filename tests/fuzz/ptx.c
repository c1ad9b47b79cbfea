/* PTX texts, as the simulator loads them. */
#include "fuzz.h"

#include "api/module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = fuzz_text(data, size);
  char error[PTX_ERROR_BYTES] = "";
  struct sim_module *module = sim_module_load(text, 0, 90, error);
  fuzz_expect(module != NULL || error[0] != '\0');
  if (module)
    sim_module_unload(module);
  free(text);
  return 0;
}
