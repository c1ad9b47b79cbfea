/* The pairwise cover, judged by other means than those that made it: axes as axes.def has them, and blind
 * search. */
#include "tests/matrix/points.h"

#include "generator/axes.h"
#include "tests/matrix/targets.h"
#include "tools/common/random.h"
#include "tools/flashjit/problem.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { SPECS = 200000, TRIES = 3000, LEAST_PRODUCT = 1800, MOST_PRODUCT = 3000 };

/* A value of a dimension. */
struct value {
  uint32_t dimension;
  uint32_t value;
};

struct proof {
  struct target_list targets;
  struct dimensions dimensions;
  struct points product;
  struct points pairs;
  struct value values[MOST_DIMENSIONS * MOST_VALUES];
  uint32_t count;
  bool *found; /* [count][count]: pairs that a point has */
  random_state random;
};

static const uint32_t ops[] = {FI_OP_ATTENTION, FI_OP_APPEND, FI_OP_MERGE, FI_OP_INDEXER};

/* Whether a canonical point has a value. 0 is the default, whatever it depends on; an axis that does not
 * matter has no value but that. */
static bool has(const struct proof *proof, const struct point *canonical, struct value value) {
  const struct dimension *dimension = &proof->dimensions.of[value.dimension];
  const struct axis *axis = axis_find_key(dimension->key, strlen(dimension->key));
  if (!axis)
    return canonical->target == value.value;
  const uint32_t actual = axis_get(axis, &canonical->spec);
  if (value.value == 0)
    return actual == axis_default(axis, &canonical->spec);
  return actual == value.value;
}

static void mark(struct proof *proof, const struct point *canonical) {
  bool present[MOST_DIMENSIONS * MOST_VALUES];
  for (uint32_t i = 0; i < proof->count; i++)
    present[i] = has(proof, canonical, proof->values[i]);
  for (uint32_t i = 0; i < proof->count; i++) {
    for (uint32_t j = 0; present[i] && j < proof->count; j++)
      proof->found[i * proof->count + j] |= present[j];
  }
}

static void begin(struct proof *proof, uint32_t op) {
  *proof = (struct proof){.random = 77 + op};
  targets_to_run("compute_90a", true, &proof->targets);
  cr_assert(dimensions_load(op, &proof->targets, &proof->dimensions), "%s", problem_last());
  points_make(&proof->dimensions, &proof->product, &proof->pairs);
  cr_assert(!proof->product.failed && !proof->pairs.failed);
  for (uint32_t d = 0; d < proof->dimensions.count; d++) {
    const struct dimension *dimension = &proof->dimensions.of[d];
    for (uint32_t i = 0; i < dimension->count; i++)
      proof->values[proof->count++] = (struct value){d, dimension->values[i]};
  }
  proof->found = calloc(proof->count, proof->count);
  for (size_t i = 0; i < proof->product.count; i++)
    mark(proof, &proof->product.of[i]);
  for (size_t i = 0; i < proof->pairs.count; i++)
    mark(proof, &proof->pairs.of[i]);
}

static void end(struct proof *proof) {
  points_free(&proof->product);
  points_free(&proof->pairs);
  free(proof->found);
}

static struct point draw(struct proof *proof) {
  struct point point = {.spec = {.struct_size = sizeof point.spec, .op = proof->dimensions.op}};
  for (uint32_t d = 0; d < proof->dimensions.count; d++) {
    const struct dimension *dimension = &proof->dimensions.of[d];
    dimension_set(dimension, &point, dimension->values[random_below(&proof->random, dimension->count)]);
  }
  return point;
}

/* Gives dimensions other than those of two values what values need. */
static void meet_needs(const struct proof *proof, struct value a, struct value b, struct point *point) {
  for (uint32_t i = 0; i < proof->dimensions.need_count; i++) {
    const struct need *need = &proof->dimensions.needs[i];
    const struct dimension *of = &proof->dimensions.of[need->of];
    const struct dimension *other = &proof->dimensions.of[need->other];
    if (dimension_get(of, point) == of->values[need->value] && need->other != a.dimension && need->other != b.dimension)
      dimension_set(other, point, other->values[need->needed]);
  }
}

static void check_pair(const struct proof *proof, const struct point *point, uint32_t i, uint32_t j) {
  const struct value a = proof->values[i];
  const struct value b = proof->values[j];
  char text[FI_SPEC_TEXT_SIZE];
  fi_spec_print(&point->spec, text, sizeof text);
  cr_assert(proof->found[i * proof->count + j], "no point has %s=%u and %s=%u, as \"%s\" for %s has",
            proof->dimensions.of[a.dimension].key, a.value, proof->dimensions.of[b.dimension].key, b.value, text,
            proof->targets.of[point->target]->name);
}

Test(cover, has_every_pair_of_any_supported_spec) {
  for (size_t op = 0; op < sizeof ops / sizeof *ops; op++) {
    struct proof proof;
    begin(&proof, ops[op]);
    for (int n = 0; n < SPECS; n++) {
      struct point canonical;
      const struct point point = draw(&proof);
      if (!points_canonical(&proof.targets, &point, &canonical))
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

/* Looks for a supported point with two values. */
static bool search(struct proof *proof, struct value a, struct value b, struct point *canonical) {
  for (int n = 0; n < TRIES; n++) {
    struct point point = draw(proof);
    dimension_set(&proof->dimensions.of[a.dimension], &point, a.value);
    dimension_set(&proof->dimensions.of[b.dimension], &point, b.value);
    meet_needs(proof, a, b, &point);
    if (points_canonical(&proof->targets, &point, canonical) && has(proof, canonical, a) && has(proof, canonical, b))
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
        struct point canonical;
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
      check_pair(&proof, &proof.pairs.of[0], i, i);
    end(&proof);
  }
}

/* The values of the card axes: head dim, group, RoPE, KV type and page size. */
static bool same_cards(const struct dimensions *dimensions, const struct point *a, const struct point *b) {
  for (uint32_t d = 0; d < dimensions->count; d++) {
    const struct dimension *dimension = &dimensions->of[d];
    if (dimension->product_count > 0 && dimension_get(dimension, a) != dimension_get(dimension, b))
      return false;
  }
  return true;
}

/* Whether any values of the other axes make a kernel of values of the card axes. */
static bool is_possible(struct proof *proof, const struct point *cards) {
  for (int n = 0; n < TRIES; n++) {
    struct point canonical;
    struct point point = draw(proof);
    for (uint32_t d = 0; d < proof->dimensions.count; d++) {
      const struct dimension *dimension = &proof->dimensions.of[d];
      if (dimension->product_count > 0)
        dimension_set(dimension, &point, dimension_get(dimension, cards));
    }
    point.target = 0;
    if (points_canonical(&proof->targets, &point, &canonical) && same_cards(&proof->dimensions, &canonical, cards))
      return true;
  }
  return false;
}

static size_t count_of(const struct proof *proof, const struct point *cards) {
  size_t count = 0;
  for (size_t i = 0; i < proof->product.count; i++)
    count += same_cards(&proof->dimensions, &proof->product.of[i], cards);
  return count;
}

/* The next combination of the declared values, by counting; false after the last. */
static bool next_cards(const struct dimensions *dimensions, struct point *cards, uint32_t at[MOST_DIMENSIONS]) {
  for (uint32_t d = 0; d < dimensions->count; d++) {
    const struct dimension *dimension = &dimensions->of[d];
    if (dimension->product_count == 0)
      continue;
    const bool goes_on = ++at[d] < dimension->product_count;
    at[d] = goes_on ? at[d] : 0;
    dimension_set(dimension, cards, dimension->values[dimension->product[at[d]]]);
    if (goes_on)
      return true;
  }
  return false;
}

Test(product, has_every_possible_combination_of_the_card_axes_once) {
  static const char *const cards_of_the_matrix[] = {"hd", "group", "rope", "kv", "page"};
  struct proof proof;
  struct point cards = {.spec = {.struct_size = sizeof cards.spec}};
  uint32_t at[MOST_DIMENSIONS] = {0};
  size_t missing = 0;
  size_t combinations = 0;
  begin(&proof, FI_OP_ATTENTION);
  for (uint32_t d = 0; d < proof.dimensions.count; d++) {
    const struct dimension *dimension = &proof.dimensions.of[d];
    bool is_card = false;
    for (size_t i = 0; i < sizeof cards_of_the_matrix / sizeof *cards_of_the_matrix; i++)
      is_card |= strcmp(dimension->key, cards_of_the_matrix[i]) == 0;
    cr_assert_eq(is_card, dimension->product_count > 0, "%s", dimension->key);
    if (is_card)
      dimension_set(dimension, &cards, dimension->values[dimension->product[0]]);
  }
  do {
    const size_t count = count_of(&proof, &cards);
    combinations++;
    missing += count == 0;
    cr_assert(count == 1 || (count == 0 && !is_possible(&proof, &cards)), "%zu points of hd=%u group=%u page=%u", count,
              cards.spec.head_dim, cards.spec.group, cards.spec.page_size);
  } while (next_cards(&proof.dimensions, &cards, at));
  cr_assert_eq(proof.product.count, combinations - missing);
  cr_assert_leq(proof.product.count, MOST_PRODUCT, "%zu points", proof.product.count);
  cr_assert_geq(proof.product.count, LEAST_PRODUCT, "%zu points", proof.product.count);
  end(&proof);
}

/* A list that is full drops targets without a word. */
Test(targets, are_all_in_the_lists) {
  struct target_list cubins;
  struct target_list texts;
  uint32_t known = 0;
  while (target_at(known))
    known++;
  targets_of_form(false, &cubins);
  targets_of_form(true, &texts);
  cr_assert_eq(cubins.count + texts.count, known);
  cr_assert_lt(known, MOST_TARGETS);
}
