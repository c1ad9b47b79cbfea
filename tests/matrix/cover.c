/*
 * A pairwise covering array over supported specs, greedily: for each pair of values that no point has yet,
 * the best of some random supported specs with that pair, improved value by value, becomes a point. The
 * random numbers have a fixed seed, so that the points change with the axes only.
 */
#include "tests/matrix/points.h"

#include "tools/common/random.h"

#include <stdlib.h>
#include <string.h>

enum {
  TRIES = 2000,   /* random specs after which a pair counts as impossible */
  CANDIDATES = 24 /* supported ones among them to choose from */
};

/* A spec as the number of its value in each dimension. */
typedef uint32_t choice_of[MOST_DIMENSIONS];

struct cover {
  const struct dimensions *dimensions;
  uint32_t order[MOST_DIMENSIONS]; /* dimensions, those with many values first */
  uint32_t first[MOST_DIMENSIONS]; /* number of a dimension's first value among all values */
  uint32_t values;
  bool *covered; /* [values][values], the lower number first */
  random_state random;
};

static uint32_t value_count(const struct cover *cover, uint32_t d) {
  return cover->dimensions->of[d].cover.count;
}

/*
 * The canonical spec of a choice, and which dimensions have their chosen value in it: an axis that does not
 * matter beside the others' values has been reset. False when there is no such kernel.
 */
static bool settle(const struct cover *cover, const choice_of choice, fi_spec *canonical,
                   bool present[MOST_DIMENSIONS]) {
  const struct dimensions *dimensions = cover->dimensions;
  fi_spec spec = {.struct_size = sizeof spec, .op = dimensions->op};
  for (uint32_t d = 0; d < dimensions->count; d++)
    dimension_set(&dimensions->of[d], &spec, dimensions->of[d].cover.values[choice[d]]);
  if (!points_canonical(&spec, canonical))
    return false;
  for (uint32_t d = 0; d < dimensions->count; d++) {
    const uint32_t wanted = dimension_get(&dimensions->of[d], &spec);
    present[d] = wanted == 0 || wanted == dimension_get(&dimensions->of[d], canonical);
  }
  return true;
}

/* Whether a point has value i of dimension a and value j of dimension b already. */
static bool *pair_of(const struct cover *cover, uint32_t a, uint32_t i, uint32_t b, uint32_t j) {
  const uint32_t one = cover->first[a] + i;
  const uint32_t other = cover->first[b] + j;
  return &cover->covered[one < other ? one * cover->values + other : other * cover->values + one];
}

/* How many pairs of the values that are present are not covered; covers them if asked. */
static uint32_t new_pairs(struct cover *cover, const choice_of choice, const bool present[MOST_DIMENSIONS], bool take) {
  uint32_t count = 0;
  for (uint32_t a = 0; a < cover->dimensions->count; a++) {
    for (uint32_t b = a + 1; present[a] && b < cover->dimensions->count; b++) {
      bool *pair = pair_of(cover, a, choice[a], b, choice[b]);
      count += present[b] && !*pair;
      *pair |= take && present[b];
    }
  }
  return count;
}

/* New pairs of a choice that must keep the values of two dimensions; 0 when it is not supported or loses one.
 */
static uint32_t gain(struct cover *cover, const choice_of choice, uint32_t a, uint32_t b) {
  fi_spec canonical;
  bool present[MOST_DIMENSIONS];
  if (!settle(cover, choice, &canonical, present) || !present[a] || !present[b])
    return 0;
  return new_pairs(cover, choice, present, false);
}

/* Looks for a supported choice with the values of dimensions a and b that are in it already. */
static uint32_t draw(struct cover *cover, choice_of choice, uint32_t a, uint32_t b) {
  choice_of drawn;
  uint32_t best = 0;
  uint32_t candidates = 0;
  memcpy(drawn, choice, sizeof drawn);
  for (uint32_t i = 0; i < TRIES && candidates < CANDIDATES; i++) {
    for (uint32_t d = 0; d < cover->dimensions->count; d++) {
      if (d != a && d != b)
        drawn[d] = random_below(&cover->random, value_count(cover, d));
    }
    const uint32_t found = gain(cover, drawn, a, b);
    candidates += found > 0;
    if (found > best) {
      best = found;
      memcpy(choice, drawn, sizeof drawn);
    }
  }
  return best;
}

/* Takes any other value of a dimension that adds pairs, one dimension after the other. */
static void improve(struct cover *cover, choice_of choice, uint32_t best, uint32_t a, uint32_t b) {
  for (uint32_t d = 0; d < cover->dimensions->count; d++) {
    if (d == a || d == b)
      continue;
    uint32_t kept = choice[d];
    for (uint32_t value = 0; value < value_count(cover, d); value++) {
      choice[d] = value;
      const uint32_t found = gain(cover, choice, a, b);
      if (found > best) {
        best = found;
        kept = value;
      }
    }
    choice[d] = kept;
  }
}

static void cover_pair(struct cover *cover, uint32_t a, uint32_t value_a, uint32_t b, uint32_t value_b,
                       struct points *points) {
  fi_spec canonical;
  bool present[MOST_DIMENSIONS];
  choice_of choice = {0};
  if (*pair_of(cover, a, value_a, b, value_b))
    return;
  choice[a] = value_a;
  choice[b] = value_b;
  const uint32_t best = draw(cover, choice, a, b);
  if (best == 0)
    return; /* the two do not go together */
  improve(cover, choice, best, a, b);
  settle(cover, choice, &canonical, present);
  new_pairs(cover, choice, present, true);
  points_add(points, &canonical);
}

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

/* All pairs of values of two dimensions. */
static void cover_dimensions(struct cover *cover, uint32_t a, uint32_t b, struct points *points) {
  for (uint32_t value_a = 0; value_a < value_count(cover, a); value_a++) {
    for (uint32_t value_b = 0; value_b < value_count(cover, b); value_b++)
      cover_pair(cover, a, value_a, b, value_b, points);
  }
}

void points_cover(const struct dimensions *dimensions, struct points *points) {
  struct cover cover = {.dimensions = dimensions};
  order_dimensions(&cover);
  cover.covered = calloc(cover.values, cover.values);
  points->failed |= !cover.covered;
  for (uint32_t i = 0; cover.covered && i < dimensions->count; i++) {
    for (uint32_t j = i + 1; j < dimensions->count; j++)
      cover_dimensions(&cover, cover.order[i], cover.order[j], points);
  }
  free(cover.covered);
}
