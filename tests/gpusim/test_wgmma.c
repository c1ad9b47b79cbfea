/* wgmma: every form of operands against products of small integers, whose sums are exact, with each element placed by
 * itself; then the order of products, registers and memory. */
#include "fixture.h"
#include "ptx_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { ROWS = 64, THREADS = 128, MOST_COLUMNS = 256, MOST_DEPTH = 32, IMAGE_BYTES = 49152, B_AT = 16384 };
enum { F16, BF16, E4M3, E5M2 };

static const struct {
  const char *name;
  unsigned bytes;
  uint16_t codes[5]; /* of 0 to 4 */
  uint16_t sign;
} formats[] = {
    [F16] = {"f16", 2, {0, 0x3c00, 0x4000, 0x4200, 0x4400}, 0x8000},
    [BF16] = {"bf16", 2, {0, 0x3f80, 0x4000, 0x4040, 0x4080}, 0x8000},
    [E4M3] = {"e4m3", 1, {0, 0x38, 0x40, 0x44, 0x48}, 0x80},
    [E5M2] = {"e5m2", 1, {0, 0x3c, 0x40, 0x42, 0x44}, 0x80},
};

/* How a matrix lies in shared memory: the bytes that its swizzle spans (16: none), the step of K, and whether it is
 * transposed: not contiguous along K. */
struct layout {
  unsigned span;
  unsigned step;
  bool transposed;
};

struct form {
  int a_format;
  int b_format;
  unsigned columns;
  bool registers;
  struct layout a;
  struct layout b;
  bool adds;
  int sign_a;
  int sign_b;
};

static const struct form forms[] = {
    {F16, F16, 8, false, {128, 0, false}, {128, 0, false}, false, 1, 1},
    {F16, F16, 128, false, {128, 0, false}, {128, 0, false}, true, 1, 1},
    {BF16, BF16, 256, false, {128, 1, false}, {128, 2, false}, true, 1, 1},
    {BF16, BF16, 64, false, {64, 1, false}, {128, 3, false}, true, 1, 1},
    {F16, F16, 24, false, {32, 0, false}, {64, 1, false}, true, 1, 1},
    {F16, F16, 40, false, {16, 0, false}, {32, 0, false}, true, 1, 1},
    {BF16, BF16, 72, false, {128, 3, false}, {16, 0, false}, true, 1, 1},
    {BF16, BF16, 64, false, {128, 0, false}, {128, 0, true}, true, 1, 1},
    {F16, F16, 256, false, {128, 0, false}, {128, 0, true}, true, 1, 1},
    {F16, F16, 96, false, {128, 0, false}, {64, 0, true}, true, 1, 1},
    {F16, F16, 48, false, {128, 0, false}, {32, 0, true}, true, 1, 1},
    {BF16, BF16, 24, false, {128, 0, false}, {16, 0, true}, true, 1, 1},
    {BF16, BF16, 64, false, {128, 0, true}, {128, 0, false}, true, 1, 1},
    {F16, F16, 16, false, {64, 0, true}, {128, 0, true}, true, 1, 1},
    {F16, F16, 16, false, {32, 0, true}, {128, 0, false}, true, 1, 1},
    {F16, F16, 16, false, {16, 0, true}, {16, 0, false}, true, 1, 1},
    {F16, F16, 32, false, {128, 0, false}, {128, 0, false}, true, -1, 1},
    {F16, F16, 32, false, {128, 0, false}, {128, 0, false}, false, 1, -1},
    {F16, F16, 32, false, {128, 0, false}, {128, 0, false}, true, -1, -1},
    {F16, F16, 64, true, {0, 0, false}, {128, 0, false}, true, 1, 1},
    {BF16, BF16, 128, true, {0, 0, false}, {128, 0, true}, true, 1, 1},
    {BF16, BF16, 192, true, {0, 0, false}, {64, 1, false}, false, 1, -1},
    {E4M3, E4M3, 128, false, {128, 2, false}, {128, 1, false}, true, 1, 1},
    {E5M2, E5M2, 64, false, {64, 1, false}, {32, 0, false}, true, 1, 1},
    {E4M3, E5M2, 16, false, {16, 0, false}, {16, 0, false}, false, 1, 1},
    {E4M3, E4M3, 256, true, {0, 0, false}, {128, 3, false}, true, 1, 1},
    {E5M2, E4M3, 8, true, {0, 0, false}, {128, 0, false}, true, -1, 1},
};

static int a_values[ROWS][MOST_DEPTH];
static int b_values[MOST_COLUMNS][MOST_DEPTH];
static uint8_t image[IMAGE_BYTES];

static int next_value(unsigned *state) {
  *state = *state * 1664525u + 1013904223u;
  return (int)(*state >> 16) % 9 - 4;
}

static unsigned depth_of(const struct form *form) {
  return 32 / formats[form->a_format].bytes;
}

/* The strides between core matrices that the descriptors of these tests have. */
static unsigned leading_of(const struct layout *l) {
  return l->span == 16 ? 128 : l->transposed ? 16 * l->span : 16;
}

static unsigned stride_of(const struct layout *l) {
  return l->span == 16 ? 256 : 8 * l->span;
}

/* Where an element lies: `line` is its row or column, `k` its depth. */
static unsigned place(const struct layout *l, unsigned line, unsigned k, unsigned bytes) {
  unsigned along = l->transposed ? line : k;  /* what is contiguous */
  unsigned across = l->transposed ? k : line; /* eight of them are a core matrix */
  unsigned chunk = along * bytes / 16;
  unsigned in_chunk = along * bytes % 16;
  if (l->span == 16) {
    unsigned near = l->transposed ? leading_of(l) : stride_of(l);
    unsigned far = l->transposed ? stride_of(l) : leading_of(l);
    return across / 8 * near + across % 8 * 16 + chunk * far + in_chunk;
  }
  chunk += l->step * 2;
  unsigned per_span = l->span / 16;
  unsigned swizzled = chunk % per_span ^ across % 8 / (8 / per_span);
  return across / 8 * stride_of(l) + across % 8 * l->span + chunk / per_span * leading_of(l) + swizzled * 16 + in_chunk;
}

static uint16_t code_of(int format, int value) {
  return formats[format].codes[abs(value)] | (value < 0 ? formats[format].sign : 0);
}

static void put(unsigned at, int format, int value) {
  uint16_t code = code_of(format, value);
  memcpy(image + at, &code, formats[format].bytes);
}

static void fill(const struct form *form) {
  unsigned state = form->columns * 7 + 1;
  memset(image, 0x7c, sizeof image); /* large numbers: what is read from elsewhere shows */
  for (unsigned k = 0; k < depth_of(form); k++) {
    for (unsigned row = 0; row < ROWS; row++) {
      a_values[row][k] = next_value(&state);
      if (!form->registers)
        put(place(&form->a, row, k, formats[form->a_format].bytes), form->a_format, a_values[row][k]);
    }
    for (unsigned column = 0; column < form->columns; column++) {
      b_values[column][k] = next_value(&state);
      put(B_AT + place(&form->b, column, k, formats[form->b_format].bytes), form->b_format, b_values[column][k]);
    }
  }
}

static uint64_t descriptor(const struct layout *l, unsigned at) {
  static const uint8_t codes[129] = {[16] = 0, [32] = 3, [64] = 2, [128] = 1};
  unsigned start = at + (l->span == 16 ? 0 : l->step * 32);
  return start >> 4 | (uint64_t)(leading_of(l) >> 4) << 16 | (uint64_t)(stride_of(l) >> 4) << 32 |
         (uint64_t)codes[l->span] << 62;
}

static const char head[] =
    ".version 8.5\n.target sm_90a\n.address_size 64\n.entry k(.param .u64 out, .param .u64 input, .param .u64 words)\n"
    ".maxntid 128, 1, 1\n{\n.reg .pred %%p<4>; .reg .b32 %%r<16>, %%t; .reg .f32 %%f<%u>; .reg .b64 %%d<8>;\n"
    ".shared .align 1024 .b8 memory[49152];\nmov.u32 %%t, %%tid.x; mov.u32 %%r4, %%t;\n"
    "ld.param.u64 %%d0, [input]; mul.wide.u32 %%d1, %%t, 4; add.u64 %%d0, %%d0, %%d1; shl.b32 %%r0, %%t, 2; mov.u32 "
    "%%r1, memory; add.u32 %%r0, %%r0, %%r1;\n"
    "L: ld.global.u32 %%r2, [%%d0]; st.shared.u32 [%%r0], %%r2; add.u64 %%d0, %%d0, 512; add.u32 %%r0, %%r0, 512;\n"
    "add.u32 %%r4, %%r4, 128; setp.lt.u32 %%p0, %%r4, 12288; @%%p0 bra L;\n"
    "fence.proxy.async.shared::cta; bar.sync 0;\n"
    "ld.param.u64 %%d2, [words]; mul.wide.u32 %%d1, %%t, 16; add.u64 %%d2, %%d2, %%d1;\n"
    "ld.global.v4.u32 {%%r8, %%r9, %%r10, %%r11}, [%%d2];\n"
    "mov.u64 %%d4, %lld; mov.u64 %%d5, %lld; setp.eq.u32 %%p1, 0, %d;\n";

static void append(char *text, size_t bytes, const char *more) {
  cr_assert_lt(strlen(text) + strlen(more), bytes);
  strcat(text, more);
}

static void append_registers(char *text, size_t bytes, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    char name[16];
    snprintf(name, sizeof name, "%s%%f%u", i ? "," : "{", i);
    append(text, bytes, name);
  }
  append(text, bytes, "}");
}

/* The accumulators begin as 1000 and their number. */
static void write_kernel(char *text, size_t bytes, const struct form *form) {
  char line[256];
  unsigned count = form->columns / 2;
  snprintf(text, bytes, head, count, (long long)descriptor(&form->a, 0), (long long)descriptor(&form->b, B_AT),
           !form->adds);
  for (unsigned i = 0; i < count; i++) {
    snprintf(line, sizeof line, "mov.u32 %%r3, %u; cvt.rn.f32.u32 %%f%u, %%r3;\n", 1000 + i, i);
    append(text, bytes, line);
  }
  snprintf(line, sizeof line, "wgmma.fence.sync.aligned;\nwgmma.mma_async.sync.aligned.m64n%uk%u.f32.%s.%s ",
           form->columns, depth_of(form), formats[form->a_format].name, formats[form->b_format].name);
  append(text, bytes, line);
  append_registers(text, bytes, count);
  snprintf(line, sizeof line, ", %s, %%d5, %%p1, %d, %d%s", form->registers ? "{%r8,%r9,%r10,%r11}" : "%d4",
           form->sign_a, form->sign_b, "");
  append(text, bytes, line);
  if (formats[form->a_format].bytes == 2 && !form->registers)
    append(text, bytes, form->a.transposed ? ", 1" : ", 0");
  if (formats[form->a_format].bytes == 2)
    append(text, bytes, form->b.transposed ? ", 1" : ", 0");
  append(text, bytes, ";\nwgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n");
  snprintf(line, sizeof line, "ld.param.u64 %%d6, [out]; mul.wide.u32 %%d1, %%t, %u; add.u64 %%d6, %%d6, %%d1;\n",
           4 * count);
  append(text, bytes, line);
  for (unsigned i = 0; i < count; i++) {
    snprintf(line, sizeof line, "st.global.f32 [%%d6+%u], %%f%u;\n", 4 * i, i);
    append(text, bytes, line);
  }
  append(text, bytes, "ret;\n}\n");
}

/* A in registers: word r of a lane holds row lane / 4 + 8 (r % 2), and of K the elements from e (lane % 4) + 4 e (r /
 * 2) on, where e is how many a word has. */
static void fill_words(const struct form *form, uint32_t words[THREADS][4]) {
  unsigned bytes = formats[form->a_format].bytes;
  unsigned per_word = 4 / bytes;
  memset(words, 0, THREADS * sizeof *words);
  for (unsigned thread = 0; thread < THREADS; thread++)
    for (unsigned r = 0; r < 4; r++)
      for (unsigned e = 0; e < per_word; e++) {
        unsigned row = thread / 32 * 16 + thread % 32 / 4 + 8 * (r % 2);
        unsigned k = per_word * (thread % 4) + 4 * per_word * (r / 2) + e;
        words[thread][r] |= (uint32_t)code_of(form->a_format, a_values[row][k]) << (8 * bytes * e);
      }
}

static float expected(const struct form *form, unsigned thread, unsigned i) {
  unsigned row = thread / 32 * 16 + thread % 32 / 4 + 8 * (i / 2 % 2);
  unsigned column = i / 4 * 8 + 2 * (thread % 4) + i % 2;
  int sum = 0;
  for (unsigned k = 0; k < depth_of(form); k++)
    sum += a_values[row][k] * b_values[column][k];
  return (float)(sum * form->sign_a * form->sign_b + (form->adds ? 1000 + (int)i : 0));
}

static void try_form(size_t number) {
  static char text[65536];
  static uint32_t words[THREADS][4];
  static float out[THREADS * MOST_COLUMNS / 2];
  const struct form *form = &forms[number];
  unsigned count = form->columns / 2;
  CUlibrary library;
  char report[2048];
  fill(form);
  fill_words(form, words);
  write_kernel(text, sizeof text, form);
  cr_assert_eq(sim_load(text, &library), CUDA_SUCCESS, "form %zu:\n%s", number, text);
  CUdeviceptr result = sim_buffer(THREADS * count * sizeof *out);
  CUdeviceptr input = sim_upload(image, sizeof image);
  CUdeviceptr registers = sim_upload(words, sizeof words);
  void *parameters[] = {&result, &input, &registers};
  sim_forget_fault();
  CUresult launched = sim_launch(sim_kernel(library, "k"), 1, THREADS, 0, parameters);
  sim_report_text(report, sizeof report);
  cr_assert_eq(launched, CUDA_SUCCESS, "form %zu: %s", number, report);
  sim_download(out, result, THREADS * count * sizeof *out);
  for (unsigned thread = 0; thread < THREADS; thread++)
    for (unsigned i = 0; i < count; i++)
      cr_assert_float_eq(out[thread * count + i], expected(form, thread, i), 0,
                         "form %zu, thread %u, register %u: %g, not %g", number, thread, i,
                         (double)out[thread * count + i], (double)expected(form, thread, i));
}

Test(gpusim_wgmma, forms) {
  sim_become("compute_90a");
  for (size_t i = 0; i < COUNT(forms); i++)
    try_form(i);
}

/* One product of 64 x 8: A, without a swizzle, is all 1 at the start of shared memory, B all 2 at 4096: sums are 32. */
#define MATRICES                                                                                                       \
  "shl.b32 %r1, %t, 4; add.u32 %r1, %r1, %m; mov.b32 %r2, 0x3c003c00; mov.b32 %r3, 0x40004000;\n"                      \
  "st.shared.v4.u32 [%r1], {%r2, %r2, %r2, %r2}; setp.lt.u32 %p1, %t, 16; @%p1 st.shared.v4.u32 [%r1+4096], {%r3, "    \
  "%r3, %r3, %r3};\n"
#define SHARE "fence.proxy.async.shared::cta; bar.sync 0;\n"
#define SETUP                                                                                                          \
  "mov.u64 %d4, 0x1000080000; mov.u64 %d5, 0x1000080100; setp.ne.u32 %p2, 0, 0; setp.eq.u32 %p3, 0, 0;\n"              \
  "mov.f32 %f0, 0f00000000; mov.f32 %f1, %f0; mov.f32 %f2, %f0; mov.f32 %f3, %f0; mov.f32 %f4, %f0; mov.f32 %f5, "     \
  "%f0; mov.f32 %f6, %f0; mov.f32 %f7, %f0;\n"
#define FENCE "wgmma.fence.sync.aligned;\n"
#define COMMIT "wgmma.commit_group.sync.aligned;\n"
#define WAIT(n) "wgmma.wait_group.sync.aligned " #n ";\n"
#define PRODUCT "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f0,%f1,%f2,%f3}, %d4, %d5, %p3, 1, 1, 0, 0;\n"
#define OTHER "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f4,%f5,%f6,%f7}, %d4, %d5, %p3, 1, 1, 0, 0;\n"
#define FROM_REGISTERS                                                                                                 \
  "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f4,%f5,%f6,%f7}, {%r4,%r5,%r6,%r7}, %d5, %p3, 1, 1, 0;\n"
#define A_WORDS "mov.b32 %r4, 0x3c003c00; mov.b32 %r5, %r4; mov.b32 %r6, %r4; mov.b32 %r7, %r4;\n"
#define RESULT(f) "cvt.rzi.u32.f32 %r0, %" #f ";\n"

static uint32_t once(uint32_t thread) {
  (void)thread;
  return 32;
}

static uint32_t twice(uint32_t thread) {
  (void)thread;
  return 64;
}

static const struct ptx_case right[] = {
    {"a product", 128, MATRICES SHARE SETUP FENCE PRODUCT COMMIT WAIT(0) RESULT(f3), CUDA_SUCCESS, NULL, once, NULL},
    {"a chain on the same accumulators", 128, MATRICES SHARE SETUP FENCE PRODUCT PRODUCT COMMIT WAIT(0) RESULT(f0),
     CUDA_SUCCESS, NULL, twice, NULL},
    {"a chain over groups, without a fence between", 128,
     MATRICES SHARE SETUP FENCE PRODUCT COMMIT WAIT(0) PRODUCT COMMIT WAIT(0) RESULT(f0), CUDA_SUCCESS, NULL, twice,
     NULL},
    {"the older of two groups", 128, MATRICES SHARE SETUP FENCE PRODUCT COMMIT OTHER COMMIT WAIT(1) RESULT(f1) WAIT(0),
     CUDA_SUCCESS, NULL, once, NULL},
    {"A in registers", 128, MATRICES SHARE SETUP A_WORDS FENCE FROM_REGISTERS COMMIT WAIT(0) RESULT(f5), CUDA_SUCCESS,
     NULL, once, NULL},
    {"two warpgroups", 256, MATRICES SHARE SETUP FENCE PRODUCT COMMIT WAIT(0) RESULT(f3), CUDA_SUCCESS, NULL, once,
     NULL},
    {"memory used again after the wait and a barrier", 128,
     MATRICES SHARE SETUP FENCE PRODUCT COMMIT WAIT(0) "bar.sync 0;\n" MATRICES RESULT(f3), CUDA_SUCCESS, NULL, once,
     NULL},
    {"memory given back to one thread", 160,
     MATRICES "@%first mbarrier.init.shared.b64 [%m+8192], 1;\n" SHARE SETUP
              "setp.ge.u32 %p4, %t, 128; @%p4 bra P;\n" FENCE PRODUCT COMMIT
                  WAIT(0) "@%first mbarrier.arrive.shared.b64 _, [%m+8192];\n" RESULT(
                      f3) "bra E;\n"
                          "P: mbarrier.try_wait.parity.shared.b64 %p5, [%m+8192], 0; @!%p5 bra P; @%leader "
                          "st.shared.u32 [%m+1536], %t; mov.u32 "
                          "%r0, 32;\nE:\n",
     CUDA_SUCCESS, NULL, once, NULL},
};

static const struct ptx_case wrong[] = {
    {"a result without a wait", 128, MATRICES SHARE SETUP FENCE PRODUCT COMMIT RESULT(f3) WAIT(0), CUDA_ERROR_ASSERT,
     "holds a result of the wgmma at PTX line", NULL, NULL},
    {"a result without a commit", 128, MATRICES SHARE SETUP FENCE PRODUCT WAIT(0) RESULT(f3), CUDA_ERROR_ASSERT,
     "holds a result of the wgmma", NULL, NULL},
    {"a result of a group not waited for", 128,
     MATRICES SHARE SETUP FENCE PRODUCT COMMIT OTHER COMMIT WAIT(1) RESULT(f4), CUDA_ERROR_ASSERT,
     "holds a result of the wgmma", NULL, NULL},
    {"a write to an accumulator in flight", 128,
     MATRICES SHARE SETUP FENCE PRODUCT COMMIT "mov.f32 %f2, 0f00000000;\n" WAIT(0), CUDA_ERROR_ASSERT,
     "holds a result of the wgmma", NULL, NULL},
    {"a write to A in flight", 128,
     MATRICES SHARE SETUP A_WORDS FENCE FROM_REGISTERS COMMIT "mov.b32 %r6, 0;\n" WAIT(0) RESULT(f5), CUDA_ERROR_ASSERT,
     "holds an element of A of the wgmma", NULL, NULL},
    {"no wgmma.fence", 128, MATRICES SHARE SETUP PRODUCT COMMIT WAIT(0) RESULT(f3), CUDA_ERROR_ASSERT, "no wgmma.fence",
     NULL, NULL},
    {"no wgmma.fence for other accumulators", 128,
     MATRICES SHARE SETUP FENCE PRODUCT COMMIT WAIT(0) OTHER COMMIT WAIT(0) RESULT(f3), CUDA_ERROR_ASSERT,
     "no wgmma.fence", NULL, NULL},
    {"no fence between the proxies", 128, MATRICES "bar.sync 0;\n" SETUP FENCE PRODUCT COMMIT WAIT(0) RESULT(f3),
     CUDA_ERROR_ASSERT, "no fence.proxy.async", NULL, NULL},
    {"no barrier before the product", 128,
     MATRICES "fence.proxy.async;\n" SETUP FENCE PRODUCT COMMIT WAIT(0) RESULT(f3), CUDA_ERROR_ASSERT, "", NULL, NULL},
    {"memory used again before the wait", 128,
     MATRICES SHARE SETUP FENCE PRODUCT COMMIT "bar.sync 0;\n" MATRICES WAIT(0) RESULT(f3), CUDA_ERROR_ASSERT,
     "still reads", NULL, NULL},
    {"memory used again without a barrier", 256, MATRICES SHARE SETUP FENCE PRODUCT COMMIT WAIT(0) MATRICES RESULT(f3),
     CUDA_ERROR_ASSERT, "write of shared memory", NULL, NULL},
    {"memory given back to one warp, whose stores race", 256,
     MATRICES "@%first mbarrier.init.shared.b64 [%m+8192], 1;\n" SHARE SETUP
              "setp.ge.u32 %p4, %t, 128; @%p4 bra P;\n" FENCE PRODUCT COMMIT
                  WAIT(0) "@%first mbarrier.arrive.shared.b64 _, [%m+8192];\n" RESULT(
                      f3) "bra E;\n"
                          "P: mbarrier.try_wait.parity.shared.b64 %p5, [%m+8192], 0; @!%p5 bra P; st.shared.u32 [%m], "
                          "%t; mov.u32 %r0, 32;\n"
                          "E:\n",
     CUDA_ERROR_ASSERT, "data race: write of shared memory at 0", NULL, NULL},
    {"an undefined result", 128,
     "shl.b32 %r1, %t, 4; add.u32 %r1, %r1, %m; mov.b32 %r2, 0; setp.lt.u32 %p1, %t, 127; @%p1 st.shared.v4.u32 [%r1], "
     "{%r2, %r2, %r2, %r2}; @%p1 st.shared.v4.u32 [%r1+4096], {%r2, %r2, %r2, %r2};\n" SHARE SETUP FENCE PRODUCT COMMIT
         WAIT(0) RESULT(f2),
     CUDA_ERROR_ASSERT, "undefined value", NULL, NULL},
    {"different products in a warpgroup", 128,
     MATRICES SHARE SETUP FENCE "setp.eq.u32 %p4, %warp, 2; @%p4 bra O;\n" PRODUCT "bra C;\nO: " OTHER
                                "C: " COMMIT WAIT(0) RESULT(f0),
     CUDA_ERROR_ASSERT, "of a warpgroup execute different wgmma", NULL, NULL},
    {"different descriptors in a warpgroup", 128,
     MATRICES SHARE SETUP FENCE "setp.eq.u32 %p4, %warp, 2; @%p4 add.u64 %d5, %d5, 1;\n" PRODUCT COMMIT WAIT(0)
         RESULT(f0),
     CUDA_ERROR_ASSERT, "", NULL, NULL},
    {"a warp that takes no part", 128,
     MATRICES SHARE SETUP FENCE "setp.eq.u32 %p4, %warp, 3; @%p4 bra C;\n" PRODUCT COMMIT WAIT(0)
         RESULT(f0) "C: bar.sync "
                    "0;\n",
     CUDA_ERROR_ASSERT, "deadlock", NULL, NULL},
    {"half a warpgroup", 64, MATRICES SHARE SETUP FENCE PRODUCT COMMIT WAIT(0) RESULT(f0), CUDA_ERROR_ASSERT,
     "needs a warpgroup", NULL, NULL},
    {"half a warp", 128, MATRICES SHARE SETUP "setp.lt.u32 %p4, %lane, 16; @%p4 bra C;\n" FENCE "C: bar.sync 0;\n",
     CUDA_ERROR_ASSERT, "divergent", NULL, NULL},
    {"a descriptor beyond shared memory", 128,
     MATRICES SHARE SETUP "add.u64 %d5, %d5, 0x400;\n" FENCE PRODUCT COMMIT WAIT(0) RESULT(f0),
     CUDA_ERROR_ILLEGAL_ADDRESS, "the descriptor leads to", NULL, NULL},
    {"a base offset", 128,
     MATRICES SHARE SETUP "or.b64 %d5, %d5, 0x2000000000000;\n" FENCE PRODUCT COMMIT WAIT(0) RESULT(f0),
     CUDA_ERROR_LAUNCH_FAILED, "base offset", NULL, NULL},
};

Test(gpusim_wgmma, right) {
  ptx_cases_run(right, COUNT(right));
}

Test(gpusim_wgmma, wrong) {
  ptx_cases_run(wrong, COUNT(wrong));
}
