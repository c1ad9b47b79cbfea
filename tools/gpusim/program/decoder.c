/* The first error of a decoder, its constants, and values of its own. */
#include "program/decoder.h"

#include <stdarg.h>
#include <stdio.h>

void sim_decode_fail(struct sim_decoder *decoder, const char *format, ...) {
  if (decoder->failed)
    return;
  decoder->failed = true;
  int used = snprintf(decoder->error, PTX_ERROR_BYTES, "line %u: ", decoder->statement ? decoder->statement->line : 0);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(decoder->error + used, PTX_ERROR_BYTES - (size_t)used, format, arguments);
  va_end(arguments);
}

uint32_t sim_constant_value(struct sim_decoder *decoder, uint64_t bits, bool wide) {
  uint64_t hash = (bits + wide) * 0x9e3779b97f4a7c15u;
  size_t at = (size_t)(hash >> 51);
  for (; decoder->constant_index[at]; at = (at + 1) % SIM_CONSTANT_BUCKETS) {
    const struct sim_constant *known = &decoder->constants[decoder->constant_index[at] - 1];
    if (known->value == bits && known->wide == wide)
      return SIM_VALUE_CONSTANT | (decoder->constant_index[at] - 1);
  }
  if (decoder->constant_count + 1 == SIM_CONSTANT_BUCKETS) {
    sim_decode_fail(decoder, "more than %d distinct constants", SIM_CONSTANT_BUCKETS);
    return SIM_VALUE_CONSTANT;
  }
  SIM_PUSH(decoder->constants, decoder->constant_count, decoder->constant_capacity);
  decoder->constants[decoder->constant_count++] = (struct sim_constant){.value = bits, .wide = wide};
  decoder->constant_index[at] = (uint32_t)decoder->constant_count;
  return SIM_VALUE_CONSTANT | (uint32_t)(decoder->constant_count - 1);
}

uint32_t sim_new_value(struct sim_decoder *decoder, enum ptx_class class) {
  SIM_PUSH(decoder->classes, decoder->value_count, decoder->value_capacity);
  decoder->classes[decoder->value_count] = (uint8_t) class;
  return (uint32_t)decoder->value_count++;
}
