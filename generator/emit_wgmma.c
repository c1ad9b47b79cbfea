/* The wrappers of the wgmma instruction: the lists of their registers are as long as the tile is wide. */
#include "emit.h"

#include "dtypes.h"

#include <string.h>

enum { COLUMNS_OF_OPERANDS = 8 };

/* "%0, %1, ..." in lines of eight, each a string of its own. */
static void print_places(struct text *text, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (i % COLUMNS_OF_OPERANDS == 0)
      text_print(text, "               \"");
    text_print(text, "%%%u%s", i, i + 1 < count ? ", " : "");
    if (i % COLUMNS_OF_OPERANDS == COLUMNS_OF_OPERANDS - 1 || i + 1 == count)
      text_print(text, "\"\n");
  }
}

/* The accumulator's registers, of which an octet of columns has four. */
static void print_accumulator(struct text *text, uint32_t octets) {
  for (uint32_t i = 0; i < octets; i++) {
    text_print(text, "%s", i == 0 ? "               : " : "                 ");
    for (uint32_t e = 0; e < 4; e++)
      text_print(text, "\"+f\"(c[%u][%u])%s", i, e, e < 3 ? ", " : i + 1 < octets ? ",\n" : "\n");
  }
}

static void print_head(struct text *text, const char *type, uint32_t columns, uint32_t depth) {
  text_print(text, "               \"wgmma.mma_async.sync.aligned.m64n%uk%u.f32.%s.%s {\"\n", columns, depth, type,
             type);
}

/* Q K^T: both operands in shared memory, dims contiguous. */
static void emit_scores(struct text *text, const char *type, uint32_t tokens) {
  const uint32_t registers = tokens / 2;
  text_print(text,
             "/* c = a b, or c += a b: 64 x 16 by 16 x %u elements of %s that matrix descriptors tell of. */\n"
             "void multiply_keys(float (&c)[%u][4], u64 a, u64 b, bool add) {\n"
             "  asm volatile(\"{.reg .pred add; setp.ne.b32 add, %%%u, 0;\"\n",
             tokens, type, tokens / 8, registers + 2);
  print_head(text, type, tokens, 16);
  print_places(text, registers);
  text_print(text, "               \"}, %%%u, %%%u, add, 1, 1, 0, 0;}\"\n", registers, registers + 1);
  print_accumulator(text, tokens / 8);
  text_print(text, "               : \"l\"(a), \"l\"(b), \"r\"((u32)add));\n}\n\n");
}

/* P V: P in registers, V in shared memory, dims contiguous, which are its columns. */
static void emit_output(struct text *text, const char *type, uint32_t dims) {
  const uint32_t registers = dims / 2;
  text_print(text,
             "/* c += a b: 64 x 16 elements of %s in registers by 16 x %u that a matrix descriptor tells of. */\n"
             "void multiply_values(float (&c)[%u][4], const u32 (&a)[4], u64 b) {\n"
             "  asm volatile(\"{.reg .pred add; setp.ne.b32 add, 1, 0;\"\n",
             type, dims, dims / 8);
  print_head(text, type, dims, 16);
  print_places(text, registers);
  text_print(text, "               \"}, {%%%u, %%%u, %%%u, %%%u}, %%%u, add, 1, 1, 1;}\"\n", registers, registers + 1,
             registers + 2, registers + 3, registers + 4);
  print_accumulator(text, dims / 8);
  text_print(text, "               : \"r\"(a[0]), \"r\"(a[1]), \"r\"(a[2]), \"r\"(a[3]), \"l\"(b));\n}\n");
}

/* P V of weights of another warpgroup: P in shared memory too, tokens contiguous. */
static void emit_shared_output(struct text *text, const char *type, uint32_t dims) {
  const uint32_t registers = dims / 2;
  text_print(text,
             "\n/* c += a b: 64 x 16 by 16 x %u elements of %s that matrix descriptors tell of. */\n"
             "void multiply_values(float (&c)[%u][4], u64 a, u64 b) {\n"
             "  asm volatile(\"{.reg .pred add; setp.ne.b32 add, 1, 0;\"\n",
             dims, type, dims / 8);
  print_head(text, type, dims, 16);
  print_places(text, registers);
  text_print(text, "               \"}, %%%u, %%%u, add, 1, 1, 0, 1;}\"\n", registers, registers + 1);
  print_accumulator(text, dims / 8);
  text_print(text, "               : \"l\"(a), \"l\"(b));\n}\n");
}

/* Both products of e4m3: what is in shared memory has the depth contiguous, and immediates are the signs alone. */
static void emit_narrow(struct text *text, uint32_t columns, const char *name, const char *a, const char *words) {
  const uint32_t registers = columns / 2;
  const bool is_shared = words == NULL;
  const uint32_t sources = is_shared ? 1 : 4;
  text_print(text,
             "/* c = a b, or c += a b: 64 x 32 by 32 x %u elements of e4m3, %s. */\n"
             "void %s(float (&c)[%u][4], %s, u64 b, bool add) {\n"
             "  asm volatile(\"{.reg .pred add; setp.ne.b32 add, %%%u, 0;\"\n",
             columns, is_shared ? "both in shared memory" : "a in registers, b in shared memory", name, columns / 8, a,
             registers + sources + 1);
  print_head(text, "e4m3", columns, 32);
  print_places(text, registers);
  if (is_shared)
    text_print(text, "               \"}, %%%u, %%%u, add, 1, 1;}\"\n", registers, registers + 1);
  else
    text_print(text, "               \"}, {%%%u, %%%u, %%%u, %%%u}, %%%u, add, 1, 1;}\"\n", registers, registers + 1,
               registers + 2, registers + 3, registers + 4);
  print_accumulator(text, columns / 8);
  text_print(text, "               : %s, \"l\"(b), \"r\"((u32)add));\n}\n", is_shared ? "\"l\"(a)" : words);
}

static void emit_e4m3(const struct facts *facts, struct text *text) {
  emit_narrow(text, facts->tile->team_tokens, "multiply_keys", "u64 a", NULL);
  text_print(text, "\n");
  emit_narrow(text, facts->spec->v_dim, "multiply_values", "const u32 (&a)[4]",
              "\"r\"(a[0]), \"r\"(a[1]), \"r\"(a[2]), \"r\"(a[3])");
}

void emit_wgmma(const struct facts *facts, struct text *text) {
  if (facts->spec->q_dtype == FI_E4M3) {
    emit_e4m3(facts, text);
    return;
  }
  const char *type = dtype_of(facts->spec->kv_dtype)->operand == FI_BF16 ? "bf16" : "f16";
  const uint32_t value_warps = tile_find(facts->tile, "value_warps", strlen("value_warps"))->value;
  emit_scores(text, type, facts->tile->team_tokens);
  emit_output(text, type, facts->spec->v_dim / value_warps);
  if (value_warps > 1)
    emit_shared_output(text, type, facts->spec->v_dim / value_warps);
}
