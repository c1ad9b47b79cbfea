/* The operands of a case: edge values, then random ones of the kind that a letter names. */
#include "vectors.h"

#include "tools/common/random.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ------------------------------------------------------------------------------------------- edge values */

static const uint64_t edges_u32[] = {0,          1,          2,          0x7f,       0x80,       0xff,      0x7fff,
                                     0x8000,     0xffff,     0x10000,    0xffffff,   0x1000000,  0x1000001, 0x7fffff80,
                                     0x7fffffff, 0x80000000, 0x80000001, 0xffffff80, 0xfffffffe, 0xffffffff};

static const uint64_t edges_u64[] = {0,
                                     1,
                                     0x7f,
                                     0xffffffff,
                                     0x100000000,
                                     0x1000001,
                                     0x20000000000001,
                                     0x7fffffffffffffff,
                                     0x8000000000000000,
                                     0x8000000000000001,
                                     0xfffffffffffffffe,
                                     0xffffffffffffffff};

static const uint64_t edges_count[] = {0,   1,   2,   7,   8,   15,  16,         17,         24,
                                       31,  32,  33,  40,  63,  64,  65,         127,        128,
                                       255, 256, 257, 288, 511, 768, 0x7fffffff, 0x80000000, 0xffffffff};

/* Zeros, subnormals, what lies around the smallest normal number, ties, integer limits, infinities, NaNs. */
static const uint64_t edges_f32[] = {0x00000000, 0x80000000, 0x00000001, 0x807fffff, 0x00400000, 0x00800000, 0x80800001,
                                     0x3f800000, 0xbf800000, 0x3f7fffff, 0x3f800001, 0x3f000000, 0x40200000, 0xbfc00000,
                                     0x41200000, 0x4b800001, 0x4f000000, 0xcf000000, 0x7e800001, 0x7f7fffff, 0xff7fffff,
                                     0x7f800000, 0xff800000, 0x7fc00000, 0xffa00001};

static const uint64_t edges_f64[] = {0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x800fffffffffffff,
                                     0x0010000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x3ff0000010000000,
                                     0x3ff0000030000000, 0x36a0000000000000, 0x3690000000000001, 0x380fffffffffffff,
                                     0x47efffffe0000000, 0x47effffff0000000, 0x41e0000000000000, 0xc3e0000000000000,
                                     0x7fefffffffffffff, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
                                     0xfff4000000000001};

static const uint64_t edges_f16[] = {0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x8401, 0x3c00, 0xbc00, 0x3bff, 0x3c01,
                                     0x4100, 0x6400, 0x77ff, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00, 0xfd01};

static const uint64_t edges_bf16[] = {0x0000, 0x8000, 0x0001, 0x807f, 0x0080, 0x8081, 0x3f80, 0xbf80, 0x3f7f, 0x3f81,
                                      0x4020, 0x4300, 0x7eff, 0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc0, 0xffa1};

/* ------------------------------------------------------------------------------------------ random values */

/* An expression draws once at most: compilers evaluate operands and arguments in orders of their own. */

static uint32_t word(random_state *state) {
  return (uint32_t)(random_next(state) >> 32);
}

static uint32_t pair(uint32_t low, uint32_t high) {
  return low | high << 16;
}

static uint64_t random_u32(random_state *state) {
  uint32_t bits = word(state);
  return bits >> random_below(state, 32);
}

static uint64_t random_u64(random_state *state) {
  uint64_t bits = random_next(state);
  return bits >> random_below(state, 64);
}

static uint64_t random_count(random_state *state) {
  return random_below(state, 72);
}

static uint64_t random_clamp(random_state *state) {
  return word(state) & 0x1f1f;
}

/* Half of them any bits, the others from 2^-8 to 2^8. */
static uint64_t random_f32(random_state *state) {
  uint32_t bits = word(state);
  if (random_below(state, 2))
    return bits;
  return (bits & 0x807fffff) | (119 + random_below(state, 16)) << 23;
}

static uint64_t random_f64(random_state *state) {
  uint64_t bits = random_next(state);
  if (random_below(state, 2))
    return bits;
  return (bits & 0x800fffffffffffff) | (uint64_t)(1023 - 32 + random_below(state, 64)) << 52;
}

/* Ties of every mantissa width up to that of f16, or one step from a tie, where f16 and the 8-bit types are.
 */
static uint64_t random_tie(random_state *state) {
  uint32_t width = random_below(state, 12);
  uint32_t kept = word(state) & 0x807fffff & ~((1u << (23 - width)) - 1);
  uint32_t tie = kept | 1u << (22 - width) | (100 + random_below(state, 46)) << 23;
  return tie + random_below(state, 3) - 1;
}

static uint64_t random_f16_pair(random_state *state) {
  return word(state);
}

/* With exponents near that of 1, so that sums and products are not all infinite. */
static uint64_t random_bf16_pair(random_state *state) {
  uint32_t bits = word(state);
  return random_below(state, 4) ? (bits & 0x8fff8fff) | 0x38003800 : bits;
}

/* Below 2^exponent in magnitude and not below 2^-8 of that, or 0. */
static uint32_t random_below_power(random_state *state, uint32_t exponent) {
  uint32_t bits = word(state);
  return (bits & 0x807fffff) | (126 + exponent - random_below(state, 8)) << 23;
}

/* |x| < 4, inside [-2 pi, 2 pi]; and |x| < 256, inside [-100 pi, 100 pi]. */
static uint64_t random_angle(random_state *state) {
  return random_below_power(state, 2);
}

static uint64_t random_wide_angle(random_state *state) {
  return random_below_power(state, 8);
}

/* From 1/2 to 2, where a logarithm loses its leading bits. */
static uint64_t random_near_one(random_state *state) {
  return 0x3f000000 + random_below(state, 0x01000000);
}

/* Exponents of 2 for which ex2 is a number. */
static uint64_t random_exponent(random_state *state) {
  return random_below_power(state, 7);
}

static uint64_t random_bool(random_state *state) {
  return random_below(state, 2);
}

static uint64_t random_few(random_state *state) {
  return random_below(state, 5);
}

/* ----------------------------------------------------------------------------------- operands of mma.sync */

/* An integer from -8 to 8 as f32. */
static uint32_t small_integer(random_state *state) {
  static const uint32_t magnitudes[] = {0x00000000, 0x3f800000, 0x40000000, 0x40400000, 0x40800000,
                                        0x40a00000, 0x40c00000, 0x40e00000, 0x41000000};
  uint32_t magnitude = magnitudes[random_below(state, COUNT(magnitudes))];
  return magnitude | random_below(state, 2) << 31;
}

static uint32_t single_to_f16(uint32_t bits) {
  uint32_t magnitude = bits & 0x7fffffff;
  return (bits >> 16 & 0x8000) | (magnitude ? (magnitude - (112u << 23)) >> 13 : 0);
}

static uint64_t integers_f16(random_state *state) {
  uint32_t high = small_integer(state);
  uint32_t low = small_integer(state);
  return pair(single_to_f16(low), single_to_f16(high));
}

static uint64_t integers_bf16(random_state *state) {
  uint32_t high = small_integer(state);
  uint32_t low = small_integer(state);
  return pair(low >> 16, high >> 16);
}

static uint64_t integer_f32(random_state *state) {
  return small_integer(state);
}

/* e4m3 has three bits of mantissa and so all of the integers; e5m2 is the high byte of f16 and takes those
 * whose low byte is 0. */
static uint64_t integers_e4m3(random_state *state) {
  uint32_t codes = 0;
  for (int i = 0; i < 32; i += 8) {
    uint32_t bits = small_integer(state);
    uint32_t magnitude = bits & 0x7fffffff;
    codes |= ((bits >> 24 & 0x80) | (magnitude ? (magnitude - (120u << 23)) >> 20 : 0)) << i;
  }
  return codes;
}

static uint64_t integers_e5m2(random_state *state) {
  uint32_t codes = 0;
  for (int i = 0; i < 32; i += 8)
    codes |= (single_to_f16(small_integer(state)) >> 8 & 0xfe) << i;
  return codes;
}

/* Every finite f16, subnormals included: sums of large and small terms that cancel. */
static uint64_t finite_f16(random_state *state) {
  uint32_t bits = word(state);
  bits &= (bits & 0x7c00) == 0x7c00 ? ~0x4000u : UINT32_MAX;
  return bits & ((bits >> 16 & 0x7c00) == 0x7c00 ? ~0x40000000u : UINT32_MAX);
}

/* From 2^-16 to 2^16. */
static uint32_t moderate_bf16(random_state *state) {
  uint32_t bits = word(state) & 0x807f;
  return bits | (111 + random_below(state, 32)) << 7;
}

static uint64_t finite_bf16(random_state *state) {
  uint32_t low = moderate_bf16(state);
  return pair(low, moderate_bf16(state));
}

static uint64_t subnormals_f16(random_state *state) {
  return word(state) & 0x83ff83ff;
}

static uint64_t subnormals_bf16(random_state *state) {
  return word(state) & 0x807f807f;
}

/* Codes of e4m3 without NaN, of e5m2 without infinity and NaN. */
static uint64_t finite_e4m3(random_state *state) {
  uint32_t bits = word(state);
  for (int i = 0; i < 32; i += 8)
    bits ^= (bits >> i & 0x7f) == 0x7f ? 1u << i : 0;
  return bits;
}

static uint64_t finite_e5m2(random_state *state) {
  uint32_t bits = word(state);
  for (int i = 0; i < 32; i += 8)
    bits ^= (bits >> i & 0x7c) == 0x7c ? 0x40u << i : 0;
  return bits;
}

static uint64_t moderate_f32(random_state *state) {
  return random_below_power(state, 12);
}

static uint64_t zero(random_state *state) {
  (void)state;
  return 0;
}

/* ------------------------------------------------------------------------------------------------ letters */

struct domain {
  char letter;
  uint8_t pairs; /* edges fill both halves of the word */
  const uint64_t *edges;
  size_t edge_count;
  uint64_t (*random)(random_state *state);
};

#define EDGES(array) array, COUNT(array)
#define NO_EDGES NULL, 0

static const struct domain domains[] = {
    {'u', 0, EDGES(edges_u32), random_u32},
    {'w', 0, EDGES(edges_u64), random_u64},
    {'s', 0, EDGES(edges_count), random_count},
    {'c', 0, NO_EDGES, random_clamp},
    {'f', 0, EDGES(edges_f32), random_f32},
    {'d', 0, EDGES(edges_f64), random_f64},
    {'t', 0, EDGES(edges_f32), random_tie},
    {'h', 1, EDGES(edges_f16), random_f16_pair},
    {'b', 1, EDGES(edges_bf16), random_bf16_pair},
    {'g', 0, NO_EDGES, random_angle},
    {'G', 0, NO_EDGES, random_wide_angle},
    {'l', 0, NO_EDGES, random_near_one},
    {'e', 0, EDGES(edges_f32), random_exponent},
    {'p', 0, NO_EDGES, random_bool},
    {'v', 0, NO_EDGES, random_few},
    {'i', 1, NO_EDGES, integers_f16},
    {'j', 1, NO_EDGES, integers_bf16},
    {'I', 0, NO_EDGES, integer_f32},
    {'m', 0, NO_EDGES, integers_e4m3},
    {'n', 0, NO_EDGES, integers_e5m2},
    {'x', 0, NO_EDGES, finite_f16},
    {'y', 0, NO_EDGES, finite_bf16},
    {'X', 0, NO_EDGES, subnormals_f16},
    {'Y', 0, NO_EDGES, subnormals_bf16},
    {'M', 0, NO_EDGES, finite_e4m3},
    {'N', 0, NO_EDGES, finite_e5m2},
    {'F', 0, NO_EDGES, moderate_f32},
    {'z', 0, NO_EDGES, zero},
};

static uint64_t edge(const struct domain *domain, size_t index) {
  uint64_t value = domain->edges[index % domain->edge_count];
  size_t other = (index * 7 + 3) % domain->edge_count;
  return domain->pairs ? value | domain->edges[other] << 16 : value;
}

static const struct domain *find_domain(char letter) {
  const struct domain *domain = domains;
  while (domain->letter != letter)
    domain++;
  return domain;
}

/* Combinations of the edges of one operand or two. */
static size_t edge_combinations(const char *operands) {
  size_t combinations = 1;
  for (; *operands; operands++)
    combinations *= find_domain(*operands)->edge_count;
  return combinations;
}

/*
 * With one operand or two the first threads take every combination of edges, the others random values. With
 * more, two values of three are edges. Operands without edges are random.
 */
static void fill_thread(const char *operands, uint32_t thread, random_state *state, uint64_t *values) {
  size_t count = strlen(operands);
  size_t combinations = count <= 2 ? edge_combinations(operands) : 0;
  size_t place = thread;
  for (size_t k = 0; k < count; k++) {
    const struct domain *domain = find_domain(operands[k]);
    values[k] = domain->random(state);
    if (thread < combinations) {
      values[k] = edge(domain, place);
      place /= domain->edge_count;
    } else if (count > 2 && domain->edge_count && random_below(state, 3)) {
      values[k] = edge(domain, word(state));
    }
  }
}

/* Operands that depend on the thread alone. H: all codes of 16 bits; Q: all codes of 8 bits in either half of
 * 16; #: the thread. */
static bool fill_counted(const char *operands, uint32_t thread, uint64_t *values) {
  for (uint32_t k = 0; operands[k]; k++) {
    uint32_t code = 4 * thread + 2 * k;
    if (operands[k] == 'H')
      values[k] = pair(code, code + 1);
    else if (operands[k] == 'Q')
      values[k] = (thread & 255) | ((thread * 167 + 13) & 255) << 8;
    else if (operands[k] == '#')
      values[k] = thread;
    else
      return false;
  }
  return true;
}

uint32_t vector_operand_count(const struct vector_case *vector) {
  return (uint32_t)strlen(vector->operands);
}

uint64_t *vector_inputs(const struct vector_case *vector) {
  uint32_t count = vector_operand_count(vector);
  uint64_t *inputs = calloc((size_t)vector->threads * count + 1, sizeof *inputs);
  random_state state = 1;
  for (uint32_t thread = 0; inputs && thread < vector->threads; thread++) {
    uint64_t *values = inputs + (size_t)thread * count;
    if (!fill_counted(vector->operands, thread, values))
      fill_thread(vector->operands, thread, &state, values);
  }
  return inputs;
}
