/* The expressions of //@if. */
#include "generator/expression.h"

#include <criterion/criterion.h>
#include <string.h>

static const fi_spec spec = {
    .op = FI_OP_ATTENTION,
    .head_dim = 128,
    .q_dtype = FI_BF16,
    .kv_dtype = FI_E4M3,
    .mask = FI_MASK_NONE,
    .rope = FI_ROPE_HALF,
    .rows = 16,
};
static const struct tile tile = {.rows = 32, .teams = 4, .stages = 3};

static bool evaluate(const char *text, int64_t *value) {
  const struct facts facts = {&spec, target_find("sm_89"), &tile};
  return expression_evaluate(text, strlen(text), &facts, value);
}

Test(expression, values) {
  static const struct {
    const char *text;
    int64_t value;
  } rows[] = {
      {"1", 1},
      {"4294967295", 4294967295},
      {"1 + 2 * 3", 7},
      {"(1 + 2) * 3", 9},
      {"7 / 2 * 2", 6},
      {"10 - 4 - 3", 3},
      {"2 - 3", -1},
      {"!0", 1},
      {"!!7", 1},
      {"!head_dim + 1", 1},
      {"1 < 2 == 1", 1},
      {"2 <= 2 && 2 >= 2 && !(2 < 2) && !(2 > 2)", 1},
      {"1 || 0 && 0", 1},
      {"3 <= 1 + 1", 0},
      {"1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1", 36},
      {"(1 || 0) && 0", 0},
      {"1 == 1 != 0", 1},
      {"head_dim / 16", 8},
      {"\thead_dim==128\t", 1},
      {"q_dtype == bf16", 1},
      {"q_dtype != bf16", 0},
      {"q_dtype == e4m3", 0},
      {"kv_dtype == q_dtype", 0},
      {"kv_dtype == e4m3 || kv_dtype == e5m2", 1},
      {"mask == none", 1}, /* the two nones are different numbers */
      {"rope == none", 0},
      {"op == attention", 1},
      {"teams * stages", 12},
      {"rows", 32}, /* the tile's */
      {"arch >= 89 && fp8_convert", 1},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    int64_t value = -77;
    cr_expect(evaluate(rows[i].text, &value), "%s: %s", rows[i].text, fi_last_error());
    cr_expect_eq(value, rows[i].value, "%s is %lld", rows[i].text, (long long)value);
  }
}

Test(expression, errors) {
  static const struct {
    const char *text;
    const char *why;
  } rows[] = {
      {"", "an operand is missing before \"\""},
      {"1 +", "an operand is missing before \"\""},
      {"head_dims", "unknown name \"head_dims\""},
      {"half", "unknown name \"half\""},
      {"half == rope", "unknown name \"half\""},
      {"rope < half", "unknown name \"half\""},
      {"q_dtype == e5m2", "unknown name \"e5m2\""},
      {"rope + 0 == half", "unknown name \"half\""},
      {"1 || nonsense", "unknown name \"nonsense\""},
      {"(1 + 2", "no \")\" before \"\""},
      {"1 2", "unexpected \"2\""},
      {"1)", "unexpected \")\""},
      {"1 = 1", "unexpected \"= 1\""},
      {"0x10", "not a number: \"0x10\""},
      {"99999999999", "not a number: \"99999999999\""},
      {"1 / 0", "division by zero before \"\""},
      {"1 / (2 - 2) + 1", "division by zero before \"+ 1\""},
      {"- 1", "an operand is missing before \"- 1\""},
      {"!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!1", NULL},
      {"((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))", NULL},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    int64_t value;
    cr_expect_not(evaluate(rows[i].text, &value), "%s", rows[i].text);
    if (rows[i].why)
      cr_expect_str_eq(fi_last_error(), rows[i].why);
    else
      cr_expect_eq(strncmp(fi_last_error(), "nested too deeply at ", 21), 0, "%s", fi_last_error());
  }
}

Test(expression, arithmetic_wraps) {
  int64_t value;
  cr_assert(evaluate("4294967295 * 4294967295 * 4294967295 * 4294967295 - 1", &value));
}
