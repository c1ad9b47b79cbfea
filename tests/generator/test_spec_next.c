/* Iteration over specs. */
#include "generator/axes.h"
#include "generator/spec.h"
#include "random_spec.h"

#include <criterion/criterion.h>
#include <string.h>

/* The place of a value in the order of an axis: its default, then its listed values. */
static uint32_t place(const struct axis *axis, const fi_spec *spec) {
  const uint32_t value = axis_get(axis, spec);
  if (value == axis_default(axis, spec))
    return 0;
  uint32_t i = 0;
  while (i < axis_value_count(axis) && axis_value(axis, i) != value)
    i++;
  cr_assert_lt(i, axis_value_count(axis), "%s has the unlisted value %u", axis->field, value);
  return i + 1;
}

/* Whether b comes after a; a walk that always does has no spec twice. */
static bool after(const fi_spec *a, const fi_spec *b) {
  const struct axis *axis;
  for (uint32_t i = 0; (axis = axis_at(i)); i++) {
    if (axis_get(axis, a) != axis_get(axis, b))
      return place(axis, a) < place(axis, b);
  }
  return false;
}

/* A spec that a walk must come to: canonical, supported, and of listed values only. */
static fi_spec reachable(struct random_source *source, uint32_t op) {
  fi_spec out;
  for (;;) {
    fi_spec spec = {.struct_size = sizeof spec, .op = op};
    const struct axis *axis;
    for (uint32_t i = 1; (axis = axis_at(i)); i++) {
      const uint32_t choice = random_below(source, axis_value_count(axis) + 1);
      axis_set(axis, &spec, choice == 0 ? 0 : axis_value(axis, choice - 1));
    }
    spec.family = FI_FAMILY_AUTO; /* no walk turns it */
    if (spec_canonical(&spec, &out) == FI_OK && fi_spec_supported(&out, NULL) == FI_OK)
      return out;
  }
}

enum { WANTED = 16 };

/* Walks an op, checks each step and that the wanted specs are met; returns the number of steps. */
static uint32_t walk(uint32_t op) {
  struct random_source source = {op + 11};
  fi_spec wanted[WANTED];
  bool met[WANTED] = {false};
  for (size_t i = 0; i < WANTED; i++)
    wanted[i] = reachable(&source, op);
  fi_spec spec;
  fi_spec before = {0};
  fi_spec_init(&spec);
  spec.op = op;
  uint32_t steps = 0;
  for (; fi_spec_next(&spec); steps++) {
    cr_assert(steps == 0 || after(&before, &spec), "step %u", steps);
    for (size_t i = 0; i < WANTED; i++)
      met[i] |= memcmp(&wanted[i], &spec, sizeof spec) == 0;
    before = spec;
    if (steps % 1000 != 0)
      continue;
    fi_spec canonical;
    cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
    cr_assert_arr_eq(&canonical, &spec, sizeof spec, "step %u", steps);
    cr_assert_eq(fi_spec_supported(&spec, NULL), FI_OK);
  }
  for (size_t i = 0; i < WANTED; i++)
    cr_expect(met[i], "op %u: wanted spec %zu was not met", op, i);
  cr_assert_eq(fi_spec_next(&spec), 0, "the end is the end");
  return steps;
}

Test(spec_next, merge_and_plan_are_small) {
  cr_assert_eq(walk(FI_OP_MERGE), 11 * 2 * 2 * 3);
  cr_assert_eq(walk(FI_OP_PLAN), 3 * 3 + 2 * 3); /* no masks, all, lists; prefixes of two kinds; of members three */
}

/*
 * Nine dims that are multiples of 16, four groups, two types of Q, three ways to store K, seven page sizes with their
 * ids, two indexes, two blocks, two kinds of scores.
 */
Test(spec_next, index_counts_every_combination) {
  cr_assert_eq(walk(FI_OP_INDEXER), 9 * 4 * 2 * 3 * 7 * 2 * 2 * 2);
}

/* How many types and groups V of 4 bits can have with such dims: int4 with its groups, and nvfp4. */
static uint32_t groups_of(uint32_t dim, uint32_t other) {
  uint32_t count = dim % 64 == 0 && other % 64 == 0;
  for (uint32_t group = 16; group <= 64; group *= 2)
    count += dim % 32 == 0 && other % 32 == 0 && dim % (2 * group) == 0 && other % (2 * group) == 0;
  return count;
}

/* Groups of 16, 32, 64 or 128 of the dims that are not wide, which 64 are. */
static uint32_t groups_of_latents(uint32_t head_dim) {
  uint32_t count = 0;
  for (uint32_t group = 16; group <= 128; group *= 2)
    count += head_dim > 64 && (head_dim - 64) % group == 0;
  return count;
}

/* V in K, which has 16 bits or 8 with its scales, of two kinds those of groups, and is no shorter. */
static uint32_t types_of_one(uint32_t head_dim, uint32_t v_dim) {
  return v_dim <= head_dim ? 2 + 2 * 3 + 4 + 2 * groups_of_latents(head_dim) : 0;
}

/* K and V of one type with their scales, V of 4 bits beside K of 8 without or with scales of tokens, and both of 4. */
static uint32_t types_of(uint32_t head_dim, uint32_t v_dim) {
  return 2 + 2 * 3 + 4 + (2 + 2) * groups_of(v_dim, 0) + groups_of(head_dim, v_dim);
}

/*
 * For each type of Q: by plan seven page sizes with their ids and two indexes, by slots four and two types of them.
 * Without rotation, and with it: two pairings, one or two widths, positions from KV lengths, but by slots, or an array
 * of one or three.
 */
static uint32_t ways_of(uint32_t head_dim) {
  const uint32_t widths = head_dim == 32 ? 1 : 2;
  return 2 * (7 * 2 * (1 + 2 * widths * 3) + 4 * 2 * (1 + 2 * widths * 2));
}

Test(spec_next, append_counts_every_combination) {
  static const uint32_t head_dims[] = {32, 64, 72, 80, 96, 112, 128, 160, 192, 256, 512};
  uint32_t expected = 0;
  for (size_t i = 0; i < sizeof head_dims / sizeof *head_dims; i++) {
    const uint32_t v_dims[] = {head_dims[i], 64, 88, 128};
    for (size_t v = 0; v < 4; v++) {
      if (v == 0 || v_dims[v] != head_dims[i])
        expected += ways_of(head_dims[i]) * (types_of(head_dims[i], v_dims[v]) + types_of_one(head_dims[i], v_dims[v]));
    }
  }
  cr_assert_eq(walk(FI_OP_APPEND), expected);
}

/* A spec after `from` that differs in some of the last axes; `from` itself if none was found. */
static fi_spec later(struct random_source *source, const fi_spec *from) {
  enum { ATTEMPTS = 50, LAST_AXES = 8 };
  for (int i = 0; i < ATTEMPTS; i++) {
    fi_spec spec = *from;
    fi_spec out;
    uint32_t axes = 0;
    while (axis_at(axes))
      axes++;
    for (uint32_t number = axes - LAST_AXES; number < axes; number++) {
      const struct axis *axis = axis_at(number);
      const uint32_t choice = random_below(source, axis_value_count(axis) + 1);
      axis_set(axis, &spec, choice == 0 ? 0 : axis_value(axis, choice - 1));
    }
    if (spec_canonical(&spec, &out) == FI_OK && fi_spec_supported(&out, NULL) == FI_OK && after(from, &out))
      return out;
  }
  return *from;
}

/* There are millions of them: the walk is followed from here and there, to a spec that it must come to. */
Test(spec_next, attention_is_walked_in_order) {
  struct random_source source = {5};
  uint32_t walks = 0;
  for (int start = 0; start < 100; start++) {
    fi_spec spec = reachable(&source, FI_OP_ATTENTION);
    const fi_spec end = later(&source, &spec);
    fi_spec before = spec;
    while (after(&spec, &end)) {
      cr_assert_eq(fi_spec_next(&spec), 1);
      cr_assert(after(&before, &spec));
      cr_assert_eq(fi_spec_supported(&spec, NULL), FI_OK);
      before = spec;
    }
    cr_assert_arr_eq(&spec, &end, sizeof spec, "walk %d went past its end", start);
    walks += memcmp(&end, &before, sizeof end) == 0;
  }
  cr_assert_gt(walks, 50);
}

Test(spec_next, begins_at_the_defaults) {
  static const char *const first[] = {
      "attention",
      "attention select=1",
      "attention select=128",
      "attention v_source=keys",
      "attention v_source=keys select=1",
      "attention v_source=keys select=128",
      "attention bias=slopes",
  };
  fi_spec spec;
  fi_spec_init(&spec);
  char text[FI_SPEC_TEXT_SIZE];
  for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
    cr_assert_eq(fi_spec_next(&spec), 1);
    cr_assert_eq(fi_spec_print(&spec, text, sizeof text), FI_OK);
    cr_assert_str_eq(text, first[i]);
  }
}

Test(spec_next, refuses_what_is_no_spec) {
  fi_spec spec;
  fi_spec_init(&spec);
  spec.op = 5;
  cr_assert_eq(fi_spec_next(&spec), 0);
  fi_spec_init(&spec);
  spec.struct_size = 8;
  cr_assert_eq(fi_spec_next(&spec), 0);
  fi_spec_init(&spec);
  spec.reserved[0] = 1;
  const fi_spec before = spec;
  cr_assert_eq(fi_spec_next(&spec), 0);
  cr_assert_arr_eq(&spec, &before, sizeof spec, "it has been stepped");
  cr_assert_eq(fi_spec_next(NULL), 0);
}
