/* Configs of models. What is read can be told as JSON. */
#include "fuzz.h"

#include "tools/flashjit/model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct model model;
  const struct model_choice choice = {
      .path = fuzz_file(data, size), .devices = size % 2 ? 8 : 1, .text_only = size % 3 == 0};
  if (model_read(&choice, &model)) {
    json_t *told = model_json(&model);
    fuzz_expect(told != NULL);
    json_decref(told);
  }
  return 0;
}
