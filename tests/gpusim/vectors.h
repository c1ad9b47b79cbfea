/*
 * Vectors: the results of small PTX kernels, recorded on a GPU, that the simulator's results are held
 * against. A case is a piece of PTX, or an expression of CUDA C++, that every thread runs on operands of its own.
 */
#ifndef GPUSIM_VECTORS_H
#define GPUSIM_VECTORS_H

#include "tools/common/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VECTOR_LANES = 32, VECTOR_MAX_OPERANDS = 10, VECTOR_MAX_RESULTS = 4 };

/* When the simulator's result agrees with the recorded one; vector_bound.c says what the limit counts. */
enum vector_bound {
  SAME_BITS,
  SAME_SINGLE,     /* f32: the same bits, or both NaN */
  SAME_DOUBLE,     /* f64 in two results: likewise */
  SAME_HALF,       /* f16 in the low half: likewise */
  ULP_SINGLE,      /* f32: limit in units in the last place */
  RELATIVE_HALF,   /* pairs of f16: limit relative to the recorded result */
  RELATIVE_BF16,   /* pairs of bf16: likewise */
  ABSOLUTE_SINGLE, /* f32: limit is the error itself */
  LOGARITHM,       /* f32: limit is an error relative to the result, or absolute below 1 */
  PRODUCT_F16,     /* products of 16 bits: limit relative to the sum of the magnitudes of all terms */
  PRODUCT_BF16
};

/* CUDA is compiled as the library compiles its kernels: on a GPU to machine code, for the simulator to PTX. PTX is for
 * sm_90, for sm_89, or for warpgroups of sm_90a. */
enum vector_language { VECTOR_PTX, VECTOR_CUDA, VECTOR_PTX_89, VECTOR_WARPGROUP };

/*
 * code      of CUDA is an expression of the floats a, b, c and d, the operands, and of ex2(x), whose value is the
 * result. PTX reads operand k as %a<k> (b32), %h<k> (b16, its low half) or %l<k> (b64) and writes %r0 .. of b32.
 * Scratch: %t<k> (b32), %g<k> (b16), %q<k> (b64), %p<k>. %lane; %s is the address of 1024 bytes of shared memory of the
 * warp and %own that of the lane's 16 bytes; %in and %out are the global addresses of the thread's operands and results
 * operands  a letter each, see vector_inputs.c
 * threads   a multiple of those of a block, which is one warp, or a warpgroup: %lane is then one of 128, and %s of 4096
 */
struct vector_case {
  const char *code;
  const char *operands;
  uint32_t threads;
  uint32_t results;
  enum vector_bound bound;
  double limit;
  enum vector_language language;
};

struct vector_list {
  const struct vector_case *cases;
  size_t count;
};

/* The simulator's instructions, and expressions that mean something else when a product and a sum are fused. */
extern const struct vector_list vector_instructions;
extern const struct vector_list vector_arithmetic;

/* Products of 8-bit elements by what is not there on all of the targets, or by a warpgroup. */
extern const struct vector_list vector_products;

/* What case i of the second list is on operands a, b, c and d by the rules of C, and with what is fused if something
 * is. */
float vector_separate(size_t i, const float operands[4]);
float vector_fused(size_t i, const float operands[4]);

uint32_t vector_operand_count(const struct vector_case *vector);
size_t vector_words(const struct vector_case *vector); /* of the results */

/* threads x operands; the same on every machine. The caller frees it; NULL when there is no memory. */
uint64_t *vector_inputs(const struct vector_case *vector);

/* Identifies code, operands' values and number of results of all cases; 0 when there is no memory. */
uint64_t vector_list_hash(const struct vector_list *list);

extern const char vector_ptx_version[];

/* Runs the case; results holds vector_words. False with the reason in why. */
bool vector_run(struct device *device, const struct vector_case *vector, const uint64_t *inputs, uint32_t *results,
                char *why, size_t why_bytes);

/*
 * How far the simulator's result i (of the whole case) is from the recorded one, in units of what is allowed:
 * above 1 they disagree.
 */
double vector_distance(const struct vector_case *vector, const uint64_t *inputs, const uint32_t *recorded,
                       const uint32_t *simulated, size_t i);

#endif
