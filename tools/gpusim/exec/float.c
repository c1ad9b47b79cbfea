/* Floating-point arithmetic: f32 and f64, and pairs of f16 and bf16. */
#include "exec/half.h"
#include "exec/lanes.h"

enum { FLUSH = 1, SATURATE = 2 };

/* The lanes of a source, with subnormals flushed if the instruction says .ftz. */
static const float *float_source(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t index,
                                 float *flushed) {
  const float *from = sim_source(warp, inst, index);
  if (!(inst->mode & FLUSH))
    return from;
  for (int i = 0; i < SIM_LANES; i++)
    flushed[i] = sim_flush(from[i]);
  return flushed;
}

static void float_result(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, float *values) {
  if (inst->mode & FLUSH)
    for (int i = 0; i < SIM_LANES; i++)
      values[i] = sim_flush(values[i]);
  if (inst->mode & SATURATE)
    for (int i = 0; i < SIM_LANES; i++)
      values[i] = values[i] > 0.0f ? (values[i] < 1.0f ? values[i] : 1.0f) : 0.0f;
  sim_commit_word(warp, inst, 0, lanes, values);
}

static bool prepare_float(struct sim_inst *inst, const struct sim_captures *captures) {
  for (uint32_t i = 0; i < captures->count; i++) {
    if (sim_capture_is(captures, i, ".ftz"))
      inst->mode |= FLUSH;
    if (sim_capture_is(captures, i, ".sat"))
      inst->mode |= SATURATE;
  }
  return true;
}

/* Minimum and maximum ignore a NaN operand unless .NaN asks for it, and order -0 before +0. */
static float minimum(float a, float b) {
  float equal = sim_float(sim_bits(a) | sim_bits(b));
  float smaller = a < b || b != b ? a : b;
  return a == b ? equal : smaller;
}

static float maximum(float a, float b) {
  float equal = sim_float(sim_bits(a) & sim_bits(b));
  float larger = a > b || b != b ? a : b;
  return a == b ? equal : larger;
}

static double minimum_double(double a, double b) {
  double smaller = a < b || b != b ? a : b;
  return a == b && signbit(a) ? a : smaller;
}

static double maximum_double(double a, double b) {
  double larger = a > b || b != b ? a : b;
  return a == b && signbit(b) ? a : larger;
}

static float propagate_nan(float a, float b, float result) {
  return a != a || b != b ? sim_float(0x7fffffff) : result;
}

/* A GPU rounds to 24 bits as if exponents had no end, and then flushes. So what rounds up to the smallest
 * normal number only because subnormals have fewer bits is flushed too: 2^-126 - 2^-150 as a product, by what
 * an H200 does. `scaled` is the result times 2^24, rounded as such. */
static float flush_scaled(float result, float scaled) {
  return fabsf(scaled) < FLT_MIN * 0x1p24f ? copysignf(0.0f, result) : result;
}

/* a * (1 / b), where PTX makes 1 / b zero if it would be subnormal: an infinite a gives NaN. */
static float divide_approx(float a, float b) {
  return fabsf(b) > 0x1p126f ? a * copysignf(0.0f, b) : a / b;
}

/* 2^x by the series of e^(r ln 2) for |r| <= 1/2, scaled in two steps so that subnormal results come out
 * right. */
static float power_of_two(float x) {
  static const float terms[] = {1.0f,           0.693147181f,   0.240226507f,    0.0555041087f,
                                0.00961812911f, 0.00133335581f, 0.000154035304f, 1.52527338e-5f};
  float clamped = x > -160.0f ? x : -160.0f;
  clamped = clamped < 160.0f ? clamped : 160.0f;
  float whole = rintf(clamped);
  float rest = clamped - whole;
  float sum = terms[7];
  for (int i = 6; i >= 0; i--)
    sum = sum * rest + terms[i];
  int32_t exponent = (int32_t)whole;
  int32_t first = exponent / 2;
  int32_t second = exponent - first;
  float result = sum * sim_float((uint32_t)(first + 127) << 23) * sim_float((uint32_t)(second + 127) << 23);
  return x != x ? sim_float(0x7fffffff) : result;
}

#define FLOAT_UNARY(name, expression)                                                                                  \
  static void name(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {                               \
    float copy_a[SIM_LANES];                                                                                           \
    float out[SIM_LANES];                                                                                              \
    const float *pa = float_source(warp, inst, 0, copy_a);                                                             \
    for (int i = 0; i < SIM_LANES; i++) {                                                                              \
      float a = pa[i];                                                                                                 \
      out[i] = expression;                                                                                             \
    }                                                                                                                  \
    float_result(warp, inst, lanes, out);                                                                              \
  }

#define FLOAT_BINARY(name, expression)                                                                                 \
  static void name(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {                               \
    float copy_a[SIM_LANES];                                                                                           \
    float copy_b[SIM_LANES];                                                                                           \
    float out[SIM_LANES];                                                                                              \
    const float *pa = float_source(warp, inst, 0, copy_a);                                                             \
    const float *pb = float_source(warp, inst, 1, copy_b);                                                             \
    for (int i = 0; i < SIM_LANES; i++) {                                                                              \
      float a = pa[i];                                                                                                 \
      float b = pb[i];                                                                                                 \
      out[i] = expression;                                                                                             \
    }                                                                                                                  \
    float_result(warp, inst, lanes, out);                                                                              \
  }

#define FLOAT_TERNARY(name, expression)                                                                                \
  static void name(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {                               \
    float copy_a[SIM_LANES];                                                                                           \
    float copy_b[SIM_LANES];                                                                                           \
    float copy_c[SIM_LANES];                                                                                           \
    float out[SIM_LANES];                                                                                              \
    const float *pa = float_source(warp, inst, 0, copy_a);                                                             \
    const float *pb = float_source(warp, inst, 1, copy_b);                                                             \
    const float *pc = float_source(warp, inst, 2, copy_c);                                                             \
    for (int i = 0; i < SIM_LANES; i++) {                                                                              \
      float a = pa[i];                                                                                                 \
      float b = pb[i];                                                                                                 \
      float c = pc[i];                                                                                                 \
      out[i] = expression;                                                                                             \
    }                                                                                                                  \
    float_result(warp, inst, lanes, out);                                                                              \
  }

FLOAT_BINARY(add_f32, a + b)
FLOAT_BINARY(sub_f32, a - b)
FLOAT_BINARY(mul_f32, a *b)
FLOAT_BINARY(div_f32, a / b)
FLOAT_TERNARY(fma_f32, fmaf(a, b, c))
FLOAT_BINARY(mul_ftz_f32, flush_scaled(a *b, a * 0x1p24f * b))
FLOAT_BINARY(div_ftz_f32, flush_scaled(a / b, a * 0x1p24f / b))
FLOAT_TERNARY(fma_ftz_f32, flush_scaled(fmaf(a, b, c), fmaf(a * 0x1p24f, b, c * 0x1p24f)))
FLOAT_BINARY(div_approx_f32, divide_approx(a, b))
FLOAT_BINARY(min_f32, minimum(a, b))
FLOAT_BINARY(max_f32, maximum(a, b))
FLOAT_BINARY(min_nan_f32, propagate_nan(a, b, minimum(a, b)))
FLOAT_BINARY(max_nan_f32, propagate_nan(a, b, maximum(a, b)))
FLOAT_TERNARY(min3_f32, minimum(minimum(a, b), c))
FLOAT_TERNARY(max3_f32, maximum(maximum(a, b), c))
FLOAT_UNARY(neg_f32, -a)
FLOAT_UNARY(abs_f32, fabsf(a))
FLOAT_UNARY(ex2_f32, power_of_two(a))
FLOAT_UNARY(lg2_f32, log2f(a))
FLOAT_UNARY(rcp_f32, 1.0f / a)
FLOAT_UNARY(sqrt_f32, sqrtf(a))
FLOAT_UNARY(rsqrt_f32, 1.0f / sqrtf(a))
FLOAT_UNARY(sin_f32, sinf(a))
FLOAT_UNARY(cos_f32, cosf(a))
FLOAT_UNARY(tanh_f32, tanhf(a))
/* copysign a, b: the sign of a, the magnitude of b. */
FLOAT_BINARY(copysign_f32, copysignf(b, a))

SIM_BINARY(add_f64, f64, f64, a + b)
SIM_BINARY(sub_f64, f64, f64, a - b)
SIM_BINARY(mul_f64, f64, f64, a *b)
SIM_BINARY(div_f64, f64, f64, a / b)
SIM_TERNARY(fma_f64, f64, f64, fma(a, b, c))
SIM_BINARY(min_f64, f64, f64, minimum_double(a, b))
SIM_BINARY(max_f64, f64, f64, maximum_double(a, b))
SIM_UNARY(neg_f64, f64, f64, -a)
SIM_UNARY(abs_f64, f64, f64, fabs(a))
SIM_UNARY(rcp_f64, f64, f64, 1.0 / a)
SIM_UNARY(sqrt_f64, f64, f64, sqrt(a))
SIM_BINARY(copysign_f64, f64, f64, copysign(b, a))

/* .ftz of f16, which likewise looks at what the result would round to if exponents had no end: that is the
 * smallest normal number from 2^-14 - 2^-26 on. */
static uint32_t flush_to_half(float value) {
  return sim_float_to_half(fabsf(value) < 0x1p-14f - 0x1p-26f ? copysignf(0.0f, value) : value);
}

static float flushed_bf16_to_float(uint32_t bits) {
  return sim_flush(sim_bf16_to_float(bits));
}

static uint32_t flush_to_bf16(float value) {
  return sim_float_to_bf16(sim_flush(value));
}

/* a b + c rounded to odd. Exponents of bf16 are so far apart that even a double loses c: what the sum has
 * lost (Knuth) makes it odd in turn. */
static float fused(float a, float b, float c) {
  double product = (double)a * (double)b;
  double sum = product + (double)c;
  double rest = sum - product;
  double lost = (product - (sum - rest)) + ((double)c - rest);
  uint64_t bits;
  if (lost == 0 || !isfinite(sum))
    return sim_round_to_odd(sum);
  memcpy(&bits, &sum, sizeof bits);
  bits -= (lost < 0) == (sum > 0);
  bits |= 1;
  memcpy(&sum, &bits, sizeof sum);
  return sim_round_to_odd(sum);
}

/* Halves: a word holds one or two values; results of both halves are computed, one is ignored for scalars.
 * Sums and products of f16 and bf16 in f32 round twice without harm (24 >= 2 * 11 + 2 bits); fma goes through
 * round-to-odd. NaN becomes the canonical one. */
#define HALF_LOOP(name, expression, GET, PUT)                                                                          \
  static void name(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {                               \
    const uint32_t *pa = sim_source(warp, inst, 0);                                                                    \
    const uint32_t *pb = inst->sources > 1 ? sim_source(warp, inst, 1) : pa;                                           \
    const uint32_t *pc = inst->sources > 2 ? sim_source(warp, inst, 2) : pa;                                           \
    uint32_t out[SIM_LANES];                                                                                           \
    for (int i = 0; i < SIM_LANES; i++) {                                                                              \
      uint32_t result = 0;                                                                                             \
      for (int shift = 0; shift < 32; shift += 16) {                                                                   \
        float a = GET(pa[i] >> shift & 0xffff);                                                                        \
        float b = GET(pb[i] >> shift & 0xffff);                                                                        \
        float c = GET(pc[i] >> shift & 0xffff);                                                                        \
        (void)b;                                                                                                       \
        (void)c;                                                                                                       \
        result |= PUT(expression) << shift;                                                                            \
      }                                                                                                                \
      out[i] = result;                                                                                                 \
    }                                                                                                                  \
    sim_commit_word(warp, inst, 0, lanes, out);                                                                        \
  }
#define DEFINE_HALF(name, expression)                                                                                  \
  HALF_LOOP(name##_f16, expression, sim_half_to_float, sim_float_to_half)                                              \
  HALF_LOOP(name##_bf16, expression, sim_bf16_to_float, sim_float_to_bf16)
#define DEFINE_FTZ_HALF(name, expression)                                                                              \
  DEFINE_HALF(name, expression)                                                                                        \
  HALF_LOOP(name##_ftz_f16, expression, sim_flushed_half_to_float, flush_to_half)

DEFINE_FTZ_HALF(half_add, a + b)
DEFINE_FTZ_HALF(half_sub, a - b)
DEFINE_FTZ_HALF(half_mul, a *b)
DEFINE_FTZ_HALF(half_fma, fused(a, b, c))
DEFINE_FTZ_HALF(half_fma_relu, sim_relu(fused(a, b, c)))
DEFINE_FTZ_HALF(half_min, minimum(a, b))
DEFINE_FTZ_HALF(half_max, maximum(a, b))
DEFINE_FTZ_HALF(half_min_nan, propagate_nan(a, b, minimum(a, b)))
DEFINE_FTZ_HALF(half_max_nan, propagate_nan(a, b, maximum(a, b)))
DEFINE_FTZ_HALF(half_neg, -a)
DEFINE_FTZ_HALF(half_abs, fabsf(a))
DEFINE_HALF(half_tanh, tanhf(a))
HALF_LOOP(half_ex2_f16, power_of_two(a), sim_half_to_float, sim_float_to_half)
HALF_LOOP(half_ex2_ftz_bf16, power_of_two(a), flushed_bf16_to_float, flush_to_bf16)

/* testp: properties of one number. Zero counts as normal. */
#define DEFINE_TESTP(name, expression)                                                                                 \
  static void name(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {                               \
    const float *pa = sim_source(warp, inst, 0);                                                                       \
    uint32_t result = 0;                                                                                               \
    for (int i = 0; i < SIM_LANES; i++) {                                                                              \
      float a = pa[i];                                                                                                 \
      result |= (uint32_t)(expression) << i;                                                                           \
    }                                                                                                                  \
    sim_commit_predicate(warp, inst, 0, lanes, result);                                                                \
  }
DEFINE_TESTP(testp_finite, isfinite(a) != 0)
DEFINE_TESTP(testp_infinite, isinf(a) != 0)
DEFINE_TESTP(testp_number, !isnan(a))
DEFINE_TESTP(testp_nan, isnan(a) != 0)
DEFINE_TESTP(testp_normal, isnormal(a) || a == 0)
DEFINE_TESTP(testp_subnormal, fpclassify(a) == FP_SUBNORMAL)

#define ROW(pattern, operands, exec)                                                                                   \
  { pattern, operands, exec, NULL, prepare_float, SIM_FLOW_NEXT }
#define PLAIN(pattern, operands, exec)                                                                                 \
  { pattern, operands, exec, NULL, NULL, SIM_FLOW_NEXT }
#define HALF_ROWS(pattern, operands, name)                                                                             \
  PLAIN(pattern "(.f16|.f16x2)", operands, name##_f16), PLAIN(pattern "(.bf16|.bf16x2)", operands, name##_bf16)
#define FTZ_HALF_ROWS(head, tail, operands, name)                                                                      \
  HALF_ROWS(head tail, operands, name), PLAIN(head ".ftz" tail "(.f16|.f16x2)", operands, name##_ftz_f16)

static const struct sim_form forms[] = {
    ROW("add[.rn][.ftz][.sat].f32", "w:ww", add_f32),
    ROW("sub[.rn][.ftz][.sat].f32", "w:ww", sub_f32),
    ROW("mul[.rn][.sat].f32", "w:ww", mul_f32),
    ROW("mul[.rn](.ftz)[.sat].f32", "w:ww", mul_ftz_f32),
    ROW("div(.rn|.full).f32", "w:ww", div_f32),
    ROW("div(.rn|.full)(.ftz).f32", "w:ww", div_ftz_f32),
    ROW("div.approx[.ftz].f32", "w:ww", div_approx_f32),
    ROW("fma[.rn][.sat].f32", "w:www", fma_f32),
    ROW("fma[.rn](.ftz)[.sat].f32", "w:www", fma_ftz_f32),
    ROW("mad[.rn][.sat].f32", "w:www", fma_f32),
    ROW("mad[.rn](.ftz)[.sat].f32", "w:www", fma_ftz_f32),
    ROW("min[.ftz].f32", "w:ww", min_f32),
    ROW("max[.ftz].f32", "w:ww", max_f32),
    ROW("min[.ftz].NaN.f32", "w:ww", min_nan_f32),
    ROW("max[.ftz].NaN.f32", "w:ww", max_nan_f32),
    ROW("min[.ftz].f32", "w:www", min3_f32),
    ROW("max[.ftz].f32", "w:www", max3_f32),
    ROW("neg[.ftz].f32", "w:w", neg_f32),
    ROW("abs[.ftz].f32", "w:w", abs_f32),
    ROW("ex2.approx[.ftz].f32", "w:w", ex2_f32),
    ROW("lg2.approx[.ftz].f32", "w:w", lg2_f32),
    ROW("rcp(.approx|.rn)[.ftz].f32", "w:w", rcp_f32),
    ROW("sqrt(.approx|.rn)[.ftz].f32", "w:w", sqrt_f32),
    ROW("rsqrt.approx[.ftz].f32", "w:w", rsqrt_f32),
    ROW("sin.approx[.ftz].f32", "w:w", sin_f32),
    ROW("cos.approx[.ftz].f32", "w:w", cos_f32),
    ROW("tanh.approx.f32", "w:w", tanh_f32),
    PLAIN("copysign.f32", "w:ww", copysign_f32),
    PLAIN("add[.rn].f64", "x:xx", add_f64),
    PLAIN("sub[.rn].f64", "x:xx", sub_f64),
    PLAIN("mul[.rn].f64", "x:xx", mul_f64),
    PLAIN("div.rn.f64", "x:xx", div_f64),
    PLAIN("fma.rn.f64", "x:xxx", fma_f64),
    PLAIN("min.f64", "x:xx", min_f64),
    PLAIN("max.f64", "x:xx", max_f64),
    PLAIN("neg.f64", "x:x", neg_f64),
    PLAIN("abs.f64", "x:x", abs_f64),
    PLAIN("rcp.rn.f64", "x:x", rcp_f64),
    PLAIN("rcp.approx.ftz.f64", "x:x", rcp_f64),
    PLAIN("sqrt.rn.f64", "x:x", sqrt_f64),
    PLAIN("copysign.f64", "x:xx", copysign_f64),
    FTZ_HALF_ROWS("add[.rn]", "", "w:ww", half_add),
    FTZ_HALF_ROWS("sub[.rn]", "", "w:ww", half_sub),
    FTZ_HALF_ROWS("mul[.rn]", "", "w:ww", half_mul),
    FTZ_HALF_ROWS("fma.rn", "", "w:www", half_fma),
    FTZ_HALF_ROWS("fma.rn", ".relu", "w:www", half_fma_relu),
    FTZ_HALF_ROWS("min", "", "w:ww", half_min),
    FTZ_HALF_ROWS("max", "", "w:ww", half_max),
    FTZ_HALF_ROWS("min", ".NaN", "w:ww", half_min_nan),
    FTZ_HALF_ROWS("max", ".NaN", "w:ww", half_max_nan),
    FTZ_HALF_ROWS("neg", "", "w:w", half_neg),
    FTZ_HALF_ROWS("abs", "", "w:w", half_abs),
    HALF_ROWS("tanh.approx", "w:w", half_tanh),
    PLAIN("ex2.approx(.f16|.f16x2)", "w:w", half_ex2_f16),
    PLAIN("ex2.approx.ftz(.bf16|.bf16x2)", "w:w", half_ex2_ftz_bf16),
    PLAIN("testp.finite.f32", "p:w", testp_finite),
    PLAIN("testp.infinite.f32", "p:w", testp_infinite),
    PLAIN("testp.number.f32", "p:w", testp_number),
    PLAIN("testp.notanumber.f32", "p:w", testp_nan),
    PLAIN("testp.normal.f32", "p:w", testp_normal),
    PLAIN("testp.subnormal.f32", "p:w", testp_subnormal),
};

const struct sim_form_table SIM_TABLE(sim_forms_float) = SIM_FORM_TABLE(forms);
