/*
 * Expressions whose value tells whether a product and a sum were fused, which rounds once, or computed apart. CUDA C++
 * and C read the same text: kernels are compiled so that nothing is fused but what is written so, and this file too.
 */
#include "vectors.h"

#include <math.h>

/* Of scores that differ little, on lanes of which half are the largest themselves: 1 if nothing is fused. */
#define MOST (a > c ? a : c)

/* A name, the expression, and what it is with something fused. */
#define EACH_EXPRESSION(X)                                                                                             \
  X(difference, (a * b) - c, fmaf(a, b, -c))                                                                           \
  X(difference_from, c - a * b, fmaf(-a, b, c))                                                                        \
  X(sum, (a * b) + c, fmaf(a, b, c))                                                                                   \
  X(scaled_difference, (a - b) * c, fmaf(a, c, -(b * c)))                                                              \
  X(two_products, (a * b) + c * d, fmaf(a, b, c * d))                                                                  \
  X(two_products_apart, (a * b) - c * d, fmaf(a, b, -(c * d)))                                                         \
  X(squares, (a * a) + b * b, fmaf(a, a, b * b))                                                                       \
  X(polynomial, (a * b + c) * b + d, fmaf(fmaf(a, b, c), b, d))                                                        \
  X(negated, -(a * b) - c, fmaf(-a, b, -c))                                                                            \
  X(with_constant, a * 0.1f + b, fmaf(a, 0.1f, b))                                                                     \
  X(exponent, (a * b) - MOST * b, fmaf(a, b, -(MOST * b)))

/* Where something is fused by will, apart from it. */
#define FUSED_PART(X) X(written, fmaf(a, b, c) - a * d, fmaf(-a, d, fmaf(a, b, c)))

#define DEFINE(name, expression, otherwise)                                                                            \
  static float name(float a, float b, float c, float d) {                                                              \
    (void)c;                                                                                                           \
    (void)d;                                                                                                           \
    return expression;                                                                                                 \
  }                                                                                                                    \
  static float name##_fused(float a, float b, float c, float d) {                                                      \
    (void)c;                                                                                                           \
    (void)d;                                                                                                           \
    return otherwise;                                                                                                  \
  }
EACH_EXPRESSION(DEFINE)
FUSED_PART(DEFINE)

static float softmax(float a, float b, float c, float d) {
  (void)d;
  return exp2f(exponent(a, b, c, d));
}

static float softmax_fused(float a, float b, float c, float d) {
  (void)d;
  return exp2f(exponent_fused(a, b, c, d));
}

enum { THREADS = 512 };

#define TEXT(expression) #expression
#define CASE(name, expression, otherwise)                                                                              \
  {.code = TEXT(expression),                                                                                           \
   .operands = "gggg",                                                                                                 \
   .threads = THREADS,                                                                                                 \
   .results = 1,                                                                                                       \
   .bound = SAME_SINGLE,                                                                                               \
   .language = VECTOR_CUDA},

static const struct vector_case cases[] = {
    /* The machine code of the driver's compiler, from PTX that says .rn. */
    {.code = "mul.rn.f32 %t0, %a0, %a1; sub.rn.f32 %r0, %t0, %a2;",
     .operands = "gggg",
     .threads = THREADS,
     .results = 1,
     .bound = SAME_SINGLE},
    /* A step of softmax, on scores as large as those of f16: ex2 is within 3 units, as in the list of instructions. */
    {.code = "ex2(a * b - (a > c ? a : c) * b)",
     .operands = "FGFF",
     .threads = THREADS,
     .results = 1,
     .bound = ULP_SINGLE,
     .limit = 3,
     .language = VECTOR_CUDA},
    EACH_EXPRESSION(CASE) FUSED_PART(CASE)};

const struct vector_list vector_arithmetic = {cases, sizeof cases / sizeof *cases};

#define SEPARATE(name, expression, otherwise) name,
#define FUSED(name, expression, otherwise) name##_fused,

float vector_separate(size_t i, const float operands[4]) {
  static float (*const functions[])(float, float, float, float) = {difference, softmax,
                                                                   EACH_EXPRESSION(SEPARATE) FUSED_PART(SEPARATE)};
  return functions[i](operands[0], operands[1], operands[2], operands[3]);
}

float vector_fused(size_t i, const float operands[4]) {
  static float (*const functions[])(float, float, float, float) = {difference_fused, softmax_fused,
                                                                   EACH_EXPRESSION(FUSED) FUSED_PART(FUSED)};
  return functions[i](operands[0], operands[1], operands[2], operands[3]);
}
