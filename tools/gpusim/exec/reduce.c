/* Elements of global memory combined with those that a bulk copy brings. */
#include "exec/reduce.h"

#include "exec/half.h"
#include "machine/tensor_map.h"

enum sim_reduction sim_reduction_of(const struct sim_captures *captures, uint32_t index) {
  static const char *const names[] = {
      [SIM_REDUCE_ADD] = ".add",   [SIM_REDUCE_MIN] = ".min",    [SIM_REDUCE_MAX] = ".max",
      [SIM_REDUCE_INC] = ".inc",   [SIM_REDUCE_DEC] = ".dec",    [SIM_REDUCE_BIT_AND] = ".and",
      [SIM_REDUCE_BIT_OR] = ".or", [SIM_REDUCE_BIT_XOR] = ".xor"};
  enum sim_reduction reduction = SIM_REDUCE_ADD;
  while (!sim_capture_is(captures, index, names[reduction]))
    reduction++;
  return reduction;
}

static uint64_t reduce_integer(enum sim_reduction reduction, bool less, uint64_t old, uint64_t by) {
  switch (reduction) {
  case SIM_REDUCE_ADD:
    return old + by;
  case SIM_REDUCE_MIN:
    return less ? by : old;
  case SIM_REDUCE_MAX:
    return less ? old : by;
  case SIM_REDUCE_INC:
    return old >= by ? 0 : old + 1;
  case SIM_REDUCE_DEC:
    return old == 0 || old > by ? by : old - 1;
  case SIM_REDUCE_BIT_AND:
    return old & by;
  case SIM_REDUCE_BIT_OR:
    return old | by;
  case SIM_REDUCE_BIT_XOR:
    return old ^ by;
  default:
    return by;
  }
}

static double reduce_number(enum sim_reduction reduction, double old, double by) {
  switch (reduction) {
  case SIM_REDUCE_ADD:
    return old + by;
  case SIM_REDUCE_MIN:
    return by < old || old != old ? by : old;
  default:
    return by > old || old != old ? by : old;
  }
}

static double number_of(uint32_t type, uint64_t bits) {
  double value;
  switch (type) {
  case SIM_TENSOR_F16:
    return (double)sim_half_to_float((uint32_t)bits);
  case SIM_TENSOR_BF16:
    return (double)sim_bf16_to_float((uint32_t)bits);
  case SIM_TENSOR_F32:
    return (double)sim_float((uint32_t)bits);
  default:
    memcpy(&value, &bits, sizeof value);
    return value;
  }
}

/* A sum of two f32 is rounded once: the double is exact, or rounded to odd would be for narrower ones. */
static uint64_t bits_of(uint32_t type, double value) {
  uint64_t bits;
  switch (type) {
  case SIM_TENSOR_F16:
    return sim_float_to_half(sim_round_to_odd(value));
  case SIM_TENSOR_BF16:
    return sim_float_to_bf16(sim_round_to_odd(value));
  case SIM_TENSOR_F32:
    return sim_bits((float)value);
  default:
    memcpy(&bits, &value, sizeof bits);
    return bits;
  }
}

static uint64_t reduce_element(enum sim_reduction reduction, uint32_t type, uint64_t old, uint64_t by) {
  if (type >= SIM_TENSOR_F16)
    return bits_of(type, reduce_number(reduction, number_of(type, old), number_of(type, by)));
  bool less = by < old;
  if (type == SIM_TENSOR_S32)
    less = (int32_t)by < (int32_t)old;
  if (type == SIM_TENSOR_S64)
    less = (int64_t)by < (int64_t)old;
  return reduce_integer(reduction, less, old, by);
}

void sim_reduce(enum sim_reduction reduction, uint32_t type, uint32_t element_bytes, uint8_t *to, const uint8_t *from,
                uint32_t bytes) {
  for (uint32_t i = 0; i < bytes; i += element_bytes) {
    uint64_t old = 0;
    uint64_t by = 0;
    memcpy(&old, to + i, element_bytes);
    memcpy(&by, from + i, element_bytes);
    uint64_t result = reduce_element(reduction, type, old, by);
    memcpy(to + i, &result, element_bytes);
  }
}
