/*
 * Directives of templates: a kernel's text, then a fragment's, apart by a zero. Most are texts of merge, whose own
 * constants are few; attention has them all.
 */
#include "fuzz.h"

#include "generator/render.h"
#include "generator/spec.h"

#include <string.h>

static void render(uint32_t op, const char *kernel, const char *fragment) {
  const struct template_file files[] = {
      {"flashjit_args.h", "/* Records. */\n#ifndef G\n#define G\n\nstruct used_args {\n  int a;\n};\n\n#endif\n"},
      {op == FI_OP_MERGE ? "kernels/merge.cu" : "kernels/attention_mma.cu", kernel},
      {"a/b.cuh", fragment},
  };
  const struct template_set set = {files, sizeof files / sizeof *files};
  struct source source;
  fi_spec spec;
  fi_spec canonical;
  fi_spec_init(&spec);
  spec.op = op;
  fuzz_expect(spec_canonical(&spec, &canonical) == FI_OK);
  if (render_templates(&set, &canonical, target_find("sm_90a"), 0, &source) == FI_OK) {
    fuzz_expect(strlen(source.text) == source.size);
    source_free(&source);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = fuzz_text(data, size);
  const size_t end = strlen(text);
  render(size % 4 ? FI_OP_MERGE : FI_OP_ATTENTION, text, end < size ? text + end + 1 : "");
  free(text);
  return 0;
}
