/* Canonical specs: defaults, what does not matter, ranges, rules, targets. */
#include "generator/axes.h"
#include "generator/error.h"
#include "generator/spec.h"
#include "random_spec.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static fi_spec zero_spec(uint32_t op) {
  return (fi_spec){.struct_size = sizeof(fi_spec), .op = op};
}

static fi_spec canonical(fi_spec spec) {
  fi_spec out;
  cr_assert_eq(spec_canonical(&spec, &out), FI_OK, "%s", fi_last_error());
  return out;
}

Test(spec, zeros_stand_for_the_documented_defaults) {
  const fi_spec expected = {
      .struct_size = sizeof expected,
      .family = FI_FAMILY_AUTO,
      .head_dim = 128,
      .v_dim = 128,
      .group = 1,
      .q_dtype = FI_BF16,
      .kv_dtype = FI_BF16,
      .o_dtype = FI_BF16,
      .rope_dim = 128,
      .rope_axes = 1,
      .v_dtype = FI_BF16,
      .scale_group = 32,
  };
  fi_spec spec = canonical(zero_spec(FI_OP_ATTENTION));
  cr_assert_arr_eq(&spec, &expected, sizeof spec);
  fi_spec init;
  fi_spec_init(&init);
  spec = canonical(init);
  cr_assert_arr_eq(&spec, &expected, sizeof spec);
}

Test(spec, derived_defaults_follow_their_fields) {
  fi_spec spec = zero_spec(FI_OP_APPEND);
  spec.q_dtype = FI_F16;
  spec.head_dim = 80;
  cr_assert_eq(canonical(spec).kv_dtype, FI_F16);
  cr_assert_eq(canonical(spec).rope_dim, 80);
}

Test(spec, canonical_is_a_fixed_point) {
  struct random_source source = {1};
  uint32_t accepted = 0;
  for (int i = 0; i < 20000; i++) {
    const fi_spec spec = random_spec(&source, random_below(&source, 4));
    fi_spec once;
    if (spec_canonical(&spec, &once) != FI_OK)
      continue;
    const fi_spec twice = canonical(once);
    cr_assert_arr_eq(&once, &twice, sizeof once);
    accepted++;
  }
  cr_assert_gt(accepted, 5000);
}

/* Sets one field of a copy and compares canonical forms. */
static bool matters(fi_spec spec, const char *field, uint32_t value) {
  const fi_spec before = canonical(spec);
  axis_set(axis_find_field(field, strlen(field)), &spec, value);
  const fi_spec after = canonical(spec);
  return memcmp(&before, &after, sizeof before) != 0;
}

Test(spec, axes_that_the_op_does_not_read_do_not_matter) {
  static const struct {
    const char *field;
    uint32_t value;
    const char *ops; /* that read it: a(ttention), w(rite, append), m(erge) */
  } rows[] = {
      {"head_dim", 64, "awm"},       {"group", 8, "a"},           {"rows", 64, "a"},
      {"q_dtype", FI_F16, "awm"},    {"kv_dtype", FI_E5M2, "aw"}, {"page_size", 16, "aw"},
      {"index", FI_INDEX_CSR, "aw"}, {"mask", FI_MASK_NONE, "a"}, {"lse", 1, "am"},
      {"rope", FI_ROPE_HALF, "aw"},
  };
  static const char letters[] = "awmp";
  for (uint32_t op = 0; op < 4; op++) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
      const bool reads = strchr(rows[i].ops, letters[op]) != NULL;
      cr_expect_eq(matters(zero_spec(op), rows[i].field, rows[i].value), reads, "op %u, %s", op, rows[i].field);
    }
  }
}

Test(spec, rotation_fields_matter_only_with_rotation) {
  static const struct {
    const char *field;
    uint32_t value;
  } rows[] = {
      {"rope_keys", FI_KEYS_UNROTATED},
      {"rope_dim", 64},
      {"rope_first", 64},
      {"rope_positions", FI_POSITIONS_ARRAY},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    fi_spec spec = zero_spec(FI_OP_ATTENTION);
    spec.rope_dim = 32;
    cr_expect_not(matters(spec, rows[i].field, rows[i].value), "%s without rope", rows[i].field);
    spec.rope = FI_ROPE_INTERLEAVED;
    cr_expect(matters(spec, rows[i].field, rows[i].value), "%s", rows[i].field);
  }
  fi_spec append = zero_spec(FI_OP_APPEND);
  append.rope = FI_ROPE_HALF;
  cr_assert_not(matters(append, "rope_keys", FI_KEYS_UNROTATED));
}

/* An op that reads the axis. */
static uint32_t reader_of(const fi_axis *axis) {
  uint32_t op = 0;
  while (!(axis->ops >> op & 1))
    op++;
  return op;
}

/* A spec in which every axis matters that the op reads. */
static fi_spec full_spec(uint32_t op) {
  fi_spec spec = zero_spec(op);
  spec.rope = FI_ROPE_HALF;
  spec.rope_positions = FI_POSITIONS_ARRAY;
  spec.page_size = 16;
  spec.mask = FI_MASK_NONE;
  spec.kv_dtype = FI_I4;
  spec.kv_scale = FI_SCALE_E8M0;
  return spec;
}

Test(spec, every_axis_refuses_values_out_of_its_range) {
  const struct axis *axis;
  for (uint32_t i = 0; (axis = axis_at(i)); i++) {
    fi_axis described = {.struct_size = sizeof described};
    cr_assert_eq(fi_axis_describe(i, &described), FI_OK);
    const uint32_t bad[] = {described.maximum + 1, described.minimum - 1, UINT32_MAX};
    for (size_t n = 0; n < 3; n++) {
      if (bad[n] == 0 || axis_allows(axis, bad[n]))
        continue;
      fi_spec spec = full_spec(reader_of(&described));
      axis_set(axis, &spec, bad[n]);
      fi_spec out;
      char beginning[64];
      char allowed[ERROR_SIZE];
      cr_expect_eq(spec_canonical(&spec, &out), FI_ERROR_SPEC, "%s %u", axis->field, bad[n]);
      snprintf(beginning, sizeof beginning, "%s is %u; allowed: ", axis->field, bad[n]);
      axis_print_allowed(axis, allowed, sizeof allowed);
      cr_expect_eq(strncmp(fi_last_error(), beginning, strlen(beginning)), 0, "%s", fi_last_error());
      cr_expect_str_eq(fi_last_error() + strlen(beginning), allowed);
    }
  }
}

Test(spec, messages_say_what_is_allowed) {
  fi_spec spec = zero_spec(FI_OP_ATTENTION);
  spec.head_dim = 100;
  cr_assert_eq(fi_spec_supported(&spec, NULL), FI_ERROR_SPEC);
  cr_assert_str_eq(fi_last_error(), "head_dim is 100; allowed: multiples of 8 from 32 to 576");
  spec = zero_spec(FI_OP_ATTENTION);
  spec.v_dim = 264;
  fi_spec_supported(&spec, NULL);
  cr_assert_str_eq(fi_last_error(), "v_dim is 264; allowed: multiples of 8 from 32 to 256, and 512");
  spec = zero_spec(FI_OP_ATTENTION);
  spec.q_dtype = FI_E5M2;
  fi_spec_supported(&spec, NULL);
  cr_assert_str_eq(fi_last_error(), "q_dtype is 4; allowed: f16, bf16, e4m3");
  spec = zero_spec(FI_OP_ATTENTION);
  spec.group = 129;
  fi_spec_supported(&spec, NULL);
  cr_assert_str_eq(fi_last_error(), "group is 129; allowed: 1 to 128");
}

Test(spec, every_rule_refuses_with_its_reason) {
  static const struct {
    fi_spec spec;
    const char *why; /* NULL: the same without breaking the rule */
  } rows[] = {
      {{.kv_scale = FI_SCALE_TENSOR},
       "kv_scale is tensor with kv_dtype bf16: only kv_dtype e4m3, e5m2 and int8 are scaled so"},
      {{.kv_scale = FI_SCALE_HEAD, .kv_dtype = FI_F16},
       "kv_scale is head with kv_dtype f16: only kv_dtype e4m3, e5m2 and int8 are scaled so"},
      {{.kv_scale = FI_SCALE_HEAD, .kv_dtype = FI_E4M3}, NULL},
      {{.kv_scale = FI_SCALE_TENSOR, .kv_dtype = FI_E5M2}, NULL},
      {{.kv_scale = FI_SCALE_TOKEN, .kv_dtype = FI_E5M2},
       "kv_scale is token with kv_dtype e5m2: only kv_dtype int8 has scales of tokens"},
      {{.kv_scale = FI_SCALE_TOKEN, .kv_dtype = FI_I8}, NULL},
      {{.kv_scale = FI_SCALE_TENSOR, .kv_dtype = FI_NVFP4},
       "kv_scale is tensor with kv_dtype nvfp4: only kv_dtype e4m3, e5m2 and int8 are scaled so"},
      {{.kv_dtype = FI_E4M3, .v_dtype = FI_I8},
       "v_dtype is int8 with kv_dtype e4m3: V has the type of K, or int4 or nvfp4 beside e4m3, e5m2 or int8"},
      {{.kv_dtype = FI_I4, .v_dtype = FI_NVFP4},
       "v_dtype is nvfp4 with kv_dtype int4: V has the type of K, or int4 or nvfp4 beside e4m3, e5m2 or int8"},
      {{.kv_dtype = FI_E4M3, .v_dtype = FI_NVFP4}, NULL},
      {{.kv_dtype = FI_I8, .kv_scale = FI_SCALE_HEAD, .v_dtype = FI_I4},
       "v_dtype is int4 with kv_scale head: beside V of another type K has scales of tokens, or on the host alone"},
      {{.kv_dtype = FI_I8, .kv_scale = FI_SCALE_TOKEN, .v_dtype = FI_I4}, NULL},
      {{.kv_dtype = FI_I8, .v_dtype = FI_I4, .v_dim = 88},
       "v_dtype is int4 with v_dim 88: rows of 4-bit elements are whole blocks of 32"},
      {{.kv_dtype = FI_I4, .head_dim = 72, .v_dim = 64},
       "kv_dtype is int4 with head_dim 72: rows of 4-bit elements are whole blocks of 32"},
      {{.kv_dtype = FI_NVFP4, .scale_group = 32},
       "scale_group is 32 with v_dtype nvfp4: groups of nvfp4 have 16 elements"},
      {{.kv_dtype = FI_I4, .scale_group = 64, .v_dim = 64},
       "scale_group is 64 with v_dim 64: the scales of a row fill words of 4 bytes"},
      {{.kv_dtype = FI_NVFP4, .head_dim = 96, .v_dim = 128},
       "scale_group is 16 with head_dim 96: the scales of a row fill words of 4 bytes"},
      {{.kv_dtype = FI_I4, .scale_group = 16, .head_dim = 96}, NULL},
      {{.kv_dtype = FI_I4, .scale_group = 128},
       "scale_group is 128 with v_dtype int4: groups of 4-bit elements have at most 64"},
      {{.kv_dtype = FI_E5M2, .kv_scale = FI_SCALE_GROUP, .v_source = FI_V_KEYS},
       "kv_scale is groups with kv_dtype e5m2: only kv_dtype e4m3 has scales of groups so"},
      {{.kv_dtype = FI_E4M3, .kv_scale = FI_SCALE_E8M0},
       "kv_scale is e8m0 with v_source own: only K that has V in it has scales of groups so"},
      {{.kv_dtype = FI_E4M3, .kv_scale = FI_SCALE_E8M0, .v_source = FI_V_KEYS}, NULL},
      {{.kv_dtype = FI_E4M3, .kv_scale = FI_SCALE_E8M0, .v_source = FI_V_KEYS, .wide_dims = 12},
       "wide_dims is 12 with kv_scale e8m0: beside scales of groups they are a multiple of 8"},
      {{.kv_dtype = FI_E4M3, .kv_scale = FI_SCALE_E8M0, .v_source = FI_V_KEYS, .wide_dims = 128},
       "wide_dims is 128 with head_dim 128: K has more dims than these"},
      {{.kv_dtype = FI_E4M3, .kv_scale = FI_SCALE_GROUP, .v_source = FI_V_KEYS, .head_dim = 192, .wide_dims = 72},
       "scale_group is 128 with head_dim 192: the dims of K but for the wide ones are whole groups"},
      {{.kv_dtype = FI_E4M3,
        .kv_scale = FI_SCALE_E8M0,
        .v_source = FI_V_KEYS,
        .rope = FI_ROPE_HALF,
        .rope_keys = FI_KEYS_UNROTATED},
       "rope_keys is unrotated with kv_scale e8m0: keys with scales of groups are not rotated inside attention"},
      {{.group = 17, .rows = 16}, "rows is 16 with group 17: a tile must hold the whole group"},
      {{.group = 16, .rows = 16}, NULL},
      {{.rope = FI_ROPE_HALF, .head_dim = 64, .rope_dim = 80},
       "rope_dim is 80 with head_dim 64: no more dims than the head has can be rotated"},
      {{.rope = FI_ROPE_HALF, .head_dim = 80, .rope_dim = 80}, NULL},
      {{.rope = FI_ROPE_HALF, .rope_dim = 7}, "rope_dim is 7 with rope half: dims are rotated in pairs"},
      {{.rope = FI_ROPE_HALF, .rope_dim = 2}, NULL},
      {{.rope = FI_ROPE_HALF, .rope_dim = 100, .rope_first = 30},
       "rope_first is 30 with rope_dim 100: the rotated dims must end within the head"},
      {{.rope = FI_ROPE_HALF, .rope_dim = 100, .rope_first = 28}, NULL},
      {{.rope = FI_ROPE_INTERLEAVED, .rope_dim = 2, .rope_first = 3},
       "rope_first is 3 with rope interleaved: it must be even"},
      {{.op = FI_OP_APPEND, .q_dtype = FI_E4M3},
       "q_dtype is e4m3 with op append: of other ops than attention it has 16 bits"},
      {{.q_dtype = FI_E4M3, .bias = FI_BIAS_TOKEN_DISTANCE},
       "bias is token_distance with q_dtype e4m3: a bias of each query token has the type of Q, which then has 16 "
       "bits"},
      {{.q_dtype = FI_E4M3, .kv_scale = FI_SCALE_GROUP, .v_source = FI_V_KEYS, .head_dim = 192},
       "wide_dims is 64 with q_dtype e4m3: the wide dims of K have the type of Q, which then has 16 bits"},
      {{.q_dtype = FI_E4M3, .o_dtype = FI_F16}, NULL},
      {{.q_dtype = FI_F16, .o_dtype = FI_BF16}, "o_dtype is bf16 with q_dtype f16: O has the type of Q, or f32"},
      {{.q_dtype = FI_E4M3, .kv_dtype = FI_BF16}, NULL},
      {{.index = FI_INDEX_CSR}, NULL},
      {{.q_dtype = FI_F16, .kv_dtype = FI_BF16}, NULL},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    fi_spec spec = rows[i].spec;
    spec.struct_size = sizeof spec;
    fi_spec out;
    const fi_status expected = rows[i].why ? FI_ERROR_UNSUPPORTED : FI_OK;
    cr_expect_eq(spec_canonical(&spec, &out), expected, "row %zu: %s", i, fi_last_error());
    if (rows[i].why)
      cr_expect_str_eq(fi_last_error(), rows[i].why);
  }
}

Test(spec, unknown_targets_are_unsupported) {
  const fi_spec spec = zero_spec(FI_OP_ATTENTION);
  cr_assert_eq(fi_spec_supported(&spec, "sm_70"), FI_ERROR_UNSUPPORTED);
  cr_assert_eq(strncmp(fi_last_error(), "target is sm_70; allowed: sm_80, compute_80, ", 45), 0, "%s", fi_last_error());
  cr_assert_not_null(strstr(fi_last_error(), ", compute_120a"), "%s", fi_last_error());
  cr_assert_eq(fi_spec_supported(&spec, "sm_90a"), FI_OK);
}

Test(spec, a_hash_and_what_its_text_computes_go_together) {
  fi_spec out;
  fi_spec spec = zero_spec(FI_OP_ATTENTION);
  spec.snippet_hash = 0xabc;
  cr_assert_eq(spec_canonical(&spec, &out), FI_ERROR_SPEC);
  cr_expect_str_eq(fi_last_error(), "snippet_hash is 0000000000000abc with snippet none; allowed: 0");
  spec.snippet = FI_SNIPPET_LOGIT;
  spec.lse = FI_LSE_BASE2;
  cr_assert_eq(canonical(spec).snippet_hash, 0xabc);
  spec.snippet = FI_SNIPPET_WEIGHT;
  cr_assert_eq(spec_canonical(&spec, &out), FI_ERROR_UNSUPPORTED);
  cr_expect_str_eq(fi_last_error(), "snippet is weight with lse 2: weights of a snippet have no log-sum-exp");
  spec.op = FI_OP_MERGE;
  cr_expect_eq(canonical(spec).snippet, FI_SNIPPET_NONE);
  cr_expect_eq(canonical(spec).snippet_hash, 0);
}
