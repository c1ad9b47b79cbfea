/* The table of axes and what fi_axis_describe tells of it. */
#include "generator/axes.h"
#include "generator/facts.h"

#include <criterion/criterion.h>
#include <string.h>

static fi_axis describe(uint32_t number) {
  fi_axis axis = {.struct_size = sizeof axis};
  cr_assert_eq(fi_axis_describe(number, &axis), FI_OK);
  return axis;
}

static fi_axis describe_field(const char *field) {
  uint32_t number = 0;
  while (strcmp(axis_at(number)->field, field) != 0)
    number++;
  return describe(number);
}

Test(axes, describes_every_field_of_the_spec_in_order) {
  uint32_t number = 0;
  for (size_t offset = offsetof(fi_spec, op); offset < offsetof(fi_spec, reserved); offset += sizeof(uint32_t)) {
    if (offset == offsetof(fi_spec, snippet_hash)) /* is no axis */
      offset += sizeof(uint64_t);
    const fi_axis axis = describe(number++);
    cr_expect_eq(axis.offset, offset, "%s", axis.name);
    cr_expect_gt(strlen(axis.meaning), 0, "%s", axis.name);
    cr_expect_gt(axis.ops, 0, "%s", axis.name);
  }
  fi_axis axis = {.struct_size = sizeof axis};
  cr_assert_eq(fi_axis_describe(number, &axis), FI_ERROR_ARGUMENT);
  cr_assert_not_null(strstr(fi_last_error(), "no axis"));
}

Test(axes, describes_a_list_of_numbers) {
  const fi_axis axis = describe_field("rows");
  cr_assert_str_eq(axis.key, "rows");
  cr_assert_eq(axis.minimum, 16);
  cr_assert_eq(axis.maximum, 128);
  cr_assert_eq(axis.value_count, 4);
  cr_assert_eq(axis.values[2], 64);
  cr_assert_eq(axis.step, 0);
  cr_assert_null(axis.value_names);
  cr_assert_eq(axis.ops, 1u << FI_OP_ATTENTION);
}

Test(axes, describes_steps_and_one_value_beyond) {
  const fi_axis axis = describe_field("v_dim");
  cr_assert_str_eq(axis.key, "v_dim");
  cr_assert_eq(axis.default_value, 0, "it depends on head_dim");
  cr_assert_eq(axis.minimum, 32);
  cr_assert_eq(axis.last_step, 256);
  cr_assert_eq(axis.step, 8);
  cr_assert_eq(axis.maximum, 512);
  cr_assert_eq(axis.value_count, 0);
  cr_assert_null(axis.values);
  cr_assert_eq(axis.ops, 1u << FI_OP_ATTENTION | 1u << FI_OP_APPEND);
}

Test(axes, with_steps_allow_them_and_nothing_between) {
  for (uint32_t number = 0; number < 600; number++) {
    const bool expected = (number >= 32 && number <= 256 && number % 8 == 0) || number == 512;
    cr_expect_eq(axis_allows(axis_find_key("v_dim", 5), number), expected, "%u", number);
  }
}

Test(axes, describes_a_list_of_names) {
  const fi_axis axis = describe_field("kv_dtype");
  cr_assert_eq(axis.default_value, 0, "it depends on q_dtype");
  cr_assert_eq(axis.value_count, 7);
  cr_assert_eq(axis.values[3], FI_E5M2);
  cr_assert_str_eq(axis.value_names[3], "e5m2");
  cr_assert_eq(axis.minimum, FI_F16);
  cr_assert_eq(axis.maximum, FI_NVFP4);
}

Test(axes, describes_a_range) {
  const fi_axis axis = describe_field("page_size");
  cr_assert_eq(axis.minimum, 0);
  cr_assert_eq(axis.maximum, 16384);
  cr_assert_eq(axis.step, 1);
  cr_assert_eq(axis.last_step, 16384);
  cr_assert_eq(axis.value_count, 0);
  cr_assert_null(axis.values);
}

Test(axes, the_default_is_what_init_sets) {
  fi_spec spec;
  fi_spec_init(&spec);
  for (uint32_t i = 0; axis_at(i); i++) {
    const fi_axis axis = describe(i);
    uint32_t value;
    memcpy(&value, (const char *)&spec + axis.offset, sizeof value);
    cr_expect_eq(value, axis.default_value, "%s", axis.name);
  }
  cr_assert_eq(spec.head_dim, 128);
  cr_assert_eq(spec.q_dtype, FI_BF16);
  cr_assert_eq(spec.struct_size, sizeof spec);
}

Test(axes, refuses_what_is_no_fi_axis) {
  fi_axis axis = {.struct_size = sizeof axis - 4};
  cr_assert_eq(fi_axis_describe(0, &axis), FI_ERROR_ABI);
  cr_assert_eq(strncmp(fi_last_error(), "axis.struct_size is 92;", 23), 0, "%s", fi_last_error());
  axis = (fi_axis){.struct_size = sizeof axis, .reserved = {[4] = 1}};
  cr_assert_eq(fi_axis_describe(0, &axis), FI_ERROR_ABI);
  cr_assert_eq(strncmp(fi_last_error(), "axis.reserved[4] is 1;", 22), 0, "%s", fi_last_error());
  cr_assert_eq(fi_axis_describe(0, NULL), FI_ERROR_ARGUMENT);
}

Test(axes, names_and_keys_are_unique) {
  const struct axis *axis;
  for (uint32_t i = 0; (axis = axis_at(i)); i++) {
    cr_expect_eq(axis_find_key(axis->key, strlen(axis->key)), axis, "%s", axis->key);
    cr_expect_eq(axis_find_field(axis->field, strlen(axis->field)), axis, "%s", axis->field);
  }
  cr_assert_null(axis_find_key("h", 1));
  cr_assert_null(axis_find_key("hdx", 3));
  cr_assert_null(axis_find_field("head_dim", 4));
}

/* A template says "rope == half": were half also a fact, the reader could not tell what is compared. */
Test(axes, no_value_has_the_name_of_a_fact) {
  const fi_spec spec = {0};
  const struct tile tile = {0};
  const struct facts facts = {&spec, target_find("sm_80"), &tile};
  const struct axis *axis;
  for (uint32_t i = 0; (axis = axis_at(i)); i++) {
    for (uint32_t n = 0; n < axis_value_count(axis); n++) {
      const char *name = axis_value_name(axis, axis_value(axis, n));
      struct fact fact;
      cr_expect(!name || !facts_find(&facts, name, strlen(name), &fact), "%s", name);
    }
  }
}

Test(axes, defaults_are_allowed) {
  fi_spec spec;
  fi_spec_init(&spec);
  const struct axis *axis;
  for (uint32_t i = 0; (axis = axis_at(i)); i++) {
    axis_set(axis, &spec, axis_default(axis, &spec));
    if (strcmp(axis->field, "rows") == 0)
      cr_expect_eq(spec.rows, 0, "they are open, which no list names");
    else
      cr_expect(axis_allows(axis, axis_get(axis, &spec)), "%s", axis->field);
  }
}
