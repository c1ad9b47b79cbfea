/*
 * A covering array over supported points, greedily: what must be in a point (a combination of card axes, or a pair of
 * values that no point has yet) is fixed, and the best of some random supported points with it, improved value by
 * value, is taken. The random numbers have a fixed seed, so that the points change with the axes only.
 */
#include "tests/matrix/points.h"

#include "tools/common/random.h"

#include <stdlib.h>
#include <string.h>

enum {
  TRIES = 8000,           /* random points after which a pair counts as impossible */
  PAIR_CANDIDATES = 24,   /* supported ones among them to choose from */
  PRODUCT_CANDIDATES = 4, /* for a point of the product: there are many, and each adds a little */
  UNSUPPORTED = -1
};

/* A point as the number of its value in each dimension. */
typedef uint32_t choice_of[MOST_DIMENSIONS];
typedef bool flags_of[MOST_DIMENSIONS];

struct cover {
  const struct dimensions *dimensions;
  uint32_t order[MOST_DIMENSIONS]; /* dimensions, those with many values first */
  uint32_t first[MOST_DIMENSIONS]; /* number of a dimension's first value among all values */
  uint32_t values;
  bool *covered; /* [values][values], the lower number first */
  random_state random;
};

static uint32_t value_count(const struct cover *cover, uint32_t d) {
  return cover->dimensions->of[d].count;
}

/*
 * The canonical point of a choice, and which dimensions have their chosen value in it: an axis that does not
 * matter beside the others' values has been reset. False when there is no such kernel.
 */
static bool settle(const struct cover *cover, const choice_of choice, struct point *canonical, flags_of present) {
  const struct dimensions *dimensions = cover->dimensions;
  struct point point = {.spec = {.struct_size = sizeof point.spec, .op = dimensions->op}};
  for (uint32_t d = 0; d < dimensions->count; d++)
    dimension_set(&dimensions->of[d], &point, dimensions->of[d].values[choice[d]]);
  if (!points_canonical(dimensions->targets, &point, canonical))
    return false;
  for (uint32_t d = 0; d < dimensions->count; d++) {
    const uint32_t wanted = dimension_get(&dimensions->of[d], &point);
    present[d] = wanted == 0 || wanted == dimension_get(&dimensions->of[d], canonical);
  }
  return true;
}

/* Whether a point has value i of dimension a and value j of dimension b already. A value is a pair with itself. */
static bool *pair_of(const struct cover *cover, uint32_t a, uint32_t i, uint32_t b, uint32_t j) {
  const uint32_t one = cover->first[a] + i;
  const uint32_t other = cover->first[b] + j;
  return &cover->covered[one < other ? one * cover->values + other : other * cover->values + one];
}

/* How many pairs of the values that are present are not covered; covers them if asked. */
static int new_pairs(struct cover *cover, const choice_of choice, const flags_of present, bool take) {
  int count = 0;
  for (uint32_t a = 0; a < cover->dimensions->count; a++) {
    for (uint32_t b = a; present[a] && b < cover->dimensions->count; b++) {
      bool *pair = pair_of(cover, a, choice[a], b, choice[b]);
      count += present[b] && !*pair;
      *pair |= take && present[b];
    }
  }
  return count;
}

/* New pairs of a choice that must keep the values of fixed dimensions; UNSUPPORTED when it does not. */
static int gain(struct cover *cover, const choice_of choice, const flags_of fixed) {
  struct point canonical;
  flags_of present;
  if (!settle(cover, choice, &canonical, present))
    return UNSUPPORTED;
  for (uint32_t d = 0; d < cover->dimensions->count; d++) {
    if (fixed[d] && !present[d])
      return UNSUPPORTED;
  }
  return new_pairs(cover, choice, present, false);
}

/* Gives dimensions that are not fixed what values of fixed ones need. */
static void meet_needs(const struct cover *cover, choice_of choice, const flags_of fixed) {
  for (uint32_t i = 0; i < cover->dimensions->need_count; i++) {
    const struct need *need = &cover->dimensions->needs[i];
    if (fixed[need->of] && choice[need->of] == need->value && !fixed[need->other])
      choice[need->other] = need->needed;
  }
}

/* A value of a dimension. Where supported points are rare every other one is the first, which goes with most others. */
static uint32_t draw_value(struct cover *cover, uint32_t d, bool are_rare) {
  const uint32_t value = random_below(&cover->random, value_count(cover, d));
  return are_rare && random_below(&cover->random, 2) ? 0 : value;
}

/* Looks for a supported choice with the values of fixed dimensions that are in it already. */
static int draw(struct cover *cover, choice_of choice, const flags_of fixed, int most_candidates) {
  choice_of drawn;
  int best = UNSUPPORTED;
  int candidates = 0;
  memcpy(drawn, choice, sizeof drawn);
  for (int i = 0; i < TRIES && candidates < most_candidates; i++) {
    for (uint32_t d = 0; d < cover->dimensions->count; d++) {
      if (!fixed[d])
        drawn[d] = draw_value(cover, d, i >= TRIES / 2);
    }
    meet_needs(cover, drawn, fixed);
    const int found = gain(cover, drawn, fixed);
    candidates += found != UNSUPPORTED;
    if (found > best) {
      best = found;
      memcpy(choice, drawn, sizeof drawn);
    }
  }
  return best;
}

/* Takes any other value of a dimension that adds pairs, one dimension after the other. */
static void improve(struct cover *cover, choice_of choice, const flags_of fixed, int best) {
  for (uint32_t d = 0; d < cover->dimensions->count; d++) {
    if (fixed[d])
      continue;
    uint32_t kept = choice[d];
    for (uint32_t value = 0; value < value_count(cover, d); value++) {
      choice[d] = value;
      const int found = gain(cover, choice, fixed);
      if (found > best) {
        best = found;
        kept = value;
      }
    }
    choice[d] = kept;
  }
}

/* Adds the best point found with the fixed values; none when they do not go together. */
static void add_point(struct cover *cover, choice_of choice, const flags_of fixed, int candidates,
                      struct points *points) {
  struct point canonical;
  flags_of present;
  const int best = draw(cover, choice, fixed, candidates);
  if (best == UNSUPPORTED)
    return;
  improve(cover, choice, fixed, best);
  settle(cover, choice, &canonical, present);
  new_pairs(cover, choice, present, true);
  if (points)
    points_add(points, &canonical);
}

/* ------------------------------------------------------------------------------------------------ product */

/* Like counting: the first card axis that can goes on to its next value, those before it begin again. */
static bool next_combination(const struct dimensions *dimensions, choice_of combination) {
  for (uint32_t d = 0; d < dimensions->count; d++) {
    if (dimensions->of[d].product_count == 0)
      continue;
    combination[d]++;
    if (combination[d] < dimensions->of[d].product_count)
      return true;
    combination[d] = 0;
  }
  return false;
}

static void add_product(struct cover *cover, struct points *points) {
  const struct dimensions *dimensions = cover->dimensions;
  const uint32_t target = dimensions->count - 1;
  choice_of combination = {0};
  flags_of fixed = {false};
  for (uint32_t d = 0; d < dimensions->count; d++)
    fixed[d] = dimensions->of[d].product_count > 0 || d == target;
  do {
    choice_of choice = {0};
    for (uint32_t d = 0; d < dimensions->count; d++) {
      if (dimensions->of[d].product_count > 0)
        choice[d] = dimensions->of[d].product[combination[d]];
    }
    add_point(cover, choice, fixed, PRODUCT_CANDIDATES, points);
  } while (next_combination(dimensions, combination));
}

/* ------------------------------------------------------------------------------------------------ pairs */

static void order_dimensions(struct cover *cover) {
  for (uint32_t d = 0; d < cover->dimensions->count; d++) {
    uint32_t place = d;
    cover->first[d] = cover->values;
    cover->values += value_count(cover, d);
    for (; place > 0 && value_count(cover, cover->order[place - 1]) < value_count(cover, d); place--)
      cover->order[place] = cover->order[place - 1];
    cover->order[place] = d;
  }
}

/* All pairs of values of two dimensions, or all values of one. */
static void cover_dimensions(struct cover *cover, uint32_t a, uint32_t b, struct points *points) {
  flags_of fixed = {false};
  fixed[a] = true;
  fixed[b] = true;
  for (uint32_t value_a = 0; value_a < value_count(cover, a); value_a++) {
    for (uint32_t value_b = 0; value_b < value_count(cover, b); value_b++) {
      choice_of choice = {0};
      choice[a] = value_a;
      choice[b] = value_b;
      const bool is_pair = a != b || value_a == value_b;
      if (is_pair && !*pair_of(cover, a, value_a, b, value_b))
        add_point(cover, choice, fixed, PAIR_CANDIDATES, points);
    }
  }
}

static bool has_product(const struct dimensions *dimensions) {
  for (uint32_t d = 0; d < dimensions->count; d++) {
    if (dimensions->of[d].product_count > 0)
      return true;
  }
  return false;
}

void points_make(const struct dimensions *dimensions, struct points *product, struct points *pairs) {
  struct cover cover = {.dimensions = dimensions};
  order_dimensions(&cover);
  cover.covered = calloc(cover.values, cover.values);
  if (!cover.covered) {
    pairs->failed = true;
    return;
  }
  if (product && has_product(dimensions))
    add_product(&cover, product);
  for (uint32_t i = 0; i < dimensions->count; i++) {
    for (uint32_t j = i; j < dimensions->count; j++)
      cover_dimensions(&cover, cover.order[i], cover.order[j], pairs);
  }
  free(cover.covered);
}
