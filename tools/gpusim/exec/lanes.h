/* Building blocks of the files that implement instructions. The files that include this header are
 * compiled once per instruction set of the host; SIM_ISA gives their tables different names. */
#ifndef GPUSIM_EXEC_LANES_H
#define GPUSIM_EXEC_LANES_H

#include "check/taint.h"
#include "machine/machine.h"
#include "program/form.h"

#include <float.h>
#include <math.h>
#include <string.h>

#ifndef SIM_ISA
#define SIM_ISA base
#endif
#define SIM_JOIN_(a, b) a##_##b
#define SIM_JOIN(a, b) SIM_JOIN_(a, b)
#define SIM_TABLE(name) SIM_JOIN(name, SIM_ISA)

/* Writes the lanes that execute, keeps the others. */
static inline void sim_commit_word(struct sim_warp *warp, const struct sim_inst *inst, uint32_t index, uint32_t lanes,
                                   const void *values) {
  uint32_t *to = sim_operand(warp, inst, index);
  const uint32_t *from = values;
  if (lanes == UINT32_MAX) {
    memcpy(to, from, SIM_LANES * sizeof *to);
    return;
  }
  for (int i = 0; i < SIM_LANES; i++)
    to[i] = (lanes >> i & 1) ? from[i] : to[i];
}

static inline void sim_commit_wide(struct sim_warp *warp, const struct sim_inst *inst, uint32_t index, uint32_t lanes,
                                   const void *values) {
  uint64_t *to = sim_operand(warp, inst, index);
  const uint64_t *from = values;
  if (lanes == UINT32_MAX) {
    memcpy(to, from, SIM_LANES * sizeof *to);
    return;
  }
  for (int i = 0; i < SIM_LANES; i++)
    to[i] = (lanes >> i & 1) ? from[i] : to[i];
}

static inline void sim_commit_predicate(struct sim_warp *warp, const struct sim_inst *inst, uint32_t index,
                                        uint32_t lanes, uint32_t value) {
  uint32_t *to = sim_operand(warp, inst, index);
  *to = (*to & ~lanes) | (value & lanes);
}

/* What .ftz makes of a value: subnormals become zero and keep their sign. */
static inline float sim_flush(float value) {
  return fabsf(value) < FLT_MIN ? copysignf(0.0f, value) : value;
}

/* Lane storage, value type and way back to storage of each PTX type. */
#define SIM_STORE_u16 uint32_t
#define SIM_STORE_s16 uint32_t
#define SIM_STORE_u32 uint32_t
#define SIM_STORE_s32 uint32_t
#define SIM_STORE_u64 uint64_t
#define SIM_STORE_s64 uint64_t
#define SIM_STORE_f32 float
#define SIM_STORE_f64 double
#define SIM_VALUE_u16 uint16_t
#define SIM_VALUE_s16 int16_t
#define SIM_VALUE_u32 uint32_t
#define SIM_VALUE_s32 int32_t
#define SIM_VALUE_u64 uint64_t
#define SIM_VALUE_s64 int64_t
#define SIM_VALUE_f32 float
#define SIM_VALUE_f64 double
#define SIM_PUT_u16(v) ((uint16_t)(v))
#define SIM_PUT_s16(v) ((uint16_t)(v))
#define SIM_PUT_u32(v) ((uint32_t)(v))
#define SIM_PUT_s32(v) ((uint32_t)(v))
#define SIM_PUT_u64(v) ((uint64_t)(v))
#define SIM_PUT_s64(v) ((uint64_t)(v))
#define SIM_PUT_f32(v) ((float)(v))
#define SIM_PUT_f64(v) ((double)(v))
#define SIM_COMMIT_u16 sim_commit_word
#define SIM_COMMIT_s16 sim_commit_word
#define SIM_COMMIT_u32 sim_commit_word
#define SIM_COMMIT_s32 sim_commit_word
#define SIM_COMMIT_f32 sim_commit_word
#define SIM_COMMIT_u64 sim_commit_wide
#define SIM_COMMIT_s64 sim_commit_wide
#define SIM_COMMIT_f64 sim_commit_wide

/* An instruction that computes `expression` of a, b and c in every lane; D is the type of the result, S of
 * sources. */
#define SIM_UNARY(name, D, S, expression)                                                                              \
  static void name(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {                               \
    const SIM_STORE_##S *pa = sim_source(warp, inst, 0);                                                               \
    SIM_STORE_##D out[SIM_LANES];                                                                                      \
    for (int i = 0; i < SIM_LANES; i++) {                                                                              \
      SIM_VALUE_##S a = (SIM_VALUE_##S)pa[i];                                                                          \
      out[i] = SIM_PUT_##D(expression);                                                                                \
    }                                                                                                                  \
    SIM_COMMIT_##D(warp, inst, 0, lanes, out);                                                                         \
  }

#define SIM_BINARY2(name, D, S, T, expression)                                                                         \
  static void name(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {                               \
    const SIM_STORE_##S *pa = sim_source(warp, inst, 0);                                                               \
    const SIM_STORE_##T *pb = sim_source(warp, inst, 1);                                                               \
    SIM_STORE_##D out[SIM_LANES];                                                                                      \
    for (int i = 0; i < SIM_LANES; i++) {                                                                              \
      SIM_VALUE_##S a = (SIM_VALUE_##S)pa[i];                                                                          \
      SIM_VALUE_##T b = (SIM_VALUE_##T)pb[i];                                                                          \
      out[i] = SIM_PUT_##D(expression);                                                                                \
    }                                                                                                                  \
    SIM_COMMIT_##D(warp, inst, 0, lanes, out);                                                                         \
  }
#define SIM_BINARY(name, D, S, expression) SIM_BINARY2(name, D, S, S, expression)

#define SIM_TERNARY3(name, D, S, T, U, expression)                                                                     \
  static void name(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {                               \
    const SIM_STORE_##S *pa = sim_source(warp, inst, 0);                                                               \
    const SIM_STORE_##T *pb = sim_source(warp, inst, 1);                                                               \
    const SIM_STORE_##U *pc = sim_source(warp, inst, 2);                                                               \
    SIM_STORE_##D out[SIM_LANES];                                                                                      \
    for (int i = 0; i < SIM_LANES; i++) {                                                                              \
      SIM_VALUE_##S a = (SIM_VALUE_##S)pa[i];                                                                          \
      SIM_VALUE_##T b = (SIM_VALUE_##T)pb[i];                                                                          \
      SIM_VALUE_##U c = (SIM_VALUE_##U)pc[i];                                                                          \
      out[i] = SIM_PUT_##D(expression);                                                                                \
    }                                                                                                                  \
    SIM_COMMIT_##D(warp, inst, 0, lanes, out);                                                                         \
  }
#define SIM_TERNARY(name, D, S, expression) SIM_TERNARY3(name, D, S, S, S, expression)

#endif
