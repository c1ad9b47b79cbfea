/* The table of emitters, and the wrapper of the mma instruction. */
#include "emit.h"

#include "derived.h"

#include <string.h>

static const struct emitter emitters[] = {
    {"mma", emit_mma},
    {"wgmma", emit_wgmma},
};

const struct emitter *emit_find(const char *name, size_t size) {
  for (size_t i = 0; i < sizeof emitters / sizeof *emitters; i++) {
    if (strlen(emitters[i].name) == size && memcmp(emitters[i].name, name, size) == 0)
      return &emitters[i];
  }
  return NULL;
}

void emit_mma(const struct facts *facts, struct text *text) {
  const struct tile_number *narrow = tile_find(facts->tile, "weight_exponent", strlen("weight_exponent"));
  const bool is_narrow = narrow && narrow->value > 0;
  const char *type = is_narrow ? "e4m3" : derived_operand(facts->spec) == FI_BF16 ? "bf16" : "f16";
  const uint32_t depth = is_narrow ? 32 : 16;
  text_print(text,
             "/* c += a b: 16 x %u by %u x 8 elements of %s over a warp, in the fragment layout of mma.m16n8k%u. "
             "*/\n"
             "void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {\n"
             "  asm volatile(\"mma.sync.aligned.m16n8k%u.row.col.f32.%s.%s.f32 \"\n"
             "               \"{%%0, %%1, %%2, %%3}, {%%4, %%5, %%6, %%7}, {%%8, %%9}, {%%0, %%1, %%2, %%3};\"\n"
             "               : \"+f\"(c[0]), \"+f\"(c[1]), \"+f\"(c[2]), \"+f\"(c[3])\n"
             "               : \"r\"(a[0]), \"r\"(a[1]), \"r\"(a[2]), \"r\"(a[3]), \"r\"(b0), \"r\"(b1));\n"
             "}\n",
             depth, depth, type, depth, depth, type, type);
}
