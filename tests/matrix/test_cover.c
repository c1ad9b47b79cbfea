/* The pairwise cover, judged by other means than those that made it: axes as axes.def has them, and blind
 * search. */
#include "tests/matrix/points.h"

#include "generator/axes.h"
#include "tools/common/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { SPECS = 200000, TRIES = 3000 };

/* A value of a dimension. */
struct value {
  uint32_t dimension;
  uint32_t value;
};

struct proof {
  struct dimensions dimensions;
  struct points points;
  struct value values[MOST_DIMENSIONS * MOST_VALUES];
  uint32_t count;
  bool *found; /* [count][count]: pairs that a point has */
  random_state random;
};

static const uint32_t ops[] = {FI_OP_ATTENTION, FI_OP_APPEND, FI_OP_MERGE};

/* Whether a canonical spec has a value. 0 is the default, whatever it depends on; an axis that does not
 * matter has no value but that. */
static bool has(const struct proof *proof, const fi_spec *canonical, struct value value) {
  const struct dimension *dimension = &proof->dimensions.of[value.dimension];
  const struct axis *axis = axis_find_key(dimension->key, strlen(dimension->key));
  const uint32_t actual = axis_get(axis, canonical);
  if (value.value == 0)
    return actual == axis_default(axis, canonical);
  return actual == value.value;
}

static void mark(struct proof *proof, const fi_spec *canonical) {
  bool present[MOST_DIMENSIONS * MOST_VALUES];
  for (uint32_t i = 0; i < proof->count; i++)
    present[i] = has(proof, canonical, proof->values[i]);
  for (uint32_t i = 0; i < proof->count; i++) {
    for (uint32_t j = 0; present[i] && j < proof->count; j++)
      proof->found[i * proof->count + j] |= present[j];
  }
}

static void begin(struct proof *proof, uint32_t op) {
  char why[256];
  *proof = (struct proof){.random = 77 + op};
  cr_assert(dimensions_load(op, &proof->dimensions, why, sizeof why), "%s", why);
  points_cover(&proof->dimensions, &proof->points);
  cr_assert(!proof->points.failed);
  for (uint32_t d = 0; d < proof->dimensions.count; d++) {
    const struct value_list *list = &proof->dimensions.of[d].cover;
    for (uint32_t i = 0; i < list->count; i++)
      proof->values[proof->count++] = (struct value){d, list->values[i]};
  }
  proof->found = calloc(proof->count, proof->count);
  for (size_t i = 0; i < proof->points.count; i++)
    mark(proof, &proof->points.specs[i]);
}

static void end(struct proof *proof) {
  points_free(&proof->points);
  free(proof->found);
}

static fi_spec draw(struct proof *proof) {
  fi_spec spec = {.struct_size = sizeof spec, .op = proof->dimensions.op};
  for (uint32_t d = 0; d < proof->dimensions.count; d++) {
    const struct dimension *dimension = &proof->dimensions.of[d];
    dimension_set(dimension, &spec, dimension->cover.values[random_below(&proof->random, dimension->cover.count)]);
  }
  return spec;
}

static void check_pair(const struct proof *proof, const fi_spec *spec, uint32_t i, uint32_t j) {
  const struct value a = proof->values[i];
  const struct value b = proof->values[j];
  char text[FI_SPEC_TEXT_SIZE];
  fi_spec_print(spec, text, sizeof text);
  cr_assert(proof->found[i * proof->count + j], "no point has %s=%u and %s=%u, as \"%s\" has",
            proof->dimensions.of[a.dimension].key, a.value, proof->dimensions.of[b.dimension].key, b.value, text);
}

Test(cover, has_every_pair_of_any_supported_spec) {
  for (size_t op = 0; op < sizeof ops / sizeof *ops; op++) {
    struct proof proof;
    begin(&proof, ops[op]);
    for (int n = 0; n < SPECS; n++) {
      fi_spec canonical;
      const fi_spec spec = draw(&proof);
      if (!points_canonical(&spec, &canonical))
        continue;
      const uint32_t i = random_below(&proof.random, proof.count); /* a few pairs of each */
      for (uint32_t j = 0; has(&proof, &canonical, proof.values[i]) && j < proof.count; j++) {
        if (has(&proof, &canonical, proof.values[j]))
          check_pair(&proof, &canonical, i, j);
      }
    }
    end(&proof);
  }
}

/* Looks for a supported spec with two values. */
static bool search(struct proof *proof, struct value a, struct value b, fi_spec *canonical) {
  for (int n = 0; n < TRIES; n++) {
    fi_spec spec = draw(proof);
    dimension_set(&proof->dimensions.of[a.dimension], &spec, a.value);
    dimension_set(&proof->dimensions.of[b.dimension], &spec, b.value);
    if (points_canonical(&spec, canonical) && has(proof, canonical, a) && has(proof, canonical, b))
      return true;
  }
  return false;
}

Test(cover, lacks_no_pair_that_a_search_finds) {
  for (size_t op = 0; op < sizeof ops / sizeof *ops; op++) {
    struct proof proof;
    begin(&proof, ops[op]);
    for (uint32_t i = 0; i < proof.count; i++) {
      for (uint32_t j = i + 1; j < proof.count; j++) {
        fi_spec canonical;
        if (proof.found[i * proof.count + j] || proof.values[i].dimension == proof.values[j].dimension)
          continue;
        if (search(&proof, proof.values[i], proof.values[j], &canonical))
          check_pair(&proof, &canonical, i, j);
      }
    }
    end(&proof);
  }
}

Test(cover, has_every_value_of_every_axis) {
  for (size_t op = 0; op < sizeof ops / sizeof *ops; op++) {
    struct proof proof;
    begin(&proof, ops[op]);
    for (uint32_t i = 0; i < proof.count; i++)
      check_pair(&proof, &proof.points.specs[0], i, i);
    end(&proof);
  }
}

Test(product, is_the_declared_one) {
  char why[256];
  struct dimensions dimensions;
  struct points points = {0};
  cr_assert(dimensions_load(FI_OP_ATTENTION, &dimensions, why, sizeof why), "%s", why);
  points_product(&dimensions, &points);
  size_t expected = 1;
  for (uint32_t d = 0; d < dimensions.count; d++)
    expected *= dimensions.of[d].product.count;
  cr_assert_eq(points.count, expected, "%zu of %zu points of the product are supported", points.count, expected);
  cr_assert_geq(points.count, 2880);
  points_free(&points);
}
