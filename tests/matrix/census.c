/* Draws specs axis by axis, so that a rule between two axes makes neither of their values rare. */
#include "tests/matrix/census.h"

#include "tools/common/random.h"

enum { VALUES_TRIED = 400, REFUSED_SHARE = 4 /* one refused point at most for so many accepted ones */ };

/* How often each op is drawn. */
static const uint32_t ops[] = {
    FI_OP_ATTENTION, FI_OP_ATTENTION, FI_OP_ATTENTION, FI_OP_ATTENTION, FI_OP_ATTENTION, FI_OP_ATTENTION,
    FI_OP_ATTENTION, FI_OP_ATTENTION, FI_OP_APPEND,    FI_OP_APPEND,    FI_OP_MERGE,     FI_OP_INDEXER,
};

struct census {
  const struct target_list *targets;
  random_state random;
  struct points *refused;
  size_t most_refused;
};

static void keep_refused(struct census *census, const struct point *point) {
  if (census->refused->count < census->most_refused)
    points_add(census->refused, point);
}

/* One of the first `steps` values after the smallest, or that one. */
static uint32_t draw_step(struct census *census, const fi_axis *axis, uint32_t steps) {
  return axis->minimum + axis->step * random_below(&census->random, steps + 1);
}

/* As many numbers of one magnitude as of another. */
static uint32_t draw_magnitude(struct census *census, const fi_axis *axis) {
  uint64_t most = axis->minimum;
  const uint32_t doublings = random_below(&census->random, 32);
  for (uint32_t i = 0; i < doublings && most < axis->last_step; i++)
    most = 2 * most + 1;
  most = most < axis->last_step ? most : axis->last_step;
  return draw_step(census, axis, ((uint32_t)most - axis->minimum) / axis->step);
}

static uint32_t draw_value(struct census *census, const fi_axis *axis) {
  const bool is_list = axis->value_count > 0;
  if (is_list)
    return axis->values[random_below(&census->random, axis->value_count)];
  const uint32_t steps = (axis->last_step - axis->minimum) / axis->step;
  if (axis->maximum > axis->last_step && random_below(&census->random, steps + 1) == 0)
    return axis->maximum;
  switch (random_below(&census->random, 3)) {
  case 0:
    return 0; /* the default */
  case 1:
    return draw_step(census, axis, steps);
  default:
    return draw_magnitude(census, axis);
  }
}

/* A value that goes together with those of the axes before; the default when none is found. */
static void draw_axis(struct census *census, const fi_axis *axis, struct point *point) {
  const struct dimension dimension = {.offset = axis->offset};
  for (int i = 0; i < VALUES_TRIED; i++) {
    struct point canonical;
    dimension_set(&dimension, point, draw_value(census, axis));
    if (points_canonical(census->targets, point, &canonical))
      return;
    if (i == 0)
      keep_refused(census, point);
  }
  dimension_set(&dimension, point, 0);
}

static void draw_point(struct census *census, struct point *point) {
  fi_axis axis = {.struct_size = sizeof axis};
  *point = (struct point){
      .spec = {.struct_size = sizeof point->spec, .op = ops[random_below(&census->random, sizeof ops / sizeof *ops)]},
      .target = random_below(&census->random, census->targets->count),
  };
  for (uint32_t i = 1; fi_axis_describe(i, &axis) == FI_OK; i++) {
    if (axis.ops >> point->spec.op & 1)
      draw_axis(census, &axis, point);
  }
}

void census_draw(const struct target_list *targets, uint32_t specs, uint64_t seed, struct points *accepted,
                 struct points *refused) {
  struct census census = {.targets = targets, .random = seed, .refused = refused};
  while (accepted->count < specs && !accepted->failed) {
    struct point point;
    struct point canonical;
    census.most_refused = accepted->count / REFUSED_SHARE;
    draw_point(&census, &point);
    if (points_canonical(targets, &point, &canonical))
      points_add(accepted, &canonical);
    else
      keep_refused(&census, &point);
  }
}
