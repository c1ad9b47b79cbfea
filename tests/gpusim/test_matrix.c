/* mma.sync in every shape and type, and the matrix moves, against their definitions in the PTX ISA. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 32, WORDS = 10 };

/* Runs code that turns a0..a9 of each lane into d0..d3; s is an array of shared memory. */
static void run_warp(const char *code, uint32_t in[LANES][WORDS], uint32_t out[LANES][4]) {
  char text[4096];
  int used = snprintf(text, sizeof text,
                      ".version 8.5\n.target sm_90\n.address_size 64\n"
                      ".visible .entry k(.param .u64 in, .param .u64 out)\n{\n.shared .align 16 .b8 s[1024];\n"
                      ".reg .b32 %%a<10>, %%d<4>, %%t; .reg .b64 %%in, %%out, %%o;\n"
                      "ld.param.u64 %%in, [in]; ld.param.u64 %%out, [out]; mov.u32 %%t, %%laneid;\n"
                      "mad.wide.u32 %%in, %%t, 40, %%in; mad.wide.u32 %%out, %%t, 16, %%out;\n");
  for (int i = 0; i < WORDS; i++)
    used += snprintf(text + used, sizeof text - (size_t)used, "ld.global.u32 %%a%d, [%%in+%d];\n", i, 4 * i);
  snprintf(text + used, sizeof text - (size_t)used,
           "mov.b32 %%d1, 0; mov.b32 %%d2, 0; mov.b32 %%d3, 0;\n%s\n"
           "st.global.v4.u32 [%%out], {%%d0, %%d1, %%d2, %%d3};\nret;\n}\n",
           code);
  CUlibrary library;
  cr_assert_eq(sim_load(text, &library), CUDA_SUCCESS, "%s", code);
  CUdeviceptr from = sim_upload(in, sizeof(uint32_t[LANES][WORDS]));
  CUdeviceptr to = sim_buffer(sizeof(uint32_t[LANES][4]));
  void *parameters[] = {&from, &to};
  cr_assert_eq(sim_launch(sim_kernel(library, "k"), 1, LANES, 0, parameters), CUDA_SUCCESS);
  sim_download(out, to, sizeof(uint32_t[LANES][4]));
}

typedef double (*decoder)(uint32_t word, int index);

static double f16_element(uint32_t word, int index) {
  return half_value((uint16_t)(word >> (16 * index)));
}

static double bf16_element(uint32_t word, int index) {
  uint32_t bits = word >> (16 * index) << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return (double)value;
}

static double e4m3_element(uint32_t word, int index) {
  uint32_t code = word >> (8 * index) & 255;
  uint32_t exponent = code >> 3 & 15;
  uint32_t mantissa = code & 7;
  double magnitude = exponent ? ldexp(8 + mantissa, (int)exponent - 10) : ldexp(mantissa, -9);
  return code & 128 ? -magnitude : magnitude;
}

static double e5m2_element(uint32_t word, int index) {
  return half_value((uint16_t)((word >> (8 * index) & 255) << 8));
}

struct product {
  const char *code;
  decoder decode;
  int per_word;
  int a_words;
  int b_words;
  int depth;
  bool half_result;
};

static const struct product products[] = {
    {"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%d0,%d1,%d2,%d3}, {%a0,%a1,%a2,%a3}, {%a4,%a5}, "
     "{%a6,%a7,%a8,%a9};",
     f16_element, 2, 4, 2, 16, false},
    {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%d0,%d1,%d2,%d3}, {%a0,%a1,%a2,%a3}, {%a4,%a5}, "
     "{%a6,%a7,%a8,%a9};",
     bf16_element, 2, 4, 2, 16, false},
    {"mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%d0,%d1}, {%a0,%a1,%a2,%a3}, {%a4,%a5}, {%a6,%a7};",
     f16_element, 2, 4, 2, 16, true},
    {"mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%d0,%d1,%d2,%d3}, {%a0,%a1}, {%a4}, "
     "{%a6,%a7,%a8,%a9};",
     f16_element, 2, 2, 1, 8, false},
    {"mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%d0,%d1,%d2,%d3}, {%a0,%a1,%a2,%a3}, {%a4,%a5}, "
     "{%a6,%a7,%a8,%a9};",
     e4m3_element, 4, 4, 2, 32, false},
    {"mma.sync.aligned.m16n8k32.row.col.f32.e5m2.e5m2.f32 {%d0,%d1,%d2,%d3}, {%a0,%a1,%a2,%a3}, {%a4,%a5}, "
     "{%a6,%a7,%a8,%a9};",
     e5m2_element, 4, 4, 2, 32, false},
};

/* Words whose elements are small numbers in every format: the top two exponent bits are 0 and 1 or 1 and 0.
 */
static uint32_t random_word(const struct product *p, uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  uint32_t word = *state ^ *state >> 15;
  return p->per_word == 4 ? (word & 0x8f8f8f8f) | 0x30303030 : (word & 0x8fff8fff) | 0x30003000;
}

/* Row and column of A for element e of word r, by the tables of the ISA. */
static double a_value(const struct product *p, uint32_t in[LANES][WORDS], int row, int k) {
  int chunk = 4 * p->per_word;
  int lane = row % 8 * 4 + k % chunk / p->per_word;
  return p->decode(in[lane][row / 8 + 2 * (k / chunk)], k % p->per_word);
}

static double b_value(const struct product *p, uint32_t in[LANES][WORDS], int k, int column) {
  int chunk = 4 * p->per_word;
  int lane = column * 4 + k % chunk / p->per_word;
  return p->decode(in[lane][4 + k / chunk], k % p->per_word);
}

static double c_value(const struct product *p, uint32_t words[], int index) {
  float value;
  if (p->half_result)
    return half_value((uint16_t)(words[index / 2] >> (16 * (index % 2))));
  memcpy(&value, &words[index], sizeof value);
  return (double)value;
}

static void expect_product(const struct product *p) {
  uint32_t in[LANES][WORDS];
  uint32_t out[LANES][4];
  uint32_t state = 7;
  for (int lane = 0; lane < LANES; lane++)
    for (int i = 0; i < WORDS; i++) {
      float c = (float)(lane - 5 * i);
      in[lane][i] = random_word(p, &state);
      if (i >= 6 && !p->half_result)
        memcpy(&in[lane][i], &c, sizeof c);
    }
  run_warp(p->code, in, out);
  for (int lane = 0; lane < LANES; lane++)
    for (int i = 0; i < 4; i++) {
      int row = lane / 4 + 8 * (i / 2);
      int column = lane % 4 * 2 + i % 2;
      double expected = c_value(p, &in[lane][6], i);
      double scale = fabs(expected);
      for (int k = 0; k < p->depth; k++) {
        double term = a_value(p, in, row, k) * b_value(p, in, k, column);
        expected += term;
        scale += fabs(term);
      }
      double error = fabs(c_value(p, out[lane], i) - expected);
      cr_expect_leq(error, scale * (p->half_result ? 1e-3 : 1e-6), "%s lane %d word %d: %g, expected %g", p->code, lane,
                    i, c_value(p, out[lane], i), expected);
    }
}

Test(gpusim_matrix, products) {
  for (size_t i = 0; i < sizeof products / sizeof *products; i++)
    expect_product(&products[i]);
}

/* Element (row, column) of an 8 x 8 matrix held by a register. */
static uint32_t held(uint32_t words[LANES][WORDS], int index, int row, int column) {
  return words[row * 4 + column / 2][index] >> (16 * (column % 2)) & 0xffff;
}

static void number_elements(uint32_t in[LANES][WORDS]) {
  for (uint32_t lane = 0; lane < LANES; lane++)
    for (uint32_t i = 0; i < WORDS; i++)
      in[lane][i] = (i * 64 + lane * 2) | (i * 64 + lane * 2 + 1) << 16;
}

/* code moves a0..a3 to d0..d3, transposing each matrix or not. */
static void expect_move(const char *code, int count, bool transposed) {
  uint32_t in[LANES][WORDS];
  uint32_t out[LANES][4];
  number_elements(in);
  run_warp(code, in, out);
  for (int m = 0; m < count; m++)
    for (int row = 0; row < 8; row++)
      for (int column = 0; column < 8; column++) {
        uint32_t got = out[row * 4 + column / 2][m] >> (16 * (column % 2)) & 0xffff;
        uint32_t expected = transposed ? held(in, m, column, row) : held(in, m, row, column);
        cr_expect_eq(got, expected, "%s: matrix %d (%d,%d) is %u, expected %u", code, m, row, column, got, expected);
      }
}

#define ROW_ADDRESS "mov.u32 %a9, s; shl.b32 %t, %t, 4; add.u32 %a9, %a9, %t;\n"
#define STORE "stmatrix.sync.aligned.m8n8.x4.shared.b16 [%a9], {%a0,%a1,%a2,%a3}; bar.warp.sync -1;\n"
#define STORE_TURNED "stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%a9], {%a0,%a1,%a2,%a3}; bar.warp.sync -1;\n"
#define LOAD "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%d0,%d1,%d2,%d3}, [%a9];\n"
#define LOAD_TURNED "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%d0,%d1,%d2,%d3}, [%a9];\n"

Test(gpusim_matrix, moves) {
  expect_move(ROW_ADDRESS STORE LOAD, 4, false);
  expect_move(ROW_ADDRESS STORE LOAD_TURNED, 4, true);
  expect_move(ROW_ADDRESS STORE_TURNED LOAD, 4, true);
  expect_move(ROW_ADDRESS STORE_TURNED LOAD_TURNED, 4, false);
  expect_move(ROW_ADDRESS STORE "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%d0,%d1}, [%a9];", 2, false);
  expect_move(ROW_ADDRESS STORE "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%d0}, [%a9];", 1, false);
  expect_move("movmatrix.sync.aligned.m8n8.trans.b16 %d0, %a0;", 1, true);
  /* The layout of shared memory: a matrix row is 16 bytes, as plain stores write it. */
  expect_move(ROW_ADDRESS "shl.b32 %t, %laneid, 2; mov.u32 %a8, s; add.u32 %a8, %a8, "
                          "%t; st.shared.u32 [%a8], %a0; bar.warp.sync -1; "
                          "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%d0}, [%a9];",
              1, false);
}
